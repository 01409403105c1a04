"""The pair rule on shots made here, of a particle whose transform is known in closed form."""

from functools import cache

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import NearestNeighbors

from xfeldask.errors import InputError
from xfeldask.latent.evidence import Lags, neighbour_distance
from xfeldask.latent.pairs import HIT, LEAST_HITS, PairRule
from xfeldask.latent.patterns import excess, find_window, fit_patterns
from xfeldask.latent.synthesis import Synthesis
from xfeldask.physics.binning import ImageGrid, low_q_grid
from xfeldask.physics.detectors import square, wavelength
from xfeldask.physics.orientations import rotation_matrix, uniform_quaternion

SIDE, NEAR, FAR = 64, 25e-9, 60e-9
BLOBS = np.array([[6, 0, 0], [-6, 0, 0], [0, 4, 3], [0, -4, 3], [0, 0, -6]]) * 1e-9


@cache
def grid() -> ImageGrid:
    return low_q_grid(square(SIDE, 8 * 75e-6, 1.3), wavelength(4600))


def amplitude(turn: np.ndarray) -> np.ndarray:
    """Transform of five Gaussian blobs, (y, x)."""
    s = grid().s
    at = (BLOBS @ turn.T)[:, :2]
    return np.exp(2j * np.pi * s @ at.T).sum(axis=-1) * np.exp(-2 * (np.pi * 2e-9) ** 2 * (s**2).sum(axis=-1))


@cache
def shots(n: int, seed: int, multiple: float = 0.1, blank: float = 0.05) -> tuple[np.ndarray, ...]:
    """Images, numbers of particles, and distances of the second particle as seen."""
    rng = np.random.default_rng(seed)
    number = rng.choice([0, 1, 2], n, p=[blank, 1 - blank - multiple, multiple])
    turns = rotation_matrix(uniform_quaternion(rng.random((n, 2, 3))))
    distance, angle = rng.uniform(NEAR, FAR, n), rng.uniform(0, 2 * np.pi, n)
    images = np.empty((n, SIDE, SIDE), np.uint16)
    scale = 700 / (np.abs(amplitude(np.eye(3))) ** 2).sum()
    for i in range(n):
        place = distance[i] * np.array([np.cos(angle[i]), np.sin(angle[i])])
        total = np.zeros((SIDE, SIDE), complex)
        for k in range(number[i]):
            strength = np.sqrt(scale * np.exp(-rng.random()))
            total += strength * amplitude(turns[i, k]) * np.exp(2j * np.pi * k * (grid().s @ place))
        images[i] = rng.poisson((np.abs(total) ** 2 + 0.01) * grid().weight)
    return images, number, distance


@pytest.fixture(scope="module")
def rule() -> PairRule:
    return PairRule(seed=3).fit(shots(1500, 1)[0], grid())


def test_rule__tells_kinds_of_shots_that_it_has_not_seen(rule: PairRule) -> None:
    images, number, distance = shots(600, 2)
    found = rule.judge(images)
    np.testing.assert_array_equal(found.hit, number > 0)
    hit = number > 0
    assert roc_auc_score(number[hit] == 1, found.log_ratio[hit]) > 0.99
    apart = (number == 2) & (found.peak > 8)
    assert apart.sum() > 20
    assert np.median(np.abs(found.separation - distance)[apart]) < 3e-9
    assert np.isnan(found.log_ratio[~hit]).all()
    assert np.isnan(found.separation[~hit]).all()


def test_rule__comes_back_from_its_arrays_to_the_same_bits(rule: PairRule) -> None:
    images = shots(600, 2)[0]
    arrays = rule.arrays()
    assert all(value.dtype.kind in "fiub" for value in arrays.values())
    again, found = PairRule.restore(arrays).judge(images), rule.judge(images)
    np.testing.assert_array_equal(again.log_ratio, found.log_ratio)
    np.testing.assert_array_equal(again.separation, found.separation)


def test_rule__same_seed_same_bits(rule: PairRule) -> None:
    again = PairRule(seed=3).fit(shots(1500, 1)[0], grid()).arrays()
    assert all(np.array_equal(value, again[name]) for name, value in rule.arrays().items())


def test_rule__labels_help_or_do_no_harm() -> None:
    images, number, _ = shots(1500, 1)
    labels = np.where(np.arange(len(images)) < 300, number == 1, -1)
    rule = PairRule().fit(images, grid(), labels)
    seen, truth, _ = shots(600, 2)
    assert roc_auc_score(truth[truth > 0] == 1, rule.judge(seen).log_ratio[truth > 0]) > 0.99


def test_rule__many_doubles_do_not_teach_it_wrongly() -> None:
    images, number, _ = shots(1500, 5, multiple=0.4)
    found = PairRule().fit(images, grid()).judge(images)
    hit = number > 0
    assert roc_auc_score(number[hit] == 1, found.log_ratio[hit]) > 0.98


