from __future__ import annotations

import numpy as np
import pytest
from hypothesis import strategies as st

from tests.images import LAMBDA, two_panels
from xfeldask.errors import InputError
from xfeldask.physics.binning import (
    bin_factor,
    binned_shape,
    image_axes,
    image_grid,
    low_q_axes,
    low_q_grid,
)
from xfeldask.physics.detectors import (
    assembled_index,
    builtin_geometry,
    make_geometry,
    scattering_vector,
    square,
)

pytestmark = pytest.mark.rounding

SEEDS = st.integers(0, 2**32 - 1)


@pytest.mark.parametrize(
    ("name", "factor", "shape"),
    [("pnccd-amo86615", 8, (129, 130)), ("square-128", 1, (128, 128)), ("square-7", 1, (7, 7))],
)
def test_bins__make_an_image_of_about_128(name, factor, shape):
    geometry = builtin_geometry(name)
    assert bin_factor(geometry) == factor
    assert binned_shape(geometry, factor) == shape


@pytest.mark.parametrize("bin", [1, 2, 3, 5, 20])
@pytest.mark.parametrize("seed", [None, 1])
def test_image_grid__holds_the_mean_of_good_pixels(bin, seed):
    geometry = two_panels(seed)
    grid = image_grid(geometry, LAMBDA, bin)
    row, column = assembled_index(geometry)
    s = scattering_vector(geometry.pixel_position, LAMBDA)[..., :2]
    assert grid.shape == binned_shape(geometry, bin)
    assert (grid.s.dtype, grid.weight.dtype) == (np.float64, np.float32)
    for i, j in np.ndindex(grid.shape):
        inside = geometry.mask & (row // bin == i) & (column // bin == j)
        assert grid.weight[i, j] == pytest.approx(inside.sum() / bin**2)
        if inside.any():
            np.testing.assert_allclose(grid.s[i, j], s[inside].mean(axis=0), rtol=1e-12)
        else:
            np.testing.assert_allclose(grid.s[i, j], (grid.step * (np.array([i, j]) - grid.center))[::-1], rtol=1e-12)


def test_image_grid__extends_over_bins_without_pixels():
    whole = square(120, 0.6e-3, 0.15)
    mask = np.ones(whole.shape, bool)
    mask[0, 40:80, 60:88] = False
    grid = image_grid(make_geometry(whole.pixel_position, whole.pixel_size, mask), LAMBDA, 4)
    empty = grid.weight == 0
    assert empty.sum() > 50
    reference = image_grid(whole, LAMBDA, 4).s
    assert np.abs(grid.s - reference)[empty].max() < 0.3 * grid.step[0]
    np.testing.assert_array_equal(grid.s[~empty], reference[~empty])


def test_image_grid__of_pnccd_has_its_center_in_the_beam(pnccd):
    assert pnccd.shape == (129, 130)
    np.testing.assert_allclose(pnccd.step, 8 * 75e-6 / 0.15 / LAMBDA)
    near = np.linalg.norm(pnccd.s, axis=-1) < 1e8
    at = np.moveaxis(np.indices(pnccd.shape), 0, -1)[near & (pnccd.weight == 1)]
    s = pnccd.s[near & (pnccd.weight == 1)]
    # panels lie up to half a pixel beside the assembled image's grid
    np.testing.assert_allclose(s, ((at - pnccd.center) * pnccd.step)[:, ::-1], atol=pnccd.step[0] / 16 * 1.1)


@pytest.mark.parametrize("bin", [1, 4])
def test_image_grid__center_follows_the_detector(bin):
    geometry = square(16, 1e-3, 0.1)
    moved = make_geometry(geometry.pixel_position + np.array([3e-3, -1.5e-3, 0]), 1e-3)
    there, here = image_grid(moved, LAMBDA, bin).center, image_grid(geometry, LAMBDA, bin).center
    assert here == pytest.approx(((16 / bin - 1) / 2,) * 2)
    assert np.subtract(there, here) == pytest.approx(np.array([1.5, -3]) / bin)


@pytest.mark.parametrize("name", ["pnccd-amo86615", "square-64"])
def test_axes__run_along_y_and_x(name):
    geometry = builtin_geometry(name)
    pairs = (
        (image_grid(geometry, LAMBDA, 3), image_axes(geometry, LAMBDA, 3)),
        (low_q_grid(geometry, LAMBDA), low_q_axes(geometry, LAMBDA)),
    )
    for grid, (y, x) in pairs:
        near = (np.linalg.norm(grid.s, axis=-1) < 2e8) & (grid.weight == 1)
        row, column = np.nonzero(near)
        assert len(row) > 10
        # panels lie up to half a pixel beside the assembled image's grid
        np.testing.assert_allclose(grid.s[near], np.stack([x[column], y[row]], axis=-1), atol=0.3 * grid.step[0])


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda g: image_grid(g, LAMBDA, 0), "at least 1 pixel"),
        (lambda g: image_grid(g, 0.0, 1), "wavelength must be positive"),
        (lambda g: image_grid(g, np.nan, 1), "wavelength must be positive"),
    ],
)
def test_grids__refuse_bad_input(call, told):
    with pytest.raises(InputError, match=told):
        call(square(4, 1e-3, 0.1))
