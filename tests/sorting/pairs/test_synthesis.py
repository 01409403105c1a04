"""Synthetic shots against the patterns that they are made of."""

import numpy as np
import pytest
from scipy.stats import chisquare, poisson

from xfeldask.devices import Device
from xfeldask.errors import InputError
from xfeldask.sorting.pairs.measuring import FINEST_FRINGE, Lags
from xfeldask.sorting.pairs.patterns import fit_patterns
from xfeldask.sorting.pairs.synthesis import SPARSE, Synthesis, make_synthesis
from xfeldask.sorting.pairs.window import Window

pytestmark = pytest.mark.rounding

STEP, SIDE = 4e6, 32
SQUARED = ((np.indices((SIDE, SIDE)) - (SIDE - 1) / 2) ** 2).sum(axis=0)
SHAPE = (np.exp(-SQUARED / 60) / np.exp(-SQUARED / 60).sum()).astype(np.float32)


def made(photons: float, background: float = 0.0) -> Synthesis:
    one = np.ones(1, np.float32)
    good = np.ones((SIDE, SIDE), np.float32)
    return Synthesis(SHAPE[None], one * photons, one * background, good, STEP, steady=0 * good, amount=0 * one)


class OneLag:
    """A generator whose pairs all have the same lag."""

    def __init__(self, distance: float, azimuth: float) -> None:
        self._rng, self._given = np.random.default_rng(0), [distance * STEP / FINEST_FRINGE, azimuth / (2 * np.pi)]
        self._asked = 0

    def random(self, shots: int) -> np.ndarray:
        self._asked += 1
        return np.full(shots, self._given[(self._asked - 1) % 2])

    def __getattr__(self, name: str):
        return getattr(self._rng, name)


@pytest.mark.parametrize("photons", [200, 3000])
def test_draw__singles_have_the_source_for_a_mean_and_its_counting_noise(photons: float) -> None:
    mean = photons * SHAPE + 0.02
    assert (mean.mean() < SPARSE) == (photons == 200)
    shots = made(photons, 0.02).draw(1, 3000, np.random.default_rng(0))
    error = np.sqrt(mean / 3000)
    assert np.abs((shots.mean(axis=0) - mean) / error).max() < 5
    assert abs((shots.var(axis=0) / mean)[mean > 0.1].mean() - 1) < 0.02
    neighbours = np.corrcoef(shots[:, 15, 15], shots[:, 15, 16])[0, 1]
    assert abs(neighbours) < 0.08


def test_draw__counts_of_a_bin_are_poisson() -> None:
    counts = made(200).draw(1, 4000, np.random.default_rng(1))[:, 15, 15]
    wanted = poisson(200 * SHAPE[15, 15])
    observed = [*((counts == n).sum() for n in range(4)), (counts > 3).sum()]
    likely = [*wanted.pmf(range(4)), wanted.sf(3)]
    assert chisquare(observed, len(counts) * np.array(likely)).pvalue > 1e-3


@pytest.mark.parametrize("particles", [2, 3])
def test_draw__several_particles_scatter_so_many_times_the_photons(particles: int) -> None:
    total = made(500).draw(particles, 4000, np.random.default_rng(2)).sum(axis=(1, 2))
    # a pair nearer than a resolution element, every tenth or so, scatters up to four times as much
    assert 1 < total.mean() / (500 * particles) < 1 + 0.1 * particles
    assert abs(np.median(total) / (500 * particles) - 1) < 0.05


@pytest.mark.parametrize(("distance", "azimuth"), [(40e-9, 0.3), (60e-9, 2.0), (70e-9, 5.5)])
def test_draw__pairs_show_fringes_of_their_lag(distance: float, azimuth: float) -> None:
    mean = made(1000).draw(2, 500, OneLag(distance, azimuth)).mean(axis=0)
    s = (np.indices((SIDE, SIDE)) - (SIDE - 1) / 2) * STEP
    fringes = 1 + np.cos(2 * np.pi * distance * (np.cos(azimuth) * s[0] + np.sin(azimuth) * s[1]))
    np.testing.assert_allclose(mean, 2000 * SHAPE * fringes, atol=5 * np.sqrt(4000 * SHAPE.max() / 500))
    middle = (SIDE - 1) / 2
    lags = Lags(SIDE, STEP, (middle, middle), Device())
    farther = lags.length > 25e-9
    transform = lags.transform(mean[None].astype(np.float32))[0]
    assert abs(mean.sum() / 2000 - 1) < 0.03
    assert abs(lags.length[farther][transform[farther].argmax()] - distance) < 1 / (SIDE * STEP)


def test_draw__a_seed_gives_the_same_shots() -> None:
    one, same, other = (made(300, 0.1).draw(3, 20, np.random.default_rng(seed)) for seed in (4, 4, 5))
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()
    assert one.dtype == np.float32
    assert made(300).draw(1, 0, np.random.default_rng(0)).shape == (0, SIDE, SIDE)


def test_draw__refuses_no_particles() -> None:
    with pytest.raises(InputError, match="1 particle or more, got 0"):
        made(300).draw(0, 5, np.random.default_rng(0))


def measured(shots: int, dead: bool = False) -> tuple[np.ndarray, Window]:
    good = np.ones((SIDE, SIDE), np.float32)
    if dead:
        good[10:14] = 0
    rng = np.random.default_rng(3)
    photons = 600 * rng.gamma(20, 0.05, shots)[:, None, None]
    crops = rng.poisson((photons * SHAPE + 0.05) * good).astype(np.float32)
    background = 0.05 / crops.sum(axis=(1, 2)).mean()
    return crops, Window.plain(good * (SHAPE > 1e-5), good, background, SIDE // 2)


@pytest.mark.parametrize("dead", [False, True])
def test_make_synthesis__takes_patterns_apart_from_background(dead: bool) -> None:
    crops, window = measured(1000, dead)
    synthesis = make_synthesis(crops, fit_patterns(crops, window, 5), STEP)
    np.testing.assert_allclose(synthesis.shapes.sum(axis=(1, 2)), 1, rtol=1e-4)
    assert synthesis.shapes.min() >= 0
    assert not synthesis.shapes[:, window.good == 0].any()
    np.testing.assert_allclose(synthesis.background.mean(), 0.05, rtol=0.02)
    assert len(synthesis.shapes) == 400
    drawn = synthesis.draw(1, 1000, np.random.default_rng(0))
    inner = (SHAPE.max() / 5 < SHAPE) & (np.abs(np.arange(SIDE) - 12)[:, None] > 4)
    np.testing.assert_allclose(drawn.mean(axis=0)[inner], crops.mean(axis=0)[inner], rtol=0.2)
    assert abs(drawn.sum(axis=(1, 2)).mean() / crops.sum(axis=(1, 2)).mean() - 1) < 0.02


def test_make_synthesis__does_with_a_single_shot() -> None:
    crops, window = measured(1)
    crops *= 20
    synthesis = make_synthesis(crops, fit_patterns(crops, window), STEP)
    assert np.isfinite(synthesis.draw(3, 5, np.random.default_rng(0))).all()
