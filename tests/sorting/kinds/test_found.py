"""What kind each shot is of, by intensities that are given."""

from __future__ import annotations

from dataclasses import replace
from functools import cache, partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.orient.shots import PIXELS, RADIUS, atoms_of, intensity, shots
from xfeldask.devices import Device
from xfeldask.orient.cycle import judged
from xfeldask.orient.models import Models, grid_size, profile
from xfeldask.orient.schedule import Level
from xfeldask.orient.sparse import SparseFrames
from xfeldask.sorting.kinds.comparing import log_likelihoods
from xfeldask.sorting.kinds.found import Kinds, looks, posterior

pytestmark = [pytest.mark.rounding, pytest.mark.usefixtures("in_full")]

SMALL = 1.2e-9


@pytest.fixture(scope="module")
def kinds() -> Kinds:
    """A particle in two variants, the second of which no shot is of, and a small one."""
    size = grid_size(RADIUS)
    axis = (np.arange(size) - size // 2) * PIXELS.step
    s = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1)
    exact = [intensity(atoms, s) + 1e-6 for atoms in (atoms_of(1), atoms_of(3), atoms_of(2, SMALL))]
    return Kinds(Models(np.stack(exact), np.array([0.3, 0.3, 0.4]), PIXELS.step), np.array([0, 0, 1]), RADIUS)


@pytest.fixture(scope="module")
def told(kinds: Kinds) -> np.ndarray:
    frames = SparseFrames.joined([shots(40, 200, 1).frames, shots(20, 200, 2, size=SMALL).frames])
    return log_likelihoods(frames, PIXELS, kinds)


def test_log_likelihoods__tell_the_particle(told: np.ndarray) -> None:
    assert told.argmax(axis=1).tolist() == [0] * 40 + [1] * 20


def test_log_likelihoods__are_the_mean_over_the_intensities_of_a_kind(kinds: Kinds, told: np.ndarray) -> None:
    frames = SparseFrames.joined([shots(40, 200, 1).frames, shots(20, 200, 2, size=SMALL).frames])
    single = [
        judged(frames, PIXELS, Models(one[None], np.ones(1), PIXELS.step), looks(RADIUS)).log_likelihood
        for one in kinds.models.intensity
    ]
    np.testing.assert_allclose(told[:, 0], np.logaddexp(*single[:2]) - np.log(2))
    np.testing.assert_allclose(told[:, 1], single[2])


def test_log_likelihoods__are_the_same_as_products_of_matrices(kinds: Kinds, told: np.ndarray) -> None:
    frames = SparseFrames.joined([shots(40, 200, 1).frames, shots(20, 200, 2, size=SMALL).frames])
    found = log_likelihoods(frames, PIXELS, kinds, by=Device())
    assert np.median(np.abs(found - told)[:40, 0]) < 0.01
    assert np.abs(found - told)[:40, 0].max() < 0.5
    # the loops look at rotations near the likeliest only; where all fit as well, the others tell as much
    assert (found > told - 0.01).all()


def test_log_likelihoods__of_one_mean_profile_do_not_depend_on_other_shots(kinds: Kinds, told: np.ndarray) -> None:
    frames = SparseFrames.joined([shots(40, 200, 1).frames, shots(20, 200, 2, size=SMALL).frames])
    mean = cache(partial(profile, frames, PIXELS))
    cuts = np.split(np.arange(60), [7, 30, 31])
    apart = [log_likelihoods(frames[some], PIXELS, kinds, mean=mean) for some in cuts]
    np.testing.assert_array_equal(np.concatenate(apart), told)


def test_log_likelihoods__of_what_is_round_take_few_rotations() -> None:
    size = grid_size(RADIUS)
    axis = (np.arange(size) - size // 2) * PIXELS.step
    far = np.sqrt(axis[:, None, None] ** 2 + axis[:, None] ** 2 + axis**2)
    ball = Models(np.exp(-((far * 6e-9) ** 2))[None] + 1e-3, np.ones(1), PIXELS.step)
    kinds, inside = Kinds(ball, np.zeros(1, np.int64), RADIUS), PIXELS.within(RADIUS)
    seen = PIXELS.factor[:inside] * (np.exp(-((np.linalg.norm(PIXELS.s[:inside], axis=1) * 6e-9) ** 2)) + 1e-3)
    images = np.random.default_rng(0).multinomial(300, seen / seen.sum(), 30)
    frames = SparseFrames.of(images.astype(np.uint16), np.arange(inside))
    few = log_likelihoods(frames, PIXELS, replace(kinds, round=np.ones(1, bool)))
    everywhere = judged(frames, PIXELS, ball, [Level(4, RADIUS, 1, everywhere=True)]).log_likelihood
    np.testing.assert_allclose(few[:, 0], everywhere, atol=0.15)


def test_log_likelihoods__tell_how_far_they_are(kinds: Kinds) -> None:
    heard = list[int]()
    log_likelihoods(shots(7, 50, 1).frames, PIXELS, kinds, tell=heard.append)
    assert heard == [7, 7, 7]


def test_posterior__finds_how_frequent_kinds_are(told: np.ndarray) -> None:
    probability, fractions = posterior(told, [0.5, 0.5])
    np.testing.assert_allclose(fractions, [40 / 60, 20 / 60], atol=0.01)
    np.testing.assert_allclose(probability.sum(axis=1), 1)


@given(st.integers(0, 1000), st.integers(1, 5), st.floats(0, 1e4))
def test_posterior__explains_the_shots_better_than_what_it_began_with(seed: int, kinds: int, shift: float) -> None:
    rng = np.random.default_rng(seed)
    told, begun = rng.normal(size=(30, kinds)) * 3 - shift, rng.dirichlet(np.ones(kinds))
    _, found = posterior(told, begun)

    def explained(fractions: np.ndarray) -> float:
        with np.errstate(divide="ignore"):
            return float(np.logaddexp.reduce(told + np.log(fractions), axis=1).sum())

    assert found.sum() == pytest.approx(1)
    assert explained(found) >= explained(begun) - 1e-6


def test_posterior__does_not_depend_on_the_order_of_shots(told: np.ndarray) -> None:
    order = np.random.default_rng(0).permutation(len(told))
    probability, fractions = posterior(told, [0.5, 0.5])
    again, others = posterior(told[order], [0.5, 0.5])
    np.testing.assert_allclose(again, probability[order], atol=1e-9)
    np.testing.assert_allclose(others, fractions, atol=1e-9)
