"""Scores of finding multiples against counting by hand, and against what must not change them."""

from __future__ import annotations

import math
from dataclasses import asdict
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.strategies import examples
from xfeldask.errors import InputError
from xfeldask.scores import Confusion, SortingScores, precision_recall, roc, sorting_scores

pytestmark = pytest.mark.rounding

seeds = st.integers(0, 2**32)


def sorted_shots(seed: int, n: int = 60) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Truth, verdict and a score with ties; both kinds of shots are there."""
    rng = np.random.default_rng(seed)
    single = rng.random(n) < rng.uniform(0.2, 0.9)
    single[:2] = True, False
    score = np.round(rng.normal(size=n) + single, int(rng.integers(0, 3)))
    return single, score > 0, score


def rejected_fractions(single: np.ndarray, score: np.ndarray) -> list[tuple[float, float, float]]:
    """(fraction of singles, of multiples, precision) of rejecting all at or below each score, one at a time."""
    told = []
    for threshold in sorted(set(score.tolist())):
        verdicts = [(s, v <= threshold) for s, v in zip(single.tolist(), score.tolist(), strict=True)]
        singles = sum(s and rejected for s, rejected in verdicts)
        multiples = sum(not s and rejected for s, rejected in verdicts)
        told.append((singles / single.sum(), multiples / (~single).sum(), multiples / (singles + multiples)))
    return told


def pairwise_auc(single: np.ndarray, score: np.ndarray) -> float:
    """Fraction of the pairs of a single and a multiple that are in order; ties count half."""
    wins = [(s > m) + 0.5 * (s == m) for s in score[single] for m in score[~single]]
    return sum(wins) / len(wins)


def numbers(scores: SortingScores) -> dict[str, float]:
    """All numbers of scores, those of the verdict too."""
    told = asdict(scores)
    return {**told.pop("confusion"), **told}


@examples(1.3)
@given(seeds, st.floats(0, 0.5))
def test_sorting_scores__agree_with_counting(seed: int, limit: float) -> None:
    single, accepted, score = sorted_shots(seed)
    scores = sorting_scores(single, accepted, score, limit)
    assert scores.confusion == Confusion.of(single, accepted)
    curve = [(0.0, 0.0, 1.0), *rejected_fractions(single, score)]
    steps = pairwise(curve)
    assert scores.roc_auc == pytest.approx(pairwise_auc(single, score))
    assert scores.average_precision == pytest.approx(sum((b[1] - a[1]) * b[2] for a, b in steps))
    within = max(multiples for singles, multiples, _ in curve if singles <= limit + 1e-9)
    assert scores.multiples_rejected_fraction_at_limit == pytest.approx(within)
    assert scores.baseline_purity == pytest.approx(single.mean())
    assert scores.baseline_average_precision == pytest.approx(1 - single.mean())


def test_curves__have_every_threshold() -> None:
    single, _, score = sorted_shots(3)
    fractions = np.array(rejected_fractions(single, score))
    singles, multiples = roc(single, score)
    np.testing.assert_allclose(np.stack([singles, multiples])[:, 1:], fractions[:, :2].T)
    assert singles[0] == multiples[0] == 0
    recall, precision = precision_recall(single, score)
    reached = len(recall) - 1
    np.testing.assert_allclose(np.stack([recall, precision])[:, 1:], fractions[:reached, 1:].T)
    assert (recall[0], precision[0]) == (0, 1)


@given(seeds)
def test_sorting_scores__do_not_depend_on_the_order_of_shots_nor_on_the_scale_of_scores(seed: int) -> None:
    single, accepted, score = sorted_shots(seed)
    scores = sorting_scores(single, accepted, score, 0.05)
    order = np.random.default_rng(seed).permutation(len(single))
    for other in (
        sorting_scores(single[order], accepted[order], score[order], 0.05),
        sorting_scores(single, accepted, np.exp(score) * 7 - 3, 0.05),
    ):
        assert numbers(other) == pytest.approx(numbers(scores))


def test_sorting_scores__baselines_are_what_a_random_order_reaches() -> None:
    rng = np.random.default_rng(1)
    single = np.arange(300) < 150
    drawn = [sorting_scores(single, single, rng.random(300), 0.02) for _ in range(200)]
    for name in ("roc_auc", "average_precision", "multiples_rejected_fraction_at_limit"):
        mean = np.mean([getattr(scores, name) for scores in drawn])
        # average precision of few shots lies a little above the prevalence
        assert mean == pytest.approx(getattr(drawn[0], f"baseline_{name}"), abs=0.012), name


def test_sorting_scores__a_perfect_score_reaches_the_oracle() -> None:
    single = np.arange(50) > 3
    scores = sorting_scores(single, single, single.astype(float))
    counted = scores.confusion
    reached = (counted.singles_accepted_fraction, counted.multiples_rejected_fraction, counted.purity)
    reached += (scores.roc_auc, scores.average_precision, scores.multiples_rejected_fraction_at_limit)
    assert reached == (scores.oracle,) * 6


@pytest.mark.parametrize("value", [True, False])
def test_sorting_scores__of_one_kind_count_but_have_no_order(value: bool) -> None:
    accepted = np.array([True, True, False])
    scores = sorting_scores(np.full(3, value), accepted, np.arange(3))
    assert math.isnan(scores.roc_auc)
    assert math.isnan(scores.average_precision)
    assert math.isnan(scores.multiples_rejected_fraction_at_limit)
    assert scores.confusion.accepted == 2
    assert scores.baseline_average_precision == 1 - value
    with pytest.raises(InputError, match="singles among 3"):
        roc(np.full(3, value), np.arange(3))
    with pytest.raises(InputError, match="singles among 3"):
        precision_recall(np.full(3, value), np.arange(3))


@pytest.mark.parametrize(
    ("single", "accepted", "score", "limit", "told"),
    [
        ([], [], [], 0.01, "no shots"),
        ([2, 0], [1, 0], [0, 0], 0.01, "single must be booleans"),
        ([1, 0], [1, 0.5], [0, 0], 0.01, "accepted must be booleans"),
        ([1, 0], [1], [0, 0], 0.01, "single and accepted"),
        ([1, 0], [1, 0], [0], 0.01, "single and score"),
        ([1, 0], [1, 0], [0, np.nan], 0.01, "score holds NaN"),
        ([1, 0], [1, 0], [0, -np.inf], 0.01, "score holds NaN"),
        ([1, 0], [1, 0], [0, 1], 1.0, "max_singles_lost"),
        ([1, 0], [1, 0], [0, 1], np.nan, "max_singles_lost"),
    ],
)
def test_sorting_scores__refuse(single, accepted, score, limit, told) -> None:
    with pytest.raises(InputError, match=told):
        sorting_scores(single, accepted, score, limit)
