from __future__ import annotations

import numpy as np
import pytest

from tests.images import LAMBDA, shots
from xfeldask.features.autocorrelation import autocorrelation, autocorrelation_lags
from xfeldask.features.profiles import autocorrelation_profile, lag_edges
from xfeldask.physics.binning import image_grid
from xfeldask.physics.detectors import make_geometry, square

pytestmark = pytest.mark.rounding


def patterson(image, grid, lags):
    """Sum of cos(2 pi r.s) over the photons, lag by lag."""
    row, column = np.moveaxis(grid.step * (np.moveaxis(np.indices(grid.shape), 0, -1) - grid.center), -1, 0)
    at = np.stack([column, row], axis=-1)
    n = np.where(grid.weight > 0, image, 0.0)
    flat = lags.reshape(-1, 2)
    return np.array([(n * np.cos(2 * np.pi * (at @ r))).sum() for r in flat]) / n.sum()


def test_autocorrelation__equals_the_sum_over_photons(small):
    images = shots(7, 3, small.shape)
    lags = autocorrelation_lags(small)
    rows = autocorrelation(images, small)
    assert (small.weight == 0).any()
    np.testing.assert_allclose(rows, [patterson(image, small, lags) for image in images], atol=2e-6)
    np.testing.assert_allclose(rows.reshape(3, *lags.shape[:2])[:, len(lags) // 2, 0], 1, rtol=1e-6)


@pytest.mark.parametrize("shape", [(5, 5), (8, 8), (11, 11), (13, 13), (23, 23), (43, 43)])
def test_autocorrelation_lags__halve_the_reciprocal_extent(shape):
    grid = image_grid(square(shape[0], 1e-3, 0.1), LAMBDA, 1)
    lags = autocorrelation_lags(grid)
    middle = len(lags) // 2
    np.testing.assert_array_equal(lags[middle, 0], 0)
    step = lags[middle + 1, 1] * grid.step * grid.shape
    assert (step <= 0.5 + 1e-12).all()
    assert (step > 0.45).all()
    np.testing.assert_allclose(lags[::-1, :, 1], -lags[..., 1])
    assert (lags[-1, -1] * grid.step < 0.5).all()
    assert (lags[-1, -1] + lags[middle + 1, 1] >= 0.5 / grid.step * (1 - 1 / grid.shape[0])).all()


@pytest.mark.parametrize("distance", [(12e-9, 0.0), (0.0, 20e-9), (9e-9, -12e-9), (15e-9, 21e-9)])
def test_autocorrelation__of_two_particles_peaks_at_their_distance(pnccd, distance):
    envelope = np.exp(-(pnccd.s**2).sum(axis=-1) / 2 / 1.2e8**2)
    expected = np.abs(1 + np.exp(2j * np.pi * pnccd.s @ distance)) ** 2 * envelope * (pnccd.weight > 0)
    images = np.random.default_rng(8).poisson(expected * 1000 / expected.sum(), (4, *pnccd.shape))
    lags = autocorrelation_lags(pnccd)
    far = np.linalg.norm(lags, axis=-1) > 8e-9
    for row in autocorrelation(images.astype(np.uint16), pnccd):
        found = lags[far][row.reshape(lags.shape[:2])[far].argmax()]
        np.testing.assert_allclose(found * np.sign(found @ distance), distance, atol=0.6e-9)
    edges = lag_edges(pnccd, 64)
    maximum = autocorrelation_profile(images, pnccd, 64)[:, :64]
    ring = np.where(edges[:-1] > 8e-9, maximum, 0).argmax(axis=1)
    np.testing.assert_allclose(edges[ring], np.linalg.norm(distance), atol=2 * edges[1])


def test_autocorrelation__follows_the_center():
    image = np.zeros((12, 12), np.uint16)
    image[3:8, 2:6] = shots(9, 1, (5, 4))[0]
    geometry = square(12, 1e-3, 0.1)
    moved = make_geometry(geometry.pixel_position - np.array([4e-3, 3e-3, 0]), 1e-3)
    rows = autocorrelation(image[None], image_grid(geometry, LAMBDA, 1))
    shifted = autocorrelation(np.roll(image, (3, 4), axis=(0, 1))[None], image_grid(moved, LAMBDA, 1))
    np.testing.assert_allclose(shifted, rows, atol=1e-5)
    assert np.abs(rows - autocorrelation(np.roll(image, 1, axis=0)[None], image_grid(geometry, LAMBDA, 1))).max() > 0.1
