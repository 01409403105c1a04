"""What labels say of kinds, and who resembles labelled shots."""

from __future__ import annotations

from math import comb

import numpy as np
import pytest

from tests.orient.shots import PIXELS, RADIUS, shots
from xfeldask.orient.sparse import SparseFrames
from xfeldask.sorting.kinds.labelled import barred, chance_of, held_to, resembling, wanted_kind

pytestmark = pytest.mark.rounding

MANY, FEW = 500, 50


@pytest.mark.parametrize(("photons", "pure"), [(300, 0.9), (60, 0.6)])
def test_resembling__finds_nearly_all_of_another_particle_from_ten(photons: int, pure: float) -> None:
    frames = SparseFrames.joined([shots(MANY, 300, 1).frames, shots(FEW, photons, 2, size=1.2e-9).frames])
    ten = np.arange(MANY, MANY + FEW, 5)
    found = resembling(frames, PIXELS, RADIUS, ten)
    assert np.isin(ten, found).all()
    assert np.mean(found >= MANY) > pure
    assert np.sum(found >= MANY) > 0.9 * FEW


def test_resembling__of_shots_that_are_like_all_others_still_has_those() -> None:
    frames, ten = shots(100, 300, 1).frames, np.arange(10)
    assert np.isin(ten, resembling(frames, PIXELS, RADIUS, ten)).all()


def test_barred__leaves_each_shot_a_kind() -> None:
    labels = np.random.default_rng(0).integers(-1, 2, 60)
    for kinds in (2, 3):
        for wanted in range(kinds):
            no = barred(labels, wanted, kinds)
            assert not no.all(axis=1).any()
            assert not no[labels < 0].any()
            assert no[labels == 1].sum(axis=1).tolist() == [kinds - 1] * int((labels == 1).sum())
            assert no[labels == 0, wanted].all()


def test_wanted_kind__is_not_the_largest_where_labels_say_otherwise() -> None:
    assert wanted_kind([1, 0, 1, 0, 1], [2, 0, 2, 1, 0], [0.8, 0.1, 0.1]) == 2
    assert wanted_kind([0] * 9, [0] * 9, [0.8, 0.2]) == 1
    assert wanted_kind([0] * 9, [1] * 9, [0.8, 0.2]) == 0


def test_held_to__counts_unwanted_shots_that_look_wanted() -> None:
    likelihood = np.array([[0.0, -20], [0, -20], [-20, 0], [0, -20], [0, -20]])
    held = held_to([1, 0, 0, 0, -1], likelihood, [0.9, 0.1])
    assert (held.wanted, held.counts) == ((0,), (1, 3, 2))
    np.testing.assert_array_equal(held.unwanted, [False, True, True, True, False])
    assert not held_to([1, 0], np.zeros((2, 1)), [1.0]).barred.any()


def test_chance_of__is_the_tail_of_the_binomial_distribution() -> None:
    others = np.arange(998) < 199  # with one more of each a fifth
    tail = sum(comb(9, k) * 0.2**k * 0.8 ** (9 - k) for k in range(6, 10))
    assert chance_of(np.arange(9) < 6, others) == pytest.approx(tail)
