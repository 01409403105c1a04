"""Stores on a web server, which are read and never written."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import xarray as xr

from tests.servers import web
from xfeldask import embed, open_dataset, open_run, project, select, simulate, verify
from xfeldask.errors import InputError, MissingFileError, UnreachableError, XfeldaskWarning
from xfeldask.store.results.selections import publish_selection
from xfeldask.store.storage import connection
from xfeldask.store.storage.places import place_of
from xfeldask.store.storage.urls import store_path

RUN = {"particle": ([[0, 0, 0], [2e-9, 0, 0]], ["C", "C"]), "detector": "square-32", "n_shots": 9, "progress": False}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a run, an embedding and a selection."""
    folder = tmp_path_factory.mktemp("served")
    simulate(folder / "run.zarr", **RUN)
    embed(folder / "run.zarr", n_components=2, sort=None, progress=False)
    publish_selection(open_run(folder / "run.zarr"), "mine", np.arange(9) > 2)
    return folder


@pytest.fixture(scope="module")
def url(folder):
    with web(folder) as address:
        yield f"{address}/run.zarr"


def test_store__on_a_web_server_is_read(folder, url, tmp_path):
    here, there = open_run(folder / "run.zarr"), open_run(url)
    assert (list(there.embeddings), list(there.selections)) == (["ipca"], ["mine"])
    assert pickle.loads(pickle.dumps(there)).complete
    xr.testing.assert_identical(open_dataset(url).load(), open_dataset(here.path).load())
    xr.testing.assert_identical(*(open_dataset(store, group="latent/ipca").load() for store in (url, here.path)))
    assert verify(url, progress=False).ok
    assert select(url, "photon_count >= 0").tolist() == list(range(9))
    assert place_of(store_path(url)).sizes() == here.place.sizes()
    simulate(tmp_path / "other.zarr", **RUN)
    found = project(url, "ipca", tmp_path / "other.zarr", progress=False)
    np.testing.assert_allclose(found.latent, there.embeddings["ipca"].dataset().latent)


def test_stamp__on_a_web_server_tells_when_something_was_published(tmp_path):
    simulate(tmp_path / "run.zarr", **RUN)
    with web(tmp_path) as address:
        place = place_of(store_path(f"{address}/run.zarr"))
        before = place.stamp("selection"), place.stamp("zarr.json")
        assert before == (place.stamp("selection"), place.stamp("zarr.json"))
        publish_selection(open_run(tmp_path / "run.zarr"), "mine", np.arange(9) > 2)
        assert place.stamp("selection") != before[0]


def test_store__of_a_server_without_pages_of_folders_is_read_and_what_is_not_found_is_told(folder):
    with web(folder, pages=False) as address:
        url = f"{address}/run.zarr"
        with pytest.warns(XfeldaskWarning, match=f"the server has no page of what is in {url}/latent; what was"):
            assert list(open_run(url).embeddings) == []
        assert open_dataset(url).photons.load().equals(open_dataset(folder / "run.zarr").photons.load())
        assert open_dataset(url, group="latent/ipca").latent.shape == (9, 2)


@pytest.mark.parametrize(
    "write",
    [
        lambda url: simulate(url, **RUN, overwrite=True),
        lambda url: simulate(url, **RUN, shards="1/2"),
        lambda url: simulate(url, **RUN, resume=True),
        lambda url: embed(url, name="other", sort=None, progress=False),
        lambda url: open_run(url, mode="r+"),
    ],
)
def test_verbs__write_nothing_on_a_web_server(url, write):
    with pytest.raises(InputError, match=r"cannot be written: stores at http:// are only read; write to a folder"):
        write(url)


def test_open_run__says_what_a_web_server_lacks(folder, url, monkeypatch):
    with pytest.raises(MissingFileError, match="no store at http"):
        open_run(f"{url}/gone.zarr")
    with pytest.raises(InputError, match=r"names no store on a server; write https://HOST/NAME.zarr"):
        open_run("https://facility.eu")
    with web(folder, parts=False) as address, pytest.raises(UnreachableError, match="gives no parts of files, which"):
        open_dataset(f"{address}/run.zarr").photons[3].load()
    monkeypatch.setattr(connection, "RETRIES", 0)
    with pytest.raises(UnreachableError, match=r"the server of http://127.0.0.1:9 does not answer .* when it does$"):
        open_run("http://127.0.0.1:9/run.zarr")
