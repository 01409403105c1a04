"""Intensities on grids."""

from __future__ import annotations

import numpy as np
import pytest

from tests.orient.shots import PIXELS, shots
from xfeldask.orient.models import (
    PER_BIN,
    Models,
    at_radii,
    estimate,
    grid_size,
    profile,
    radii,
    radius_of_gyration,
    random_models,
    regridded,
    symmetrised,
)
from xfeldask.orient.sparse import SparseFrames
from xfeldask.physics.orientations import symmetry_group

pytestmark = pytest.mark.rounding


def test_profile__is_the_mean_intensity_of_rings():
    ring = np.linalg.norm(PIXELS.s, axis=1) / PIXELS.step
    images = np.rint(1000 * np.exp(-ring / 3) * PIXELS.factor)[None].repeat(3, axis=0)
    found = profile(SparseFrames.of(images, np.arange(len(ring))), PIXELS, 12.0)
    far = np.arange(PER_BIN, 10 * PER_BIN)
    np.testing.assert_allclose(found[far], 1000 * np.exp(-far / PER_BIN / 3), rtol=0.03)
    assert (found > 0).all()
    assert at_radii(found, np.array([2.625]))[0] == pytest.approx(np.sqrt(found[10] * found[11]))


def test_profile__joins_rings_that_few_photons_fell_on():
    frames = SparseFrames.of(np.full((1, len(PIXELS.s)), 1), np.arange(len(PIXELS.s)))
    level = profile(frames, PIXELS, 12.0)
    assert np.ptp(level[: 4 * PER_BIN]) < 0.02
    assert level[8] == pytest.approx(1, rel=0.1)


def test_profile__of_blank_shots_is_flat():
    assert (profile(SparseFrames.of(np.zeros((2, 9), int), np.arange(9)), PIXELS, 3.0) == 1).all()


def test_random_models__are_noise_around_the_profile_and_differ():
    frames = shots(20, 300, 0).frames
    found = random_models(frames, PIXELS, 6.0, 2, 1)
    assert found.intensity.shape == (2, 15, 15, 15)
    mean = at_radii(profile(frames, PIXELS, 6.0), radii(15))
    inside = radii(15) <= 6
    ratio = found.intensity[:, inside] / mean[inside]
    assert (ratio > 0.4).all()
    assert (ratio < 1.6).all()
    assert abs(np.corrcoef(ratio)[0, 1]) < 0.2
    assert (random_models(frames, PIXELS, 6.0, 2, 1).intensity == found.intensity).all()
    assert (random_models(frames, PIXELS, 6.0, 2, 2).intensity != found.intensity).any()


def test_symmetrised__is_the_same_turned_and_mirrored():
    grid = np.random.default_rng(0).random((13, 13, 13, 2)) * (radii(13) <= 5)[..., None]
    found = symmetrised(grid, symmetry_group("C4"))
    np.testing.assert_allclose(found, found[::-1, ::-1, ::-1], atol=1e-12)
    np.testing.assert_allclose(found, np.rot90(found), atol=1e-12)
    np.testing.assert_allclose(found[6, 6, 6], 8 * grid[6, 6, 6])


def test_estimate__is_photons_over_exposures_and_the_mean_where_nobody_looked():
    mean = np.full((9, 9, 9), 3.0)
    grid = np.zeros((9, 9, 9, 2))
    grid[4, 4, 5], grid[4, 5, 4], grid[5, 4, 4] = (40, 10), (0, 10), (20, 10)
    found = estimate(grid, 0.0, mean)
    assert found[4, 4, 5] == 4
    assert found[4, 5, 4] == pytest.approx(0.002)  # dark, and not impossible: a thousandth of the shell's mean
    assert found[4, 4, 3] == pytest.approx(2)
    assert found[0, 4, 4] == 3
    assert estimate(grid, 1.0, mean)[4, 4, 5] == pytest.approx(41 / 10.5)


def test_regridded__keeps_what_was_known():
    old = Models(np.random.default_rng(0).random((2, 15, 15, 15)) + 1, np.array([0.5, 0.5]), 1.0)
    mean = np.full(12, 7.0)
    wide = regridded(old, 9.0, mean)
    assert wide.intensity.shape == (2, grid_size(9.0), 21, 21)
    known = radii(21) <= 6.5
    assert (wide.intensity[:, known] == old.intensity[:, radii(15) <= 6.5]).all()
    np.testing.assert_allclose(wide.intensity[:, ~known], 7)
    back = regridded(wide, 6.0, mean)
    assert (back.intensity[:, radii(15) <= 6.5] == old.intensity[:, radii(15) <= 6.5]).all()


@pytest.mark.parametrize("size", [5, 6, 7, 8, 9, 21])
def test_radius_of_gyration__is_that_of_a_gaussian_on_any_grid(size):
    step = 1e6
    intensity = np.exp(-((2 * np.pi * 20e-9 * step * radii(size)) ** 2) / 3)
    found = radius_of_gyration(intensity, step)
    assert found == pytest.approx(np.nan if size < 6 else 20e-9, rel=0.02, nan_ok=True)
