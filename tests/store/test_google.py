"""Stores in ``gs://``, on a server that does as Google's XML API is documented."""

from __future__ import annotations

import os

import numpy as np
import pytest

from tests.store.gcs_server import google
from xfeldask import embed, open_dataset, open_run, simulate, verify
from xfeldask.errors import RunError, StoreBusyError
from xfeldask.store.storage import connection
from xfeldask.store.storage.bucket import Bucket
from xfeldask.store.storage.lock import held, writer
from xfeldask.store.storage.places import place_of
from xfeldask.store.storage.urls import URL, store_path

RUN = {"particle": ([[0, 0, 0], [2e-9, 0, 0]], ["C", "C"]), "detector": "square-32", "n_shots": 9, "progress": False}


@pytest.fixture(autouse=True)
def bucket(tmp_path, monkeypatch):
    monkeypatch.setitem(connection.CLIENT, "allow_http", True)
    with google(tmp_path) as account:
        monkeypatch.setenv("GOOGLE_SERVICE_ACCOUNT", str(account))
        connection.bucket.cache_clear()
        yield
    connection.bucket.cache_clear()


def test_verbs__write_to_google_what_they_write_to_a_folder(tmp_path):
    for store in ("gs://beamtime/p1/run.zarr", tmp_path / "run.zarr"):
        simulate(store, **RUN)
        embed(store, n_components=2, sort=None, progress=False)
        embed(store, n_components=2, sort=None, overwrite=True, progress=False)
    there, here = place_of(store_path("gs://beamtime/p1/run.zarr")), place_of(tmp_path / "run.zarr")
    assert there.sizes() == here.sizes()
    assert there.leftovers() == []
    chunks = [key for key in here.sizes() if "/c/" in key]
    assert there.read_all(chunks) == here.read_all(chunks)
    assert verify("gs://beamtime/p1/run.zarr", progress=False).ok


def test_simulate__resumes_at_google(monkeypatch):
    monkeypatch.setattr("xfeldask.store.layout.SHARD_BYTES", 4 * 32 * 32)
    calls = []

    def broken(place, files):
        calls.append(place)
        if len(calls) == 3:
            raise RuntimeError("the worker was lost")
        write(place, files)

    write = Bucket.write
    monkeypatch.setattr(Bucket, "write", broken)
    with pytest.raises(RunError, match="the worker was lost"):
        simulate("gs://beamtime/run.zarr", **RUN)
    assert not open_run("gs://beamtime/run.zarr").complete
    simulate("gs://beamtime/run.zarr", **RUN, resume=True)
    whole = simulate("memory://google/run.zarr", **RUN, overwrite=True)
    np.testing.assert_array_equal(open_dataset("gs://beamtime/run.zarr").photons, whole.photons)


def test_put__at_google_goes_by_the_generation():
    place = Bucket(URL("gs", "beamtime", "notes"))
    place.put("a", b"one", create=True)
    with pytest.raises(FileExistsError):
        place.put("a", b"two", create=True)
    was = place.head("a")
    place.put("a", b"one", match=was)  # the same bytes have the same tag, and another generation
    with pytest.raises(FileExistsError):
        place.put("a", b"three", match=was)
    assert place.read("a") == b"one"


def test_held__at_google_lets_one_write_at_a_time(monkeypatch):
    store = store_path("gs://beamtime/run.zarr")
    with held(store):
        assert writer(store).process == os.getpid()
        monkeypatch.setattr("xfeldask.store.storage.lock._held", {})  # as another process sees it
        with pytest.raises(StoreBusyError, match="is being written by process"), held(store):
            raise AssertionError
        monkeypatch.undo()
    assert writer(store) is None
