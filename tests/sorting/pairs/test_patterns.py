"""Components of patterns, on shots whose expected photons are known."""

import numpy as np
import pytest

from tests.sorting.pairs.test_window import STEP, expected, make_grid
from xfeldask.errors import InputError
from xfeldask.sorting.pairs.patterns import Patterns, fit_patterns
from xfeldask.sorting.pairs.window import Window, find_window

pytestmark = pytest.mark.rounding


def fitted(
    shots: int = 2000, n_components: int = 6, photons: float = 500, seed: int = 0
) -> tuple[np.ndarray, Patterns]:
    """Crops of shots that differ along one direction, from left to right, and their patterns."""
    grid = make_grid()
    rng = np.random.default_rng(seed)
    tilt = rng.uniform(-0.6, 0.6, shots)[:, None, None] * np.tanh(grid.s[..., 1] / (4 * STEP))
    images = rng.poisson(expected(grid, photons, 6, 0.02) * (1 + tilt)).astype(np.uint16)
    window = find_window(images, grid)
    crops = window.crop(images)
    return crops, fit_patterns(crops, window, n_components)


def test_patterns__find_what_differs_and_how_much_of_it_is_noise() -> None:
    crops, patterns = fitted()
    np.testing.assert_allclose(patterns.vectors @ patterns.vectors.T, np.eye(6), atol=1e-4)
    assert patterns.variance[0] > 20 * patterns.variance[1:].max()
    z, photons = patterns.coordinates(crops)
    np.testing.assert_allclose(photons, crops.sum(axis=(1, 2)))
    spread = patterns.variance + patterns.noise / photons.mean()
    np.testing.assert_allclose(z.var(axis=0), spread, rtol=0.15)


@pytest.mark.parametrize("shots", [100, 700, 2000])
def test_fit_patterns__knows_which_components_stand_above_counting_noise(shots: int) -> None:
    _, patterns = fitted(shots, n_components=10, photons=2000)
    assert (patterns.signal, len(patterns.variance)) == (1, 10)


def test_patterns__coordinates_are_products_of_rows_and_vectors() -> None:
    crops, patterns = fitted(300)
    rows, photons = patterns.rows(crops)
    found, same = patterns.coordinates(crops)
    np.testing.assert_allclose(found, rows @ patterns.vectors.T, atol=1e-5)
    np.testing.assert_array_equal(photons, same)
    merged = crops.reshape(300, crops.shape[1] // 2, 2, -1, 2).sum(axis=(2, 4)).reshape(300, -1)
    np.testing.assert_allclose(rows, (merged / merged.sum(axis=1)[:, None] - patterns.mean) * patterns.scale, atol=1e-5)


def test_patterns__trust_coordinates_as_far_as_photons_go() -> None:
    _, patterns = fitted(300)
    z = np.ones((3, len(patterns.variance)), np.float32)
    none, some, all_ = patterns.trusted(z, np.array([1e-6, 500, 1e12], np.float32))
    assert np.abs(none).max() < 1e-3
    np.testing.assert_allclose(all_, 1, rtol=1e-3)
    assert ((none < some) & (some < all_)).all()


def test_patterns__basis_holds_the_mean_in_the_images_own_bins() -> None:
    crops, patterns = fitted()
    mean = patterns.basis()[0]
    wanted = crops.sum(axis=0) / crops.sum()
    bright = wanted > wanted.max() / 10
    assert mean.shape == crops.shape[1:]
    np.testing.assert_allclose(mean[bright], wanted[bright], rtol=0.15)
    assert abs(mean[bright].sum() / wanted[bright].sum() - 1) < 0.02


@pytest.mark.parametrize("shots", [1, 5, 12, 100])
def test_fit_patterns__fewer_shots_give_fewer_components(shots: int) -> None:
    crops, patterns = fitted(shots, n_components=40, photons=20_000)
    assert len(patterns.vectors) == max(1, shots // 10)
    z, photons = patterns.coordinates(np.concatenate([crops, np.zeros_like(crops[:1])]))
    assert np.isfinite(z).all()
    assert photons[-1] == 1


def test_fit_patterns__refuses_too_few_photons_and_other_crops() -> None:
    window = Window.plain(np.ones((12, 12), np.float32), np.ones((12, 12), np.float32), 0.0, 4)
    with pytest.raises(InputError, match="3 hits hold 3 photons"):
        fit_patterns(np.eye(64, dtype=np.uint16)[:3].reshape(3, 8, 8), window)
    with pytest.raises(InputError, match=r"\(shot, 8, 8\)"):
        fit_patterns(np.ones((3, 12, 12), np.uint16), window)
