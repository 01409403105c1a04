from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xfeldask.errors import InputError, UnknownNameError
from xfeldask.formats.psana import read_psana_geometry
from xfeldask.physics.detectors import (
    assembled_index,
    assembled_shape,
    builtin_geometry,
    make_geometry,
    polarization,
    scattering_vector,
    solid_angle,
    square,
    wavelength,
)

pytestmark = pytest.mark.rounding

PNCCD_ASSEMBLED = [
    (0, (528, 1039), (512, 1023), (1039, 1023), (1039, 512), (528, 1023)),
    (1, (528, 1039), (0, 511), (528, 0), (528, 511), (1039, 0)),
    (2, (0, 511), (4, 515), (0, 4), (0, 515), (511, 4)),
    (3, (0, 511), (516, 1027), (511, 1027), (511, 516), (0, 1027)),
]


@pytest.fixture(scope="module")
def pnccd():
    return builtin_geometry("pnccd-amo86615")


@pytest.fixture(scope="module")
def golden(shared):
    return json.loads((shared / "golden" / "golden_pnccd.json").read_text())


def test_pnccd__equals_the_psana_file(shared, pnccd):
    read = read_psana_geometry(shared / "data" / "pnccd-amo86615.data")
    assert np.abs(read.pixel_position - pnccd.pixel_position).max() < 1e-12
    assert read.pixel_size == pnccd.pixel_size
    assert read.shape == pnccd.shape == (4, 512, 512)


def test_pnccd__has_the_known_extent(pnccd):
    x, y, z = np.moveaxis(pnccd.pixel_position * 1e6, -1, 0)
    assert [x.min(), x.max(), y.min(), y.max()] == pytest.approx([-38961, 38963, -38736, 38288])
    assert np.hypot(x, y).min() == pytest.approx(637.1, abs=0.05)
    assert z == pytest.approx(150_000)
    s = scattering_vector(pnccd.pixel_position, wavelength(4600))
    assert np.linalg.norm(s, axis=-1).max() == pytest.approx(1295961693.4373674, rel=1e-12)


def test_pnccd__factors_match_golden(golden, pnccd):
    at = tuple(np.array(golden["pixels"]).T)
    s = scattering_vector(pnccd.pixel_position[at], wavelength(4600))
    np.testing.assert_allclose(s, golden["s"], rtol=1e-11)
    np.testing.assert_allclose(solid_angle(pnccd)[at], golden["omega"], rtol=1e-12)
    np.testing.assert_allclose(polarization(pnccd)[at], golden["pol"], rtol=1e-12)


@pytest.mark.parametrize(("panel", "along_x", "along_y", "first", "last_ss", "last_fs"), PNCCD_ASSEMBLED)
def test_assembled_index__places_pnccd_panels(pnccd, panel, along_x, along_y, first, last_ss, last_fs):
    row, col = (index[panel] for index in assembled_index(pnccd))
    assert (col.min(), col.max()) == along_x
    assert (row.min(), row.max()) == along_y
    assert (col[0, 0], row[0, 0]) == first
    assert (col[511, 0], row[511, 0]) == last_ss
    assert (col[0, 511], row[0, 511]) == last_fs


def test_assembled_index__places_no_pixel_twice(pnccd):
    row, col = assembled_index(pnccd)
    filled = np.zeros(assembled_shape(pnccd), dtype=int)
    np.add.at(filled, (row, col), 1)
    assert filled.shape == (1028, 1040)
    assert filled.max() == 1
    assert (filled == 0).sum() == 20544
    assert row.dtype == col.dtype == np.int32


@given(st.integers(1, 40), st.floats(1e-6, 1e-2), st.floats(1e-2, 10))
def test_assembled_index__of_a_square_is_its_own_index(n, pixel_size, distance):
    row, col = assembled_index(square(n, pixel_size, distance))
    assert np.array_equal(row[0], np.indices((n, n))[0])
    assert np.array_equal(col[0], np.indices((n, n))[1])


@given(st.floats(1e-9, 1.0), st.floats(-1.0, 1.0), st.floats(1e-2, 10))
def test_scattering_vector__lies_on_the_ewald_sphere(x, y, z):
    s = scattering_vector([x, y, z], 1e-10) * 1e-10
    # abs(s + z / lambda) = 1 / lambda, so that abs(s)^2 = -2 s_z / lambda
    assert (s**2).sum() == pytest.approx(-2 * s[2], rel=1e-12)


def test_wavelength__of_4600_ev():
    assert wavelength(4600) == pytest.approx(2.6953086388306306e-10, rel=1e-15)


@pytest.mark.parametrize("energy", [0, -1, np.nan, np.inf])
def test_wavelength__refuses(energy):
    with pytest.raises(InputError, match="eV"):
        wavelength(energy)


def test_solid_angle__sums_to_a_cone():
    geometry = square(200, 1e-3, 0.1)
    # a square of half-width a at distance d subtends 4 asin(a^2 / (a^2 + d^2))
    assert solid_angle(geometry).sum() == pytest.approx(4 * np.arcsin(0.5), rel=1e-4)


def test_square__keeps_its_field_of_view():
    for n in (1, 64, 129):
        geometry = builtin_geometry(f"square-{n}")
        assert geometry.pixel_size * n == pytest.approx(76.8e-3)
        assert geometry.shape == (1, n, n)
        np.testing.assert_allclose(geometry.pixel_position.mean(axis=(0, 1, 2)), [0, 0, 0.15], atol=1e-15)


@pytest.mark.parametrize("name", ["pnccd", "square", "square-0", "square-x", ""])
def test_builtin_geometry__refuses_other_names(name):
    with pytest.raises(UnknownNameError, match="detector"):
        builtin_geometry(name)


def test_builtin_geometry__refuses_a_giant():
    with pytest.raises(InputError, match="1 to 8192"):
        builtin_geometry("square-1000000")


ONE = np.array([[[[0.0, 0.0, 0.1]]]])


@pytest.mark.parametrize(
    ("position", "pixel_size", "mask", "told"),
    [
        (np.zeros((2, 3)), 1e-3, None, "shape"),
        (np.zeros((0, 1, 1, 3)), 1e-3, None, "shape"),
        (ONE * -1, 1e-3, None, "z > 0"),
        (ONE * 0, 1e-3, None, "z > 0"),
        (ONE * np.nan, 1e-3, None, r"pixel \(0, 0, 0\)"),
        (ONE, 0, None, "positive, got 0 m"),
        (ONE, np.nan, None, "positive"),
        (ONE, 1e-3, np.ones((1, 1)), "mask must have"),
        (ONE, 1e-3, np.zeros((1, 1, 1)), "all 1 pixels are masked"),
    ],
)
def test_make_geometry__refuses(position, pixel_size, mask, told):
    with pytest.raises(InputError, match=told):
        make_geometry(position, pixel_size, mask)


def test_assembled_index__is_worked_out_once_and_cannot_be_changed():
    geometry = square(4, 1e-3, 0.1)
    row, column = assembled_index(geometry)
    assert assembled_index(geometry)[0] is row
    assert assembled_shape(geometry) == (4, 4)
    with pytest.raises(ValueError, match="read-only"):
        column[0, 0, 0] = 1
