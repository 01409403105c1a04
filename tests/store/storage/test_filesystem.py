"""Stores in file systems of fsspec, which are read and never written."""

from __future__ import annotations

import pickle

import pytest
import xarray as xr
from fsspec.implementations.local import LocalFileSystem
from fsspec.registry import _registry

from xfeldask import embed, open_dataset, open_run, simulate, verify
from xfeldask.errors import InputError, MissingFileError, UnreachableError

RUN = {"particle": ([[0, 0, 0], [2e-9, 0, 0]], ["C", "C"]), "detector": "square-32", "n_shots": 9, "progress": False}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    path = tmp_path_factory.mktemp("there") / "run.zarr"
    simulate(path, **RUN)
    embed(path, n_components=2, sort=None, progress=False)
    return open_run(path)


@pytest.fixture
def url(run):
    """The run in a file system of fsspec."""
    return f"local://{run.path}"


def test_store__that_fsspec_reads_is_read(run, url):
    there = open_run(url)
    assert (str(there.path), list(there.embeddings)) == (url, ["ipca"])
    xr.testing.assert_identical(open_dataset(url).load(), run.dataset().load())
    assert verify(url, progress=False).ok
    assert pickle.loads(pickle.dumps(there)).place.sizes() == run.place.sizes()


class Strict(LocalFileSystem):
    """Files of this computer, by a protocol that knows no words but its own, as that of SFTP."""

    protocol = "strict"
    cachable = False

    def __init__(self, host: str = "") -> None:
        super().__init__()

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return path.removeprefix("strict:/").rstrip("/") or "/"


def test_store__is_read_by_file_systems_that_know_few_words(run, monkeypatch):
    monkeypatch.setitem(_registry, "strict", Strict)
    there = open_run(f"strict:/{run.path}")
    assert (there.n_shots, list(there.embeddings)) == (9, ["ipca"])


def test_verbs__write_nothing_by_fsspec(url):
    told = r"cannot be written: stores at local:// are only read; write to a folder or a bucket"
    for write in (
        lambda: simulate(url, **RUN, overwrite=True),
        lambda: embed(url, name="b", sort=None, progress=False),
    ):
        with pytest.raises(InputError, match=told):
            write()


def test_open_run__says_what_fsspec_lacks(url):
    with pytest.raises(MissingFileError, match="no store at"):
        open_run(f"{url}.gone")
    with pytest.raises(
        InputError, match=r'sftp://h/ cannot be opened by fsspec: .*requires "paramiko" to be installed'
    ):
        open_run("sftp://h/run.zarr")
    with pytest.raises(UnreachableError, match=r"ftp://127.0.0.1:9/ does not answer \(ConnectionRefusedError"):
        open_run("ftp://127.0.0.1:9/run.zarr")
