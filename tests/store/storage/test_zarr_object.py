from __future__ import annotations

import gc
import pickle

import dask
import numpy as np
import pytest
import xarray as xr
import zarr
from zarr.storage import LocalStore, MemoryStore, ZipStore

from xfeldask import embed, explore, open_dataset, open_run, select, simulate, verify
from xfeldask.errors import InputError
from xfeldask.store.storage.urls import ObjectURL, store_path

RUN = {"particle": ([[0, 0, 0], [2e-9, 0, 0]], ["C", "C"]), "detector": "square-32", "n_shots": 9, "progress": False}


class Strict(MemoryStore):
    """Takes no chunk of an array that it does not know, as Icechunk."""

    async def set(self, key, value, byte_range=None):
        node = key.partition("/c/")[0]
        if node != key and f"{node}/zarr.json" not in self._store_dict:
            raise KeyError(node)
        await super().set(key, value, byte_range)


@pytest.fixture
def written():
    """A store with a run and an embedding."""
    store = Strict()
    simulate(store, **RUN)
    embed(store, n_components=2, sort=None, progress=False)
    return store


def test_verbs__take_a_zarr_store(written, tmp_path):
    there = simulate(tmp_path / "run.zarr", **RUN)
    xr.testing.assert_equal(open_dataset(written).photons, there.photons)
    due = embed(tmp_path / "run.zarr", n_components=2, sort=None, progress=False)
    for _ in range(2):  # in the place of another, too
        found = embed(written, n_components=2, sort=None, overwrite=True, progress=False)
        np.testing.assert_array_equal(found.latent, due.latent)
    np.testing.assert_array_equal(select(written, "photon_count >= 0"), np.arange(9))
    assert verify(written, progress=False).ok
    assert embed(open_dataset(written), n_components=2, sort=None, name="b", progress=False).sizes["shot"] == 9
    assert list(open_run(written).embeddings) == ["b", "ipca"]


def test_verbs__take_any_place_in_a_zarr_store(written):
    with pytest.raises(InputError, match=r"zarr://Strict-[0-9a-f]{8}/latent is a Zarr store, but not one of xfeldask"):
        open_run(ObjectURL.of(written) / "latent")


def test_verbs__refuse_to_write_where_a_store_is_only_read(written):
    only_read = Strict(written._store_dict, read_only=True)
    assert open_run(only_read).complete
    told = r"zarr://Strict-.* may not be written; give the store of a session that may"
    with pytest.raises(InputError, match=told):
        embed(only_read, name="other", sort=None, progress=False)
    with pytest.raises(InputError, match=told):
        open_run(only_read, mode="r+")


def test_verify__finds_a_flipped_bit_in_a_zarr_store(written):
    key = next(key for key in written._store_dict if key.startswith("photon_count/c"))
    data = bytearray(written._store_dict[key].to_bytes())
    data[-1] ^= 1
    written._store_dict[key] = zarr.core.buffer.cpu.Buffer.from_bytes(bytes(data))
    assert not verify(written, progress=False).ok


def test_explorer__shows_a_zarr_store(written):
    assert "ipca" in str(explore(written).select())


def test_store_path__names_a_zarr_store_for_as_long_as_it_is_there():
    store = MemoryStore()
    path = store_path(store)
    assert store_path(store) == path == store_path(f"{path}")
    assert store_path(f"{path}run.zarr") == path / "run.zarr"
    assert store_path(MemoryStore()) != path
    name = str(path)
    del store, path
    gc.collect()
    with pytest.raises(InputError, match="that zarr store is of another process, or was closed; give the store itself"):
        store_path(name)


def test_run__of_a_zarr_store_travels_with_it(written):
    run = pickle.loads(pickle.dumps(open_run(written)))
    np.testing.assert_array_equal(run.read("photon_count"), open_run(written).read("photon_count"))


def test_dataset__of_a_store_that_nobody_else_holds_is_known_by_it(tmp_path):
    simulate(tmp_path / "run.zarr", **RUN)
    found = open_dataset(LocalStore(tmp_path / "run.zarr"))
    gc.collect()
    assert embed(found, n_components=2, sort=None, progress=False).sizes["shot"] == found.sizes["shot"]


@pytest.mark.parametrize("scheduler", ["processes", "multiprocessing"])
def test_simulate__into_memory_is_refused_where_workers_would_write_into_copies(scheduler):
    with dask.config.set(scheduler=scheduler), pytest.raises(InputError, match="in the memory of this process"):
        simulate(MemoryStore(), **RUN)


def test_store__that_cannot_be_written_in_place_is_refused(tmp_path):
    with pytest.raises(InputError, match="a ZipStore cannot be written in place"):
        simulate(ZipStore(tmp_path / "run.zip", mode="w"), **RUN)
