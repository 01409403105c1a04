from __future__ import annotations

from zipfile import ZipFile

import h5py
import numpy as np
import pytest

from xfeldask.errors import FormatError, InputError, MissingFileError
from xfeldask.formats.mask_files import masked, read_mask
from xfeldask.physics.detectors import make_geometry, square

GOOD = np.array([[1, 0, 1], [1, 1, 0], [1, 1, 1]])
GEOMETRY = square(3, 1e-3, 0.1)


@pytest.fixture
def files(tmp_path):
    """The same mask in every form; in that of Dragonfly 2 is bad, and 1 is good but not used to orient."""
    np.save(tmp_path / "m.npy", GOOD)
    np.savez(tmp_path / "m.npz", mask=GOOD, other=GOOD + 1)
    with ZipFile(tmp_path / "torn.npz", "w") as archive:
        archive.writestr("mask.npy", b"torn")
    (tmp_path / "m.byt").write_bytes(np.where(GOOD, [[1, 0, 0]], 2).astype(np.uint8).tobytes())
    with h5py.File(tmp_path / "m.h5", "w") as file:
        file["det/mask"] = GOOD
    np.save(tmp_path / "bad.npy", 1 - GOOD)
    return tmp_path


@pytest.mark.parametrize("name", ["m.npy", "m.npz:/mask", "m.byt", "m.h5:/det/mask", "bad:bad.npy"])
def test_masked__leaves_out_the_same_pixels_in_every_form(files, name):
    source = f"bad:{files}/{name[4:]}" if name.startswith("bad:") else f"{files}/{name}"
    found = masked(GEOMETRY, source)
    np.testing.assert_array_equal(found.mask[0], GOOD)
    np.testing.assert_array_equal(found.pixel_position, GEOMETRY.pixel_position)


def test_masked__by_an_array_by_several_files_or_by_nothing(files):
    assert masked(GEOMETRY, None) is GEOMETRY
    np.testing.assert_array_equal(masked(GEOMETRY, GOOD.ravel()).mask[0], GOOD)
    np.testing.assert_array_equal(masked(GEOMETRY, GOOD.astype(bool)[None]).mask[0], GOOD)
    np.save(files / "first.npy", np.arange(9) > 0)
    both = masked(GEOMETRY, [files / "m.npy", str(files / "first.npy")])
    np.testing.assert_array_equal(both.mask.ravel(), (GOOD.ravel() > 0) & (np.arange(9) > 0))


def test_masked__never_makes_a_bad_pixel_good():
    spoilt = make_geometry(GEOMETRY.pixel_position, 1e-3, np.arange(9).reshape(1, 3, 3) != 8)
    assert not masked(spoilt, np.ones((3, 3), bool)).mask[0, 2, 2]


@pytest.mark.parametrize("mask", [np.ones((2, 2), bool), np.ones((3, 3)), np.full((3, 3), "x")])
def test_masked__refuses_another_shape_or_what_is_no_mask(files, mask):
    told = r"must be boolean or whole numbers of shape \(1, 3, 3\), got"
    with pytest.raises(InputError, match=f"the mask {told}"):
        masked(GEOMETRY, mask)
    np.save(files / "wrong.npy", mask)
    with pytest.raises(InputError, match=rf"mask .*wrong\.npy {told}"):
        masked(GEOMETRY, files / "wrong.npy")


@pytest.mark.parametrize(
    ("name", "error", "told"),
    [
        ("none.npy", MissingFileError, "no mask file"),
        ("none.byt", MissingFileError, "no mask file"),
        ("m.h5:/mask", FormatError, "is not in the file; name a dataset of it"),
        ("m.npz:/none", FormatError, "is not in the file; name an array of it"),
        ("torn.npz:/mask", FormatError, "mask is no array; the file is damaged"),
        ("none.h5:/mask", MissingFileError, "there is no"),
        ("bad:none.npy", MissingFileError, "no mask file"),
    ],
)
def test_read_mask__refuses_in_one_sentence(files, name, error, told):
    inverted = "bad:" if name.startswith("bad:") else ""
    with pytest.raises(error, match=told):
        read_mask(f"{inverted}{files}/{name.removeprefix('bad:')}")


def test_masked__refuses_pixels_in_another_order():
    panels = make_geometry(np.arange(180.0).reshape(2, 5, 6, 3) * 1e-3, 1e-3)
    good = np.arange(60).reshape(10, 6) % 7 > 0
    np.testing.assert_array_equal(masked(panels, good).mask.ravel(), good.ravel())
    with pytest.raises(InputError, match=r"of shape \(2, 5, 6\), got bool \(6, 10\)"):
        masked(panels, good.T)
