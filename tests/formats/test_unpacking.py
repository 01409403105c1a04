from __future__ import annotations

import zlib
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xfeldask import open_frames
from xfeldask.errors import FormatError
from xfeldask.formats import unpacking
from xfeldask.formats.unpacking import GzipDataset, is_gzip, unpacked

TYPES = ("u1", "<u2", ">i4", "<f4", ">f8", "<u8")


@pytest.fixture
def any_size(monkeypatch):
    monkeypatch.setattr(unpacking, "LEAST", 1)


@pytest.fixture
def file():
    with h5py.File("chunks.h5", "w", driver="core", backing_store=False) as made:
        yield made


def packed(file, values, chunks, **more):
    return file.create_dataset("data", data=values, chunks=chunks, compression="gzip", **more)


@st.composite
def datasets(draw):
    shape = draw(st.lists(st.integers(1, 7), min_size=1, max_size=4))
    chunks = [draw(st.integers(1, n)) for n in shape]
    rows = sorted(draw(st.tuples(st.integers(0, shape[0]), st.integers(0, shape[0]))))
    written = draw(st.integers(0, shape[0]))
    return tuple(shape), tuple(chunks), slice(*rows), written, draw(st.sampled_from(TYPES)), draw(st.booleans())


@given(datasets())
def test_rows__are_those_that_hdf5_gives(asked):
    shape, chunks, rows, written, dtype, shuffle = asked
    with h5py.File("chunks.h5", "w", driver="core", backing_store=False) as file:
        data = file.create_dataset(
            "data", shape, dtype, chunks=chunks, compression="gzip", shuffle=shuffle, fillvalue=7
        )
        # the chunks of the rest are never written
        data[:written] = np.random.default_rng(1).integers(0, 200, (written, *shape[1:]))
        found = GzipDataset(data)[rows]
        assert found.dtype == data.dtype
        np.testing.assert_array_equal(found, data[rows])


@pytest.mark.parametrize("skipped", [0, 1, 2, 3])
def test_rows__of_chunks_that_skip_filters_are_right(tmp_path, skipped):
    values = np.arange(12, dtype="<u4").reshape(3, 4)
    plain = values.tobytes()
    if not skipped & 1:
        plain = np.frombuffer(plain, np.uint8).reshape(-1, 4).T.tobytes()
    with h5py.File(tmp_path / "run.h5", "w") as file:
        data = file.create_dataset("data", (3, 4), "<u4", chunks=(3, 4), compression="gzip", shuffle=True)
        data.id.write_direct_chunk((0, 0), plain if skipped & 2 else zlib.compress(plain), filter_mask=skipped)
    # opened anew: HDF5 2.0 forgets what it was told for as long as the file is open
    with h5py.File(tmp_path / "run.h5") as file:
        np.testing.assert_array_equal(file["data"][:], values)
        np.testing.assert_array_equal(GzipDataset(file["data"])[0:3], values)


def test_unpacked__leaves_what_it_cannot_read_to_hdf5(file, any_size):
    values = np.zeros((3, 4), "u1")
    assert is_gzip(packed(file, values, (1, 4)))
    others = {
        "checked": {"chunks": (1, 4), "compression": "gzip", "fletcher32": True},
        "other": {"chunks": (1, 4), "compression": "lzf"},
        "plain": {"chunks": (1, 4)},
        "whole": {},
    }
    for name, how in others.items():
        data = file.create_dataset(name, data=values, **how)
        assert unpacked(data) is data
    assert not is_gzip(file.create_dataset("yes", data=values > 0, chunks=(1, 4), compression="gzip"))
    # fewer bits than its bytes have, which HDF5 spreads out
    narrow = h5py.h5t.NATIVE_INT16.copy()
    narrow.set_precision(12)
    made = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    made.set_chunk((1, 4))
    made.set_deflate(1)
    space = h5py.h5s.create_simple((3, 4))
    assert not is_gzip(h5py.Dataset(h5py.h5d.create(file.id, b"narrow", narrow, space, made)))


def test_unpacked__leaves_small_chunks_to_hdf5(file):
    assert not is_gzip(packed(file, np.zeros((3, 4)), (1, 4)))


def test_threads__unpack_at_the_same_time(file, monkeypatch):
    values = np.arange(2 * 99).reshape(2, 99)
    found = GzipDataset(packed(file, values, (1, 99)))
    # each waits for the other to be unpacking, too
    both, inflated = Barrier(2), unpacking._inflated
    monkeypatch.setattr(unpacking, "_inflated", lambda *given: both.wait(60) is None or inflated(*given))
    with ThreadPoolExecutor(2) as pool:
        rows = list(pool.map(lambda row: found[row : row + 1], range(2)))
    np.testing.assert_array_equal(np.concatenate(rows), values)


