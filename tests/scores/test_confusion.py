"""Scores of sorting against counting by hand, and against what must not change them."""

from __future__ import annotations

import math
from dataclasses import asdict, replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.strategies import examples
from xfeldask.errors import InputError
from xfeldask.scores import CLASSES, SortingScores, confusion_class, precision_recall, roc, sorting_scores

seeds = st.integers(0, 2**32)


def sorted_shots(seed: int, n: int = 60) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Truth, verdict and a score with ties; both kinds of shots are there."""
    rng = np.random.default_rng(seed)
    single = rng.random(n) < rng.uniform(0.2, 0.9)
    single[:2] = True, False
    score = np.round(rng.normal(size=n) + single, int(rng.integers(0, 3)))
    return single, score > 0, score


def flagged_parts(single: np.ndarray, score: np.ndarray) -> list[tuple[float, float, float]]:
    """(singles lost, others caught, precision) of flagging all at or below each score, one threshold at a time."""
    told = []
    for threshold in sorted(set(score.tolist())):
        flagged = [(s, v <= threshold) for s, v in zip(single.tolist(), score.tolist(), strict=True)]
        lost = sum(s and f for s, f in flagged)
        caught = sum(not s and f for s, f in flagged)
        told.append((lost / single.sum(), caught / (~single).sum(), caught / (lost + caught)))
    return told


def pairwise_auc(single: np.ndarray, score: np.ndarray) -> float:
    """Part of the pairs of a single and another that are in order; ties count half."""
    wins = [(s > o) + 0.5 * (s == o) for s in score[single] for o in score[~single]]
    return sum(wins) / len(wins)


def test_confusion_class__has_the_labels_of_the_reference_viewer() -> None:
    codes = confusion_class([1, 0, 0, 1], np.array([True, True, False, False]))
    assert codes.dtype == np.uint8
    assert [CLASSES[code] for code in codes] == ["true positive", "false positive", "true negative", "false negative"]


@given(seeds, st.floats(0, 0.5))
def test_sorting_scores__agree_with_counting(seed: int, loss: float) -> None:
    single, kept, score = sorted_shots(seed)
    scores = sorting_scores(single, kept, score, loss)
    pairs = list(zip(single.tolist(), kept.tolist(), strict=True))
    counts = [pairs.count(pair) for pair in ((True, True), (False, True), (False, False), (True, False))]
    tp, fp, tn, fn = counts
    assert [scores.true_positive, scores.false_positive, scores.true_negative, scores.false_negative] == counts
    assert scores.singles_kept == pytest.approx(tp / (tp + fn))
    assert scores.others_let_in == pytest.approx(fp / (fp + tn))
    assert scores.purity == pytest.approx(tp / (tp + fp))
    curve = [(0.0, 0.0, 1.0), *flagged_parts(single, score)]
    steps = pairwise(curve)
    assert scores.roc_auc == pytest.approx(pairwise_auc(single, score))
    assert scores.average_precision == pytest.approx(sum((b[1] - a[1]) * b[2] for a, b in steps))
    assert scores.caught_at_loss == pytest.approx(max(caught for lost, caught, _ in curve if lost <= loss + 1e-9))
    assert scores.baseline_purity == pytest.approx(single.mean())
    assert scores.baseline_average_precision == pytest.approx(1 - single.mean())


def test_curves__have_every_threshold() -> None:
    single, _, score = sorted_shots(3)
    parts = np.array(flagged_parts(single, score))
    lost, caught = roc(single, score)
    np.testing.assert_allclose(np.stack([lost, caught])[:, 1:], parts[:, :2].T)
    assert lost[0] == caught[0] == 0
    found, precision = precision_recall(single, score)
    reached = len(found) - 1
    np.testing.assert_allclose(np.stack([found, precision])[:, 1:], parts[:reached, 1:].T)
    assert (found[0], precision[0]) == (0, 1)


@examples(0.5)
@given(seeds)
def test_sorting_scores__do_not_depend_on_the_order_of_shots_nor_on_the_scale_of_scores(seed: int) -> None:
    single, kept, score = sorted_shots(seed)
    scores = sorting_scores(single, kept, score, 0.05)
    order = np.random.default_rng(seed).permutation(len(single))
    for other in (
        sorting_scores(single[order], kept[order], score[order], 0.05),
        sorting_scores(single, kept, np.exp(score) * 7 - 3, 0.05),
    ):
        assert asdict(other) == pytest.approx(asdict(scores))


def test_sorting_scores__baselines_are_what_a_random_order_reaches() -> None:
    rng = np.random.default_rng(1)
    single = np.arange(300) < 150
    drawn = [sorting_scores(single, single, rng.random(300), 0.02) for _ in range(200)]
    for name in ("roc_auc", "average_precision", "caught_at_loss"):
        mean = np.mean([getattr(scores, name) for scores in drawn])
        # average precision of few shots lies a little above the prevalence
        assert mean == pytest.approx(getattr(drawn[0], f"baseline_{name}"), abs=0.012), name


def test_sorting_scores__a_perfect_score_reaches_the_oracle() -> None:
    single = np.arange(50) > 3
    scores = sorting_scores(single, single, single.astype(float))
    reached = (scores.singles_kept, scores.purity, scores.roc_auc, scores.average_precision, scores.caught_at_loss)
    assert reached == (scores.oracle,) * 5
    assert scores.others_let_in == 0


@pytest.mark.parametrize("value", [True, False])
def test_sorting_scores__of_one_kind_count_but_have_no_order(value: bool) -> None:
    kept = np.array([True, True, False])
    scores = sorting_scores(np.full(3, value), kept, np.arange(3))
    assert math.isnan(scores.roc_auc)
    assert math.isnan(scores.average_precision)
    assert math.isnan(scores.caught_at_loss)
    assert scores.true_positive + scores.false_positive == 2
    assert scores.baseline_average_precision == 1 - value
    missing = scores.others_let_in if value else scores.singles_kept
    assert math.isnan(missing)
    with pytest.raises(InputError, match="singles among 3"):
        roc(np.full(3, value), np.arange(3))
    with pytest.raises(InputError, match="singles among 3"):
        precision_recall(np.full(3, value), np.arange(3))


def test_sorting_scores__purity_of_nothing_kept_is_nan_and_the_rest_is_not() -> None:
    scores = sorting_scores([True, False], [False, False], [1, 0])
    assert math.isnan(scores.purity)
    assert not any(math.isnan(value) for value in asdict(replace(scores, purity=0)).values())
    assert isinstance(scores, SortingScores)


@pytest.mark.parametrize(
    ("single", "kept", "score", "loss", "told"),
    [
        ([], [], [], 0.01, "no shots"),
        ([2, 0], [1, 0], [0, 0], 0.01, "single must be booleans"),
        ([1, 0], [1, 0.5], [0, 0], 0.01, "kept must be booleans"),
        ([1, 0], [1], [0, 0], 0.01, "single and kept"),
        ([1, 0], [1, 0], [0], 0.01, "single and score"),
        ([1, 0], [1, 0], [0, np.nan], 0.01, "score holds NaN"),
        ([1, 0], [1, 0], [0, -np.inf], 0.01, "score holds NaN"),
        ([1, 0], [1, 0], [0, 1], 1.0, "loss"),
        ([1, 0], [1, 0], [0, 1], np.nan, "loss"),
    ],
)
def test_sorting_scores__refuse(single, kept, score, loss, told) -> None:
    with pytest.raises(InputError, match=told):
        sorting_scores(single, kept, score, loss)