def test_rule__odd_shots_give_no_nan(rule: PairRule) -> None:
    images = shots(600, 2)[0][:4].copy()
    images[0], images[1], images[2, :32] = 0, 65535, 0
    found = rule.judge(images)
    assert not found.hit[0]
    assert np.isfinite(found.log_ratio[found.hit]).all()
    assert np.isfinite(found.peak[found.hit]).all()


def test_rule__refuses_what_it_cannot_learn_from() -> None:
    images = shots(1500, 1)[0]
    with pytest.raises(InputError, match=f"{LEAST_HITS} hits or more"):
        PairRule().fit(images[:200], grid())
    with pytest.raises(InputError, match="no photons"):
        PairRule().fit(np.zeros((400, SIDE, SIDE), np.uint16), grid())


def test_excess__of_background_alone_is_about_normal() -> None:
    window = find_window(shots(1500, 1)[0], grid())
    background = np.random.default_rng(0).poisson(0.3 * grid().weight, (2000, SIDE, SIDE))
    z = excess(background.astype(np.uint16), window)
    assert abs(z.mean()) < 0.1
    assert 0.7 < z.std() < 1.1
    assert z.max() < HIT


def test_lags__are_the_sum_of_cosines() -> None:
    rng = np.random.default_rng(0)
    crops = rng.poisson(0.3, (3, 24, 24)).astype(np.float32)
    step, offset = 4e6, (11.5, 11.8)
    lags = Lags(24, step, offset)
    found = lags.transform(crops)
    y, x = (np.arange(24) - c for c in offset)
    best = [
        min(np.abs(a - b).max() for b in found.T)
        for place in (np.array([3, 2]), np.array([0, 4]))
        for a in [np.einsum("nyx,yx->n", crops, np.cos(2 * np.pi * (place[0] * y[:, None] + place[1] * x) / 24))]
    ]
    assert max(best) < 1e-3
    assert (np.diff(lags.length) >= 0).all()
    covered = np.concatenate([np.arange(len(lags.length))[band] for band in lags.bands])
    np.testing.assert_array_equal(covered, np.arange(len(lags.length)))


@pytest.mark.parametrize(("shots_", "reference"), [(5, 400), (40, 40), (3, 7)])
def test_neighbour_distance__is_that_of_scikit_learn(shots_: int, reference: int) -> None:
    rng = np.random.default_rng(shots_)
    z, others = (rng.normal(size=(n, 6)).astype(np.float32) for n in (shots_, reference))
    k = min(5, reference - 1)
    expected = NearestNeighbors(n_neighbors=k).fit(others).kneighbors(z)[0].mean(axis=1)
    np.testing.assert_allclose(neighbour_distance(z, others, k), expected, rtol=1e-3)
    own = NearestNeighbors(n_neighbors=k + 1).fit(others).kneighbors(others)[0][:, 1:].mean(axis=1)
    np.testing.assert_allclose(neighbour_distance(others, others, k), own, rtol=1e-3)


def test_synthesis__adds_photons_and_fringes() -> None:
    shape = np.exp(-((np.indices((32, 32)) - 15.5) ** 2).sum(axis=0) / 60)[None].astype(np.float32)
    shape /= shape.sum()
    one, none = np.full(1, 500, np.float32), np.zeros(1, np.float32)
    synthesis = Synthesis(shape, one, none, np.ones((32, 32), np.float32), 4e6)
    rng = np.random.default_rng(0)
    single, double = (synthesis.draw(k, 800, rng) for k in (1, 2))
    np.testing.assert_allclose(single.mean(axis=0), 500 * shape[0], atol=5 * np.sqrt(500 * shape.max() / 800))
    assert abs(single.sum(axis=(1, 2)).var() / 500 - 1) < 0.2
    # close together, two interfere constructively over most of the pattern
    assert 1000 < double.sum(axis=(1, 2)).mean() < 1250
    assert double.sum(axis=(1, 2)).var() > 2 * 1000


def test_patterns__trust_coordinates_as_far_as_photons_go() -> None:
    images = shots(1500, 1, blank=0.0)[0]
    window = find_window(images, grid())
    patterns = fit_patterns(window.crop(images), window, 10)
    z = np.ones((2, len(patterns.variance)), np.float32)
    trusted = patterns.trusted(z, np.array([1e-6, 1e9], np.float32))
    assert np.abs(trusted[0]).max() < 1e-3
    np.testing.assert_allclose(trusted[1], 1, rtol=1e-3)
    np.testing.assert_allclose(patterns.vectors @ patterns.vectors.T, np.eye(len(z[0])), atol=1e-4)