HDF5, HERE = r"Can't .*read data", r"the chunk at \(1, 0, 0\) is not of 16,384 bytes"


# HDF5 takes what is whole and of another length, and reads beyond its end
@pytest.mark.parametrize(
    ("spoil", "told"), [("checksum", HDF5), ("cut", HDF5), ("long", HERE), ("short", HERE), ("noise", HDF5)]
)
def test_damage__is_told_with_the_shots(tmp_path, spoil, told):
    with h5py.File(tmp_path / "run.h5", "w") as file:
        data = packed(file, np.ones((3, 128, 128), "u1"), (1, 128, 128))
        good = zlib.compress(bytes(128 * 128))
        bad = {
            "checksum": good[:-1] + bytes([good[-1] ^ 1]),
            "cut": good[:-8],
            "long": zlib.compress(bytes(10**6)),
            "short": zlib.compress(bytes(128 * 128 - 1)),
            "noise": b"\1" * 99,
        }
        data.id.write_direct_chunk((1, 0, 0), bad[spoil])
    frames = open_frames(tmp_path / "run.h5", geometry="square-128", photon_energy=4600)
    assert frames.read(range(1)).sum() == 128 * 128
    with pytest.raises(FormatError, match=rf"run\.h5.*shots 0 to 2 cannot be read \({told}.*the file is damaged"):
        frames.read(range(3))


def test_chunk__that_is_not_packed_as_it_says_is_left_to_hdf5(file, any_size, monkeypatch):
    values = np.arange(3 * 30 * 30, dtype=np.uint16).reshape(3, 30, 30)
    data = file.create_dataset("data", data=values, chunks=(1, 20, 20), compression="gzip")

    def refuse(*_):
        raise zlib.error("incorrect header check")

    monkeypatch.setattr(unpacking, "_inflated", refuse)
    np.testing.assert_array_equal(GzipDataset(data)[0:3], values)
    np.testing.assert_array_equal(GzipDataset(data)[0:3:2], values[::2])


def test_dataset__whose_fill_value_is_undefined_is_left_to_hdf5(tmp_path):
    path, values = tmp_path / "run.h5", np.ones((3, 128, 128), np.uint16)
    with h5py.File(path, "w", libver="earliest") as file:
        packed(file, values, (1, 128, 128))
    # the fill value of version 2 says of itself whether it is defined, which h5py never leaves out
    told = b"\2\3\2%b\0\0\0\0"
    assert path.read_bytes().count(told % b"\1") == 1
    path.write_bytes(path.read_bytes().replace(told % b"\1", told % b"\0"))
    with h5py.File(path) as file:
        with pytest.raises(RuntimeError, match="undefined"):
            _ = file["data"].fillvalue
        assert not is_gzip(file["data"])
    frames = open_frames(path, geometry="square-128", photon_energy=4600)
    np.testing.assert_array_equal(frames.read(range(3))[:, 0], values)


def test_dataset__that_does_not_tell_how_it_is_packed_is_named(tmp_path, monkeypatch):
    path = tmp_path / "run.h5"
    with h5py.File(path, "w") as file:
        packed(file, np.ones((3, 128, 128), np.uint16), (1, 128, 128))

    def refuse(_):
        raise RuntimeError("unable to get filter")

    monkeypatch.setattr(unpacking, "is_gzip", refuse)
    with pytest.raises(FormatError, match=r"run\.h5:/data: it cannot be read \(unable to get filter\)"):
        open_frames(path, geometry="square-128", photon_energy=4600)


def test_rows_of_a_part_of_a_chunk__are_read_by_hdf5(tmp_path, monkeypatch):
    values = np.arange(10 * 64 * 64, dtype=np.uint16).reshape(10, 64, 64)
    with h5py.File(tmp_path / "run.h5", "w") as file:
        packed = GzipDataset(file.create_dataset("data", data=values, chunks=(4, 64, 64), compression="gzip"))
        np.testing.assert_array_equal(packed[2:10], values[2:10])
        monkeypatch.setattr(GzipDataset, "_chunk", lambda *_: pytest.fail("a chunk was unpacked for a row of it"))
        np.testing.assert_array_equal(packed[5:6], values[5:6])
