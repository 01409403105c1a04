from __future__ import annotations

import h5py
import numpy as np
import pytest

from tests.formats.cxi_writer import (
    EV,
    frames,
    panels,
    write_euxfel,
)
from xfeldask import open_frames
from xfeldask.errors import FormatError, InputError
from xfeldask.physics.detectors import make_geometry, square

N = 6


_, _, CENTRE = panels()


GEOMETRY = make_geometry(CENTRE, 2e-4)


def test_mask__of_all_and_of_single_shots(tmp_path):
    data = frames() + 1
    fixed = np.zeros(data.shape[1:], np.uint32)
    fixed[0, 0, :3] = [0x1, 0x20, 0x20000]
    write_euxfel(tmp_path / "fixed.cxi", data, mask=fixed)
    found = open_frames(tmp_path / "fixed.cxi")
    assert np.argwhere(~found.geometry.mask).tolist() == [[0, 0, 0], [0, 0, 2]]
    # what the file calls bad stays bad in a geometry of one's own
    assert (~open_frames(tmp_path / "fixed.cxi", geometry=GEOMETRY).geometry.mask).sum() == 2
    each = np.zeros(data.shape, np.uint32)
    each[:, 1, 1, 1], each[2, 3, 3, 3] = 0x80, 0x200
    write_euxfel(tmp_path / "each.cxi", data, mask=each)
    found = open_frames(tmp_path / "each.cxi")
    assert np.argwhere(~found.geometry.mask).tolist() == [[1, 1, 1]]
    due = np.where(each != 0, 0, data)
    np.testing.assert_array_equal(found.read(range(1, 5)), due[1:5])


@pytest.mark.parametrize("mask", [np.zeros((4, 6, 8), np.uint32), np.zeros((6, 4, 6, 8), np.uint32)])
def test_mask__of_pixels_in_another_order_is_refused(tmp_path, mask):
    write_euxfel(tmp_path / "hits.cxi", frames(), mask=mask)
    with pytest.raises(
        FormatError, match=r"hits\.cxi: has .*/mask of \(.*4, 6, 8\) for frames of \(4, 8, 6\); its rows"
    ):
        open_frames(tmp_path / "hits.cxi")
    with h5py.File(tmp_path / "hits.cxi", "a") as file:
        del file["entry_1/instrument_1/detector_1/mask"]
        file["entry_1/instrument_1/detector_1/good_pixels"] = np.ones((4, 6, 8), np.uint8)
    with pytest.raises(FormatError, match=r"has .*/good_pixels of \(4, 6, 8\)"):
        open_frames(tmp_path / "hits.cxi", geometry=GEOMETRY)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda f: f["entry_1/instrument_1/detector_1"].pop("xyz_map"), None),
        (lambda f: f["entry_1/instrument_1"].pop("source_1"), "does not say its photon energy; give wavelength"),
        (lambda f: [f["entry_1/instrument_1/detector_1"].pop(n) for n in ("xyz_map", "corner_position")],
         "does not say where its pixels are; give its geometry"),
    ],
)  # fmt: skip
def test_missing__is_asked_for(tmp_path, change, told):
    write_euxfel(tmp_path / "hits.cxi", frames())
    with h5py.File(tmp_path / "hits.cxi", "a") as file:
        change(file)
    if told is None:
        np.testing.assert_allclose(open_frames(tmp_path / "hits.cxi").geometry.pixel_position, CENTRE, atol=1e-12)
        return
    with pytest.raises(InputError, match=told):
        open_frames(tmp_path / "hits.cxi")


def test_plane__at_the_sample_takes_the_distance(tmp_path):
    write_euxfel(tmp_path / "hits.cxi", frames())
    with h5py.File(tmp_path / "hits.cxi", "a") as file:
        detector = file["entry_1/instrument_1/detector_1"]
        detector["xyz_map"][2] -= 0.7
        with pytest.raises(FormatError, match="tells no distance"):
            open_frames(tmp_path / "hits.cxi")
        detector["distance"] = 0.7
    np.testing.assert_allclose(open_frames(tmp_path / "hits.cxi").geometry.pixel_position, CENTRE, atol=1e-12)


def test_one_panel__is_around_the_beam(tmp_path):
    with h5py.File(tmp_path / "flat.cxi", "w") as file:
        detector = file.create_group("entry_1/instrument_1/detector_1")
        detector["data"], detector["distance"], detector["x_pixel_size"] = frames(shape=(8, 8)), 0.1, 1e-3
        file["entry_1/instrument_1/source_1/energy"] = 4600 * EV
    found = open_frames(tmp_path / "flat.cxi")
    due = square(8, 1e-3, 0.1).pixel_position
    np.testing.assert_allclose(found.geometry.pixel_position, due, atol=1e-15)
    assert found.truth(range(N)) == {}
