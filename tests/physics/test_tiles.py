from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import oracles
from tests.strategies import geometries
from xfeldask.physics.detectors import builtin_geometry, make_geometry, square
from xfeldask.physics.tiles import cut

pytestmark = pytest.mark.rounding

sides = st.integers(2, 20)
zooms = st.sampled_from([0.0, 0.005, 0.02, 1.0])


@given(geometries(), sides, zooms)
def test_cut__holds_every_good_pixel_once(geometry, side, zoom):
    covered = oracles.tiles_over_pixels(cut(geometry, side, zoom), geometry.shape)
    assert covered.max() == 1
    assert np.all(covered[geometry.mask] == 1)


@given(geometries(), sides, zooms)
def test_cut__makes_the_tiles_that_one_makes_one_at_a_time(geometry, side, zoom):
    tiles = cut(geometry, side, zoom)
    center, spread, pixel, level = oracles.cut_tiles(geometry, side, zoom)
    assert np.array_equal(tiles.pixel, pixel)
    assert np.array_equal(tiles.level, level)
    assert np.array_equal(tiles.center, center)
    assert np.array_equal(tiles.spread, spread)


@given(geometries(), sides, zooms)
def test_cut__leaves_out_tiles_without_good_pixels(geometry, side, zoom):
    good = geometry.mask.astype(int)
    for first, height, width in cut(geometry, side, zoom).pixel:
        panel, row, column = np.unravel_index(first, geometry.shape)
        assert row + height <= geometry.shape[1]
        assert column + width <= geometry.shape[2]
        assert good[panel, row : row + height, column : column + width].sum() > 0


@given(geometries(), sides, zooms)
def test_cut__knows_how_far_its_pixels_spread(geometry, side, zoom):
    tiles = cut(geometry, side, zoom)
    for center, spread, (first, height, width) in zip(tiles.center, tiles.spread, tiles.pixel, strict=True):
        panel, row, column = np.unravel_index(first, geometry.shape)
        block = geometry.pixel_position[panel, row : row + height, column : column + width].reshape(-1, 3)
        distance = max(float(np.linalg.norm(pixel - center)) for pixel in block)
        assert spread == pytest.approx(distance, rel=1e-12, abs=1e-15)


@given(geometries(), sides, zooms)
def test_cut__puts_level_0_first_and_quarters_level_1(geometry, side, zoom):
    tiles = cut(geometry, side, zoom)
    assert np.all(np.diff(tiles.level) >= 0)
    assert set(tiles.level.tolist()) <= {0, 1}
    largest = np.where(tiles.level == 0, side, (side + 1) // 2)
    assert np.all(tiles.pixel[:, 1:] <= largest[:, None])


def test_cut__quarters_tiles_near_the_beam_only():
    geometry = square(32, 1e-3, 0.1)
    tiles = cut(geometry, 8, 11e-3)
    near = np.hypot(tiles.center[:, 0], tiles.center[:, 1]) < 8e-3 * np.sqrt(2)
    assert np.array_equal(tiles.level == 1, near)
    assert np.all(tiles.pixel[near, 1:] == 4)
    assert near.sum() == 16
    assert (cut(geometry, 8, 6e-3).level == 1).sum() == 0


def test_cut__of_the_pnccd_leaves_no_pixel_out():
    geometry = builtin_geometry("pnccd-amo86615")
    tiles = cut(geometry, 14, 0.01)
    assert np.all(oracles.tiles_over_pixels(tiles, geometry.shape) == 1)
    assert (tiles.pixel[:, 1] * tiles.pixel[:, 2]).sum() == geometry.mask.size


def test_cut__of_one_pixel_is_one_tile():
    tiles = cut(make_geometry([[[[0.001, 0, 0.1]]]], 75e-6), 16, 0.0)
    assert tiles.pixel.tolist() == [[0, 1, 1]]
    assert tiles.spread.tolist() == [0.0]
    assert tiles.center.tolist() == [[0.001, 0, 0.1]]
