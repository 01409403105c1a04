from __future__ import annotations

import numpy as np
import pytest

from xfeldask.config import Detector
from xfeldask.errors import FormatError
from xfeldask.formats.crystfel import (
    is_crystfel_geometry,
    read_crystfel_geometry,
    read_crystfel_photon_energy,
)
from xfeldask.formats.geometries import read_detector

ONE = {
    "clen": "0.2 m", "res": "5000", "a/min_fs": "0", "a/max_fs": "3", "a/min_ss": "0", "a/max_ss": "2",
    "a/fs": "x", "a/ss": "-0.5x + 1e-1y -.25z", "a/corner_x": "-2.5", "a/corner_y": "1", "a/coffset": "1e-3",
}  # fmt: skip


def written(path, **changes):
    values = ONE | {key.replace("__", "/"): value for key, value in changes.items()}
    lines = [f"{key} = {value} ; said once" for key, value in values.items() if value is not None]
    path.write_text("\n".join(["; a comment = 1", *lines]))
    return path


def test_positions__are_corners_and_steps(tmp_path):
    found = read_crystfel_geometry(written(tmp_path / "a.geom"))
    assert (found.shape, found.pixel_size) == ((1, 3, 4), 2e-4)
    ss, fs = 2.5, 3.5
    due = [(-2.5 + fs - 0.5 * ss) / 5000, (1 + 0.1 * ss) / 5000, 0.201 - 0.25 * ss / 5000]
    np.testing.assert_allclose(found.pixel_position[0, 2, 3], due)


@pytest.mark.parametrize(("clen", "coffset"), [("200 mm", "1 mm"), ("0.2", "1 mm"), ("200  mm", "1e-3 m")])
def test_lengths__are_in_the_unit_that_they_tell(tmp_path, clen, coffset):
    found = read_crystfel_geometry(written(tmp_path / "a.geom", clen=clen, a__coffset=coffset, a__ss="y"))
    np.testing.assert_allclose(found.pixel_position[..., 2], 0.201)


def test_distance__goes_before_the_files(tmp_path):
    path = written(tmp_path / "a.geom", a__ss="y")
    found = read_detector(Detector(source=str(path), distance=0.7))
    np.testing.assert_allclose(found.pixel_position[..., 2], 0.7)


@pytest.mark.parametrize(
    ("beam", "due"),
    [
        ({"photon_energy": "9300"}, 9300),
        ({"photon_energy": "9300 eV"}, 9300),
        ({"photon_energy": "9300\teV"}, 9300),
        ({"photon_energy": "9.3 keV"}, 9300),
        ({"photon_energy": "0.0093 MeV"}, 9300),
        ({"wavelength": "1.33316 A"}, 9300),
        ({"wavelength": "1.33316e-10 m"}, 9300),
        ({"photon_energy": "/LCLS/photon_energy_eV"}, None),
        ({"photon_energy": "LCLS/photon_energy_eV"}, None),
        ({"photon_energy": ""}, None),
        ({"wavelength": "Wavelength A"}, None),
        ({}, None),
    ],
)
def test_photon_energy__is_a_number_in_any_unit(tmp_path, beam, due):
    found = read_crystfel_photon_energy(written(tmp_path / "a.geom", **beam))
    assert found == (due and pytest.approx(due, rel=1e-4))


@pytest.mark.parametrize(
    "beam",
    [
        {"photon_energy": "9 J"},
        {"photon_energy": "-9"},
        {"photon_energy": "0"},
        {"wavelength": "1 nm"},
        {"photon_energy": "9.3keV"},
        {"photon_energy": "9.3.1"},
    ],
)
def test_photon_energy__of_another_unit_or_sign_is_refused(tmp_path, beam):
    with pytest.raises(FormatError, match="give a positive number of"):
        read_crystfel_photon_energy(written(tmp_path / "a.geom", **beam))


def test_real__is_where_extra_geom_says(shared):
    geom = pytest.importorskip("extra_geom")
    path = shared / "data/real/agipd_p10662_pw_70cm.geom"
    theirs = geom.AGIPD_1MGeometry.from_crystfel_geom(str(path))
    found = read_crystfel_geometry(path)
    due = theirs.get_pixel_positions().reshape(found.pixel_position.shape)
    # EXtra-geom counts z from the detector's plane
    shift = found.pixel_position[..., 2] - due[..., 2]
    assert np.ptp(shift) < 1e-9
    np.testing.assert_allclose(found.pixel_position[..., :2], due[..., :2], atol=1e-9)
    assert found.mask.all()


def test_real__of_a_slab_has_all_its_panels(shared):
    found = read_crystfel_geometry(shared / "data/real/cxi_jf4m_l1002722.geom")
    assert found.shape[2] == 1024
    assert found.mask.sum() == 64 * 256 * 256
    np.testing.assert_allclose(found.pixel_position[..., 2].mean(), 0.572266 - 0.46140, atol=1e-3)


def test_bad_regions__are_masked(tmp_path):
    of_a_panel = {
        "bad1__min_fs": "1",
        "bad1__max_fs": "2",
        "bad1__min_ss": "0",
        "bad1__max_ss": "0",
        "bad1__panel": "a",
    }
    of_space = {"bad2__min_x": "0.5", "bad2__max_x": "9", "bad2__min_y": "-9", "bad2__max_y": "9"}
    found = read_crystfel_geometry(written(tmp_path / "a.geom", a__ss="y", **of_a_panel, **of_space))
    assert found.mask[0].astype(int).tolist() == [[1, 0, 0, 0], [1, 1, 1, 0], [1, 1, 1, 0]]


def test_pixels__of_no_panel_are_masked(tmp_path):
    found = read_crystfel_geometry(written(tmp_path / "a.geom", a__min_fs="2", a__ss="y"))
    assert found.mask[0].astype(int).tolist() == [[0, 0, 1, 1]] * 3
    assert np.isfinite(found.pixel_position).all()


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"res": None}, "res of a is None; give a number"),
        ({"res": "0"}, "res of a is '0'; give the pixels per metre, a positive number"),
        ({"res": "-1000"}, "res of a is '-1000'; give the pixels per metre"),
        ({"a__fs": "sideways"}, "fs of a is 'sideways'; give a direction"),
        ({"a__corner_x": "nan"}, "corner_x of a is 'nan'; give a finite number"),
        ({"a__max_fs": "-3"}, "panel a goes from"),
        ({"a__max_fs": "1e12"}, "more than"),
        ({"a__dim1": "3", "a__dim2": "4"}, "one module number is read"),
        ({"clen": "20 cm"}, "clen of a is '20 cm'; give it in m or mm"),
        ({"a__coffset": "10 um"}, "coffset of a is '10 um'; give it in m or mm"),
        ({"clen": "-0.3"}, "downstream of the sample"),
        ({"bad1__min_fs": "0", "bad1__max_fs": "1", "bad1__min_ss": "0", "bad1__max_ss": "1", "bad1__panel": "q"},
         "masks pixels of panel q"),
    ],
)  # fmt: skip
def test_broken__is_told(tmp_path, changes, told):
    path = written(tmp_path / "a.geom", **changes)
    assert is_crystfel_geometry(path)
    with pytest.raises(FormatError, match=told):
        read_crystfel_geometry(path)
