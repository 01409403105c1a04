"""Lags against plain sums, neighbours against scikit-learn, peaks against fringes that were put in."""

import pickle
from collections.abc import Callable
from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.neighbors import NearestNeighbors

from tests.orient.devices import Small, gpu, strict
from xfeldask.devices import CPU, Device
from xfeldask.errors import InputError, RunError
from xfeldask.sorting.pairs.evidence import Evidence, fit_evidence
from xfeldask.sorting.pairs.measuring import FINEST_FRINGE, Lags, Neighbours
from xfeldask.sorting.pairs.patterns import fit_patterns
from xfeldask.sorting.pairs.window import Window

pytestmark = pytest.mark.rounding

STEP, SIDE = 4e6, 32
MIDDLE = (SIDE / 2 - 0.5, SIDE / 2 - 0.3)
Y, X = (np.arange(SIDE) - c for c in MIDDLE)
LEVEL = 6 * np.exp(-((Y[:, None] / 7) ** 2) - (X / 7) ** 2)


@pytest.mark.parametrize("side", [24, 30, 40])
def test_lags__are_sums_of_cosines_about_the_beam(side: int) -> None:
    crops = np.random.default_rng(side).poisson(0.5, (20, side, side)).astype(np.float32)
    offset = (side / 2 - 0.5, side / 2 + 0.3)
    lags = Lags(side, STEP, offset, CPU)
    # these sides are products of small primes, for which the transform is not padded
    unit, reach = 1 / (side * STEP), int(FINEST_FRINGE * side)
    every = [(np.hypot(r, c) * unit, r, c) for r in range(-reach, reach + 1) for c in range(reach + 1)]
    wanted = sorted((lag for lag in every if unit <= lag[0] <= FINEST_FRINGE / STEP), key=lambda lag: lag[0])
    np.testing.assert_allclose(lags.length, [lag[0] for lag in wanted])
    y, x = (np.arange(side) - c for c in offset)
    cosines = [np.cos(2 * np.pi * (r * y[:, None] + c * x) / side) for _, r, c in wanted]
    np.testing.assert_allclose(lags.transform(crops), np.tensordot(crops, cosines, ((1, 2), (1, 2))), atol=2e-3)


@pytest.mark.parametrize("side", [8, 26, 62, 120])
def test_lags__bands_hold_each_lag_once_in_order(side: int) -> None:
    lags = Lags(side, STEP, (side / 2, side / 2), CPU)
    held = np.concatenate([np.arange(len(lags.length))[band] for band in lags.bands])
    np.testing.assert_array_equal(held, np.arange(len(lags.length)))
    assert (np.diff(lags.length) >= 0).all()
    assert lags.length[0] >= 1 / (side * STEP)
    assert lags.length[-1] <= FINEST_FRINGE / STEP


def test_lags__refuses_an_image_of_a_few_bins() -> None:
    with pytest.raises(InputError, match="too small for lags"):
        Lags(2, STEP, (0.5, 0.5), CPU)


@given(st.integers(1, 60), st.integers(2, 400), st.integers(5, 30), st.integers(1, 12))
def test_neighbours__is_that_of_scikit_learn(shots: int, others: int, components: int, neighbours: int) -> None:
    rng = np.random.default_rng([shots, others])
    z, reference = (rng.normal(size=(n, components)).astype(np.float32) for n in (shots, others))
    k = min(neighbours, others - 1)
    wanted = NearestNeighbors(n_neighbors=k).fit(reference).kneighbors(z)[0].mean(axis=1)
    np.testing.assert_allclose(Neighbours(reference, CPU).distance(z, k), wanted, rtol=1e-3)
    own = NearestNeighbors(n_neighbors=k).fit(reference).kneighbors()[0].mean(axis=1)
    np.testing.assert_allclose(Neighbours(reference, CPU).distance(reference, neighbours), own, rtol=1e-3)


def test_neighbours__refuses_a_reference_without_neighbours() -> None:
    with pytest.raises(InputError, match="2 shots or more, got 1"):
        Neighbours(np.ones((1, 4), np.float32), CPU)


