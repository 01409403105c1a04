"""Shots to label next."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xfeldask.sorting.kinds.next_shots import LIKE, next_to_label

pytestmark = pytest.mark.rounding


@given(st.lists(st.floats(0, 1), max_size=40), st.integers(0, 9), st.integers(0, 12))
def test_next_to_label__asks_once_for_shots_without_a_label(probability: list[float], seed: int, count: int) -> None:
    dice = np.random.default_rng(seed)
    misfit, labels = dice.normal(size=len(probability)), dice.integers(-1, 2, len(probability))
    asked = next_to_label(probability, misfit, labels, count)
    assert len(set(asked.tolist())) == len(asked) == min(count, int((labels == -1).sum()))
    assert (labels[asked] == -1).all()


def test_next_to_label__takes_one_of_those_that_stand_together() -> None:
    odds = np.concatenate([np.full(50, 2.0) + np.linspace(-0.3, 0.3, 50), [0.0], np.full(500, 30.0)])
    asked = next_to_label(1 / (1 + np.exp(-odds)), np.zeros(len(odds)), count=2)
    assert asked[0] < 50  # fifty, each right with 0.88, rather than one of even odds
    assert asked[1] == 50
    assert abs(odds[asked[0]] - odds[asked[1]]) > LIKE


def test_next_to_label__of_one_kind_takes_those_that_fit_worst() -> None:
    misfit = np.random.default_rng(0).normal(size=30)
    np.testing.assert_array_equal(next_to_label(np.ones(30), misfit), np.argsort(-misfit)[:8])
