"""Photons that come whatever the particles do: what is found, and what is left alone."""

import numpy as np
import pytest

from tests.sorting.pairs.test_window import STEP, drawn, expected, make_grid
from xfeldask.sorting.pairs.networks import HIT
from xfeldask.sorting.pairs.patterns import fit_patterns
from xfeldask.sorting.pairs.steady import make_gauge, steady_photons
from xfeldask.sorting.pairs.synthesis import make_synthesis
from xfeldask.sorting.pairs.window import Window, excess, find_window

pytestmark = pytest.mark.rounding

GRID = make_grid()
RADIUS = np.hypot(*np.moveaxis(GRID.s, -1, 0)) / STEP
PHOTONS = 500.0


def streak() -> np.ndarray:
    """Expected photons along one row, to one side."""
    out = np.zeros(GRID.shape)
    out[22:25, 24:] = np.exp(-np.arange(24) / 12)
    return out * 60 / out.sum()


def ring() -> np.ndarray:
    out = np.exp(-(((RADIUS - 11) / 2) ** 2))
    return out * 100 / out.sum()


def spot() -> np.ndarray:
    out = np.zeros(GRID.shape)
    out[28:34, 26:32] = 10.0
    return out


def shots(steady: np.ndarray, n: int = 3000, spread: float = 0.0, seed: int = 0, blank: int = 0) -> np.ndarray:
    """Shots of a round particle in a beam whose fluence differs severalfold, over a flat background."""
    rng = np.random.default_rng(seed)
    fluence = np.exp(-2 * rng.random(n)) / 0.43
    fluence[:blank] = 0
    amount = rng.gamma(1 / spread**2, spread**2, n) if spread else np.ones(n)
    mean = fluence[:, None, None] * expected(GRID, PHOTONS, 6, 0) + 0.02 + amount[:, None, None] * steady
    return rng.poisson(mean).astype(np.uint16)


def found(images: np.ndarray) -> np.ndarray:
    usable = np.ones(len(images), bool)
    return steady_photons(images, usable, np.full(GRID.shape, 0.02, np.float32), RADIUS < 24, GRID.center)


@pytest.mark.parametrize("make", [streak, spot])
@pytest.mark.parametrize("spread", [0.0, 0.4])
@pytest.mark.parametrize("blank", [0, 1500])
def test_steady_photons__are_where_they_were_put(make, spread: float, blank: int) -> None:
    truth = make()
    steady = found(shots(truth, spread=spread, blank=blank))
    there = (truth > truth.max() / 4) & (truth > 0.4 * (truth + expected(GRID, PHOTONS, 6, 0.02)))
    assert steady[there].sum() > (0.75 if not spread else 0.5) * truth[there].sum()
    assert steady.sum() < 1.1 * truth.sum()


@pytest.mark.parametrize("same", [True, False])
def test_steady_photons__are_none_of_a_particle_over_a_flat_background(same: bool) -> None:
    images = drawn(GRID, 3000) if same else shots(np.zeros(GRID.shape))
    assert found(images).sum() < 0.002 * images.sum(axis=(1, 2)).mean()


def test_steady_photons__a_shape_that_is_dim_where_another_orientation_is_bright_is_none() -> None:
    """Shots of two round shapes, the wide one of which has half of the photons."""
    rng = np.random.default_rng(0)
    fluence = np.exp(-rng.random(3000))[:, None, None]
    narrow, wide = expected(GRID, PHOTONS, 4, 0), expected(GRID, PHOTONS / 2, 10, 0)
    images = rng.poisson(fluence * np.where(rng.random(3000)[:, None, None] < 0.5, narrow, wide) + 0.02)
    assert found(images).sum() < 0.02 * images.sum(axis=(1, 2)).mean()


def test_steady_photons__of_long_particles_behind_a_gap_are_none() -> None:
    """What a shot lacks behind the gap depends on how the particle lies."""
    rng, n = np.random.default_rng(0), 4000
    y, x = np.moveaxis(GRID.s, -1, 0) / STEP
    angle = rng.uniform(0, np.pi, n)[:, None, None]
    u, v = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    mean = rng.gamma(3, 1 / 3, (n, 1, 1)) * 3 * np.exp(-((u / 12) ** 2) - (v / 4) ** 2) + 0.02
    gap = np.abs(x) < 2
    flat = np.where(gap, 0, 0.02).astype(np.float32)
    images = rng.poisson(np.where(gap, 0, mean))
    assert not steady_photons(images, np.ones(n, bool), flat, (RADIUS < 24) & ~gap, GRID.center).any()


def test_steady_photons__on_both_sides_of_the_beam_are_not_told_from_a_shape() -> None:
    assert not found(shots(ring())).any()


def test_steady_photons__are_none_where_all_shots_are_as_bright() -> None:
    rng = np.random.default_rng(0)
    images = rng.poisson(expected(GRID, PHOTONS, 6, 0.02) + spot(), (2000, *GRID.shape))
    assert not found(images).any()


@pytest.mark.parametrize("images", [np.zeros((5, 48, 48)), np.ones((1, 48, 48)), np.zeros((0, 48, 48))])
def test_steady_photons__of_hardly_anything_are_none(images: np.ndarray) -> None:
    assert not found(images).any()


def test_gauge__tells_how_much_there_is_in_each_shot() -> None:
    steady = ring()
    signal = expected(GRID, PHOTONS, 6, 0)
    gauge = make_gauge(signal + steady + 0.02, steady, GRID.weight)
    for amount, fluence, flat in ((0, 1, 0), (1, 0, 1), (2.5, 3, 0.5)):
        assert (gauge * (amount * steady + fluence * signal + flat)).sum() == pytest.approx(amount, abs=1e-4)
    assert not make_gauge(signal, 0 * steady, GRID.weight).any()


def test_excess__steady_photons_are_no_hit() -> None:
    window = find_window(shots(spot(), spread=0.4, blank=1500), GRID)
    images = shots(spot(), spread=0.4, blank=1000, seed=1)
    hit = excess(images, window) > HIT
    assert hit[:1000].mean() < 0.01
    assert hit[1000:].mean() > 0.95


def test_synthesis__several_particles_lie_over_the_steady_photons_once() -> None:
    truth = spot()
    images = shots(truth)
    window = find_window(images, GRID)
    crops = window.crop(images)
    synthesis = make_synthesis(crops, fit_patterns(crops, window, 5), STEP)
    there = window.crop((truth > 0)[None])[0] > 0
    one, two = (synthesis.draw(n, 500, np.random.default_rng(0))[:, there].sum(axis=1).mean() for n in (1, 2))
    particle = float(window.crop(expected(GRID, PHOTONS, 6, 0)[None])[0][there].sum())
    assert one == pytest.approx(crops[:, there].sum(axis=1).mean(), rel=0.05)
    assert 0 < two - one < 1.5 * particle
    plain = Window.plain(window.weight, window.good, window.background, window.half)
    naive = make_synthesis(crops, fit_patterns(crops, plain, 5), STEP)
    assert naive.draw(2, 500, np.random.default_rng(0))[:, there].sum(axis=1).mean() > two + 0.5 * truth.sum()
