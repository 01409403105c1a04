from __future__ import annotations

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.formats.emc_writer import dense_bytes, sparse_bytes, write_flat, write_vlen
from tests.strategies import examples
from xfeldask import open_frames
from xfeldask.errors import FormatError, InputError
from xfeldask.formats.frames import columns_of, events_of, scattered
from xfeldask.physics.detectors import square

GEOMETRY = square(8, 1e-3, 0.1)
N = 7
FORMS = {
    "sparse": lambda path, frames: path.write_bytes(sparse_bytes(frames)),
    "dense int": lambda path, frames: path.write_bytes(dense_bytes(frames, 1)),
    "dense double": lambda path, frames: path.write_bytes(dense_bytes(frames, 2)),
    "vlen": write_vlen,
    "flat": write_flat,
}


def photons(seed=1, n=N, mean=0.7):
    return np.random.default_rng(seed).poisson(mean, (n, 64))


def opened(path, **more):
    return open_frames(path, **{"geometry": GEOMETRY, "photon_energy": 4600.0, **more})


@pytest.mark.parametrize("form", FORMS)
def test_read__gives_the_photons_of_every_form(tmp_path, form):
    frames = photons()
    frames[2] = 0
    FORMS[form](tmp_path / "photons.emc", frames)
    found = opened(tmp_path / "photons.emc")
    assert (found.name, found.n_shots) == ("photons", N)
    for shots in (range(N), range(2, 5), range(2, 3), range(4, 4)):
        due = frames[shots.start : shots.stop].reshape(-1, 1, 8, 8)
        np.testing.assert_array_equal(found.read(shots), due)
        np.testing.assert_array_equal(scattered(events_of(found, shots), GEOMETRY.shape), due)


@given(st.integers(0, 2**31), st.sampled_from(["sparse", "flat"]), st.floats(0, 3))
@examples(0.67)
def test_photons__of_any_block_are_those_of_its_shots(tmp_path_factory, seed, form, mean):
    path = tmp_path_factory.mktemp("emc") / "photons.emc"
    frames = photons(seed, 5, mean)
    FORMS[form](path, frames)
    found = opened(path)
    for first in range(5):
        for last in range(first, 6):
            due = frames[first:last].reshape(-1, 1, 8, 8)
            np.testing.assert_array_equal(scattered(found.photons(range(first, last)), GEOMETRY.shape), due)


def test_vlen__has_identifiers_and_scores_as_columns(tmp_path):
    write_vlen(tmp_path / "r0042.h5", photons())
    with h5py.File(tmp_path / "r0042.h5", "a") as file:
        for name in ("trains", "cells", "pulses"):
            file[f"id/{name}"] = np.arange(N, dtype=np.uint64) + len(name)
        file["scores/litpixel"] = np.linspace(0, 1, N)
        file["scores/mean"] = 3.0
    columns = columns_of(opened(tmp_path / "r0042.h5"))
    assert {name for name, column in columns.items() if column.identifier} == {"train", "cell", "pulse"}
    np.testing.assert_array_equal(columns["train"].values, np.arange(N) + 6)
    np.testing.assert_array_equal(columns["litpixel"].values, np.linspace(0, 1, N))
    assert len(columns) == 4


def test_real_files__have_the_photons_that_h5py_reads(shared):
    with h5py.File(shared / "data/real/h5_multi.emc") as file:
        ones, places, counts = (file[name][:] for name in ("place_ones", "place_multi", "count_multi"))
    due = np.zeros((13, 81 * 81), np.int64)
    for shot in range(13):
        due[shot, ones[shot]] = 1
        due[shot, places[shot]] = counts[shot]
    found = opened(shared / "data/real/h5_multi.emc", geometry=square(81, 1.2e-3, 0.13))
    np.testing.assert_array_equal(found.read(range(13)), due.reshape(13, 1, 81, 81))


def broken(frames, what):
    data = bytearray(sparse_bytes(frames))
    if what == "cut short":
        return data[:-9]
    if what == "cut in the numbers":
        return data[:1032]
    if what == "longer":
        return data + b"\0\0\0\0"
    where = {"a place beyond": (1024 + 8 * N, 64), "a negative count": (len(data) - 4, -2), "negative": (1024, -1)}
    place, value = where[what]
    data[place : place + 4] = np.int32(value).tobytes()
    return data


@pytest.mark.parametrize(
    ("what", "told"),
    [
        ("cut short", "not made of numbers of 4 bytes; it is cut short"),
        ("cut in the numbers", "is cut short"),
        ("longer", "holds .*damaged"),
        ("a place beyond", r"shot 0 has 1 photons in pixel 64 of 64; the file is damaged"),
        ("a negative count", "shot 6 has -2 photons"),
        ("negative", "should hold"),
    ],
)
def test_damaged__is_told_in_one_sentence(tmp_path, what, told):
    (tmp_path / "photons.emc").write_bytes(broken(photons(), what))
    with pytest.raises(FormatError, match=told) as error:
        opened(tmp_path / "photons.emc").photons(range(N))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"geometry": None}, "does not say where its pixels are; give its detector file"),
        ({"photon_energy": None}, "does not say its wavelength; give wavelength in m"),
        ({"geometry": square(9, 1e-3, 0.1)}, r"has 64 pixels, its geometry 81 of shape \(1, 9, 9\)"),
    ],
)
def test_open__asks_for_what_the_file_does_not_tell(tmp_path, more, told):
    write_vlen(tmp_path / "photons.h5", photons())
    with pytest.raises(InputError, match=told):
        opened(tmp_path / "photons.h5", **more)


def test_vlen__of_a_heap_without_an_end_is_refused(tmp_path):
    write_vlen(path := tmp_path / "photons.h5", photons())
    data = bytearray(path.read_bytes())
    heap = data.index(b"GCOL")
    at, end = heap + 16, heap + int.from_bytes(data[heap + 8 : heap + 16], "little")
    while int.from_bytes(data[at : at + 2], "little"):
        at += 16 + (int.from_bytes(data[at + 8 : at + 16], "little") + 7) // 8 * 8
    assert int.from_bytes(data[at + 8 : at + 16], "little") == end - at
    # HDF5 would read what is free here for ever
    data[at + 8 : at + 16] = bytes(8)
    path.write_bytes(data)
    frames = opened(path)
    with pytest.raises(FormatError, match=f"cannot be read .the heap at byte {heap} is damaged.; the file is damaged"):
        frames.read(range(2))