@pytest.fixture(scope="module")
def evidence() -> Evidence:
    good = np.ones((SIDE, SIDE), np.float32)
    window = Window.plain(good, good, 0.0, SIDE // 2)
    singles = drawn(2000, 0)
    return fit_evidence(singles, fit_patterns(singles, window, 10), STEP, MIDDLE)


def drawn(shots: int, seed: int, lag: tuple[float, float] | None = None, brighter: float = 1.0) -> np.ndarray:
    """Crops of one pattern that is broader or narrower from shot to shot, with fringes of a lag [m] or none."""
    rng = np.random.default_rng(seed)
    level = brighter * LEVEL ** rng.uniform(0.9, 1.1, shots)[:, None, None]
    if lag is not None:
        level = level * (1 + np.cos(2 * np.pi * STEP * (lag[0] * Y[:, None] + lag[1] * X)))
    return rng.poisson(level).astype(np.float32)


def test_peaks__of_singles_are_counting_noise_at_each_lag(evidence: Evidence) -> None:
    unexplained, _, photons = evidence.on(CPU).peaks(drawn(2000, 1))
    np.testing.assert_allclose(photons.mean(), LEVEL.sum(), rtol=0.05)
    assert np.abs(unexplained.mean(axis=0) - evidence.middle).max() < 0.3
    assert 0.7 < unexplained.std(axis=0).mean() < 1.2
    np.testing.assert_allclose(evidence.spread, unexplained.std(axis=0), rtol=0.25)


@pytest.mark.parametrize("lag", [(40e-9, 0.0), (-30e-9, 45e-9), (10e-9, 70e-9)])
def test_measure__a_pair_shows_its_lag(evidence: Evidence, lag: tuple[float, float]) -> None:
    _, peak, separation = evidence.measure(drawn(200, 2, lag))
    _, single, _ = evidence.measure(drawn(2000, 3))
    assert peak.min() > single.max()
    element = 1 / (SIDE * STEP)
    assert np.median(np.abs(separation - np.hypot(*lag))) < element


@pytest.mark.parametrize("device", [strict, pytest.param(gpu, marks=pytest.mark.cuda)])
def test_measure__is_the_same_on_any_device(evidence: Evidence, device: Callable[[], Device]) -> None:
    crops = np.concatenate([drawn(100, 12), drawn(100, 13, (40e-9, 0.0)), np.zeros((1, SIDE, SIDE), np.float32)])
    (measures, peak, separation), here = evidence.measure(crops, device()), evidence.measure(crops)
    assert measures.dtype == peak.dtype == np.float32
    np.testing.assert_allclose(measures, here[0], rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(peak, here[1], rtol=1e-3, atol=1e-3)
    # of two lags that are as high, either may come first
    assert (separation == here[2]).mean() > 0.98


def test_measure__memory_that_runs_out_halves_the_block_and_it_goes_on(evidence: Evidence) -> None:
    crops, device = drawn(100, 14), Small(40)
    found = evidence.measure(crops, device)
    for part, blocks in zip(found, zip(*map(evidence.measure, np.split(crops, 4)), strict=True), strict=True):
        np.testing.assert_array_equal(part, np.concatenate(blocks))
    assert (device.copied[-4:], device.released) == ([25] * 4, 2)
    device.most = 0
    told = r"^measuring a shot ran out of memory on the CPU, .* GB free; end what else uses it, or take device='cpu'"
    with pytest.raises(RunError, match=told):
        evidence.measure(crops[:1], device)


def test_fit_evidence__memory_that_runs_out_halves_the_block_and_it_goes_on(evidence: Evidence) -> None:
    device = Small(100)
    found = fit_evidence(drawn(2000, 0), evidence.patterns, STEP, MIDDLE, device)
    assert (device.copied[-1], device.released) == (2000 % 64, 2)
    for name in ("middle", "spread"):
        np.testing.assert_allclose(getattr(found, name), getattr(evidence, name), rtol=1e-4, atol=1e-4)


def turned(shots: int, particles: int, seed: int) -> np.ndarray:
    """Crops of patterns that lean to one side each, any side; of several particles, without fringes."""
    angle = np.random.default_rng(seed).uniform(0, 2 * np.pi, (particles, shots, 1, 1))
    side = np.cos(angle) * np.tanh(X / 7) + np.sin(angle) * np.tanh(Y / 7)[:, None]
    return np.random.default_rng(seed).poisson(4 * LEVEL * (1 + 0.6 * side).sum(axis=0)).astype(np.float32)


def test_measure__several_particles_stand_out_by_their_neighbours() -> None:
    crops = turned(1000, 1, 6)
    window = Window.plain(np.ones((SIDE, SIDE), np.float32), np.ones((SIDE, SIDE), np.float32), 0.0, SIDE // 2)
    evidence = fit_evidence(crops, fit_patterns(crops, window), STEP, MIDDLE)
    assert evidence.patterns.signal == 2
    several, single = (evidence.measure(turned(500, n, 7))[0] for n in (3, 1))
    near = slice(1 + len(evidence.lags.bands) + 1, None)
    assert several.shape[1] == near.start + 2
    assert (several[:, near].mean(axis=0) > single[:, near].mean(axis=0) + single[:, near].std(axis=0)).all()


def test_measure__odd_shots_stay_finite(evidence: Evidence) -> None:
    crops = np.zeros((4, SIDE, SIDE), np.float32)
    crops[1], crops[2, 0, 0], crops[3, :4] = 65535, 1, 9
    for part in evidence.measure(crops):
        assert np.isfinite(part).all()


def test_measure__brightness_alone_does_not_make_a_pair(evidence: Evidence) -> None:
    _, peak, _ = evidence.measure(drawn(500, 5, brighter=2.0))
    _, usual, _ = evidence.measure(drawn(500, 6))
    assert abs(np.median(peak) - np.median(usual)) < 0.5


def test_noise_peaks__are_those_of_singles_and_not_of_pairs(evidence: Evidence) -> None:
    single, pair = drawn(1000, 10), drawn(1000, 11, (40e-9, 0.0))
    noise = evidence.noise_peaks(single, np.random.default_rng(0))
    levels = [0.05, 0.25, 0.5, 0.75, 0.95]
    np.testing.assert_allclose(np.quantile(noise, levels), np.quantile(evidence.measure(single)[1], levels), atol=0.2)
    assert np.median(evidence.measure(pair)[1]) > noise.max()
    assert evidence.noise_peaks(single[:0], np.random.default_rng(0)).shape == (0,)


@pytest.mark.parametrize("shots", [2, 7, 300])
def test_fit_evidence__few_shots_give_numbers(shots: int) -> None:
    good = np.ones((SIDE, SIDE), np.float32)
    crops = drawn(shots, 7, brighter=20.0)
    evidence = fit_evidence(crops, fit_patterns(crops, Window.plain(good, good, 0.0, SIDE // 2), 10), STEP, MIDDLE)
    for part in evidence.measure(drawn(5, 8)):
        assert np.isfinite(part).all()


def test_pickling__leaves_tables_out_and_keeps_the_numbers(evidence: Evidence) -> None:
    crops = drawn(20, 9)
    found = evidence.measure(crops)
    tables = set(vars(evidence)) - {field.name for field in fields(evidence)}
    arrived = pickle.loads(pickle.dumps(evidence))
    assert tables
    assert set(vars(arrived)) == set(vars(evidence)) - tables
    for here, there in zip(found, arrived.measure(crops), strict=True):
        np.testing.assert_array_equal(here, there)


def test_measure__distance_is_the_same_of_shots_that_were_learned_from_and_of_others() -> None:
    crops = turned(1000, 1, 8)
    window = Window.plain(np.ones((SIDE, SIDE), np.float32), np.ones((SIDE, SIDE), np.float32), 0.0, SIDE // 2)
    evidence = fit_evidence(crops[:500], fit_patterns(crops[:500], window), STEP, MIDDLE)
    learned, others = (evidence.measure(part)[0][:, -3] for part in (crops[:500], crops[500:]))
    assert abs(learned.mean() - others.mean()) < 4 * np.hypot(learned.std(), others.std()) / np.sqrt(500)
