"""What is found of each shot as a particle of a kind."""

from __future__ import annotations

import numpy as np
import pytest

from tests.orient.shots import PIXELS, RADIUS, atoms_of, intensity, shots
from xfeldask.orient.models import Models, grid_size
from xfeldask.orient.sparse import SparseFrames
from xfeldask.physics.orientations import angle_between
from xfeldask.sorting.kinds.comparing import Comparison, compare, log_likelihoods
from xfeldask.sorting.kinds.found import Kinds

pytestmark = [pytest.mark.rounding, pytest.mark.usefixtures("in_full")]

SMALLER, LARGER = 0.9, 1.15
SHOTS = [shots(30, 400, seed, atoms=size * atoms_of(1)) for seed, size in ((7, SMALLER), (8, LARGER))]
FRAMES = SparseFrames.joined([each.frames for each in SHOTS])
ROUND = 2


@pytest.fixture(scope="module")
def kinds() -> Kinds:
    """A particle in two sizes, and what is round."""
    size = grid_size(RADIUS)
    axis = (np.arange(size) - size // 2) * PIXELS.step
    s = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1)
    exact = [intensity(t * atoms_of(1), s) for t in (SMALLER, LARGER)]
    ball = np.exp(-((s * 8e-9) ** 2).sum(axis=-1))
    models = Models(np.stack([*exact, 100 * ball]) + 1e-3, np.array([0.3, 0.3, 0.4]), PIXELS.step)
    of, flat = np.array([0, 0, 1]), np.array([False, False, True])
    return Kinds(models, of, RADIUS, round=flat, size=np.array([SMALLER, LARGER, 1.0]))


@pytest.fixture(scope="module")
def told(kinds: Kinds) -> Comparison:
    return compare(FRAMES, PIXELS, kinds)


def test_compare__finds_the_orientation_of_each_shot(told: Comparison) -> None:
    truth = np.concatenate([each.orientation for each in SHOTS])
    away = angle_between(told.orientation[:, 0], truth, friedel=True)
    assert np.median(away) < np.radians(6)
    assert (away < np.radians(20)).mean() > 0.9
    # what is round has none
    assert np.isnan(told.orientation[:, 1]).all()


def test_compare__finds_the_size_of_each_shot(told: Comparison) -> None:
    truth = np.repeat([SMALLER, LARGER], 30)
    # a dim shot may fit either, and tells one between
    assert (np.abs(told.size[:, 0] - truth) < 0.01).mean() > 0.9
    assert np.abs(told.size[:, 0] - truth).max() <= LARGER - SMALLER
    np.testing.assert_array_equal(told.size[:, 1], 1)


def test_compare__of_shots_that_fit_two_sizes_finds_their_mean(kinds: Kinds) -> None:
    nothing = SparseFrames.of(np.zeros((2, len(PIXELS.s)), np.uint16), np.arange(len(PIXELS.s)))
    found = compare(nothing, PIXELS, kinds, mean=lambda _: np.ones(20))
    np.testing.assert_allclose(found.size[:, 0], (SMALLER + LARGER) / 2)


def test_compare__finds_fluences_that_go_with_the_photons(told: Comparison, kinds: Kinds) -> None:
    for some in (slice(30), slice(30, None)):
        photons = FRAMES.photons(PIXELS.within(RADIUS))[some]
        assert np.corrcoef(photons, told.fluence[some, 0])[0, 1] > 0.9
    # an intensity of which twice as many photons are expected is met by half the fluence
    twice = Kinds(
        Models(2 * kinds.models.intensity, kinds.models.prior, PIXELS.step), kinds.kind, RADIUS, round=kinds.round
    )
    found = compare(FRAMES, PIXELS, twice)
    np.testing.assert_allclose(found.fluence, told.fluence / 2, rtol=1e-6)
    assert np.isnan(found.size).all()


def test_log_likelihoods__are_those_of_the_comparison(told: Comparison, kinds: Kinds) -> None:
    np.testing.assert_array_equal(log_likelihoods(FRAMES, PIXELS, kinds), told.log_likelihood)


@pytest.mark.parametrize("together", [True, False])
def test_comparison__tells_of_each_shot_as_the_kind_that_it_is_of(
    told: Comparison, kinds: Kinds, together: bool
) -> None:
    kind = np.arange(60) % 2
    found = told.as_kind(kind, together)
    assert set(found) == {"found_orientation", "found_fluence", "found_size"}
    np.testing.assert_array_equal(np.isnan(found["found_orientation"]).all(axis=1), kind == 1)
    for k in (0, 1):
        np.testing.assert_array_equal(found["found_size"][kind == k], told.size[kind == k, k])
        some = np.ones(60, bool) if together else kind == k
        mean = told.fluence[np.arange(60), kind][some].mean()
        np.testing.assert_allclose(found["found_fluence"][kind == k] * mean, told.fluence[kind == k, k])


def test_comparison__without_sizes_or_photons_tells_of_none(kinds: Kinds) -> None:
    nothing = SparseFrames.of(np.zeros((3, len(PIXELS.s)), np.uint16), np.arange(len(PIXELS.s)))
    found = compare(nothing, PIXELS, Kinds(kinds.models, kinds.kind, RADIUS), mean=lambda _: np.ones(20))
    told = found.as_kind(np.zeros(3, int), together=True)
    assert set(told) == {"found_orientation", "found_fluence"}
    assert told["found_fluence"].tolist() == [0, 0, 0]
