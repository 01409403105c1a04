"""Counts at a threshold against counting, and against the scores that the rest of the package gives."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from xfeldask.errors import InputError
from xfeldask.explorer.model.threshold import Threshold
from xfeldask.scores import Confusion, sorting_scores

SHOTS = st.lists(st.tuples(st.integers(-3, 3), st.booleans()), min_size=2, max_size=40)


@given(SHOTS, st.floats(-4, 4), st.sets(st.integers(0, 39)))
def test_confusion__is_what_counting_gives(shots: list[tuple[int, bool]], threshold: float, without: set[int]) -> None:
    score = np.array([value for value, _ in shots], float)
    score[[i for i in without if i < len(score)]] = np.nan
    single = np.array([truth for _, truth in shots])
    told, bare = Threshold(score, single), Threshold(score)
    assert told.confusion(threshold) == Confusion.of(single, score >= threshold)
    assert told.accepted(threshold) == bare.accepted(threshold) == (score >= threshold).sum()
    assert told.shots == bare.shots == len(shots)
    assert bare.confusion(threshold) is None


@given(SHOTS, st.integers(-3, 3))
def test_area__agrees_with_the_scores_of_sorting(shots: list[tuple[int, bool]], threshold: int) -> None:
    score, single = np.array([v for v, _ in shots], float), np.array([t for _, t in shots])
    scores = sorting_scores(single, score >= threshold, score)
    assert Threshold(score, single).confusion(threshold) == scores.confusion
    np.testing.assert_allclose(Threshold(score, single).area, scores.roc_auc)


def test_curve__passes_through_every_threshold_and_no_other_place() -> None:
    rng = np.random.default_rng(4)
    score, single = rng.integers(0, 9, 300).astype(float), rng.random(300) < 0.4
    threshold = Threshold(score, single)
    multiples, singles = threshold.curve(300)
    wanted = {(0.0, 0.0)}
    for value in np.unique(score):
        accepted = score >= value
        wanted.add(((accepted & ~single).sum() / (~single).sum(), (accepted & single).sum() / single.sum()))
    assert set(zip(multiples.tolist(), singles.tolist(), strict=True)) == wanted
    few = set(zip(*(axis.tolist() for axis in threshold.curve(4)), strict=True))
    assert few <= wanted
    assert threshold.area == pytest.approx(roc_auc_score(single, score))


def test_curve__is_nothing_where_there_is_one_kind_only() -> None:
    for single in (np.ones(3, bool), np.zeros(3, bool), None):
        threshold = Threshold(np.arange(3.0), single)
        assert len(threshold.curve()[0]) == 0
        assert np.isnan(threshold.area)


@given(st.lists(st.integers(-3, 3), min_size=1, max_size=30), st.floats(-4, 4), st.integers(1, 8))
def test_nearest__are_those_of_the_smallest_distance(scores: list[int], threshold: float, k: int) -> None:
    score = np.array(scores, float)
    found = Threshold(score).nearest(threshold, k)
    assert len(set(found.tolist())) == len(found) == min(k, len(score))
    assert (np.diff(score[found]) >= 0).all()
    away = np.abs(score - threshold)
    np.testing.assert_allclose(np.sort(away[found]), np.sort(away)[: len(found)])


@given(st.lists(st.integers(-3, 3), min_size=1, max_size=30), st.integers(-4, 4))
def test_between__finds_the_threshold_of_a_verdict(scores: list[int], threshold: int) -> None:
    score = np.array(scores, float)
    accepted = score >= threshold
    found = Threshold(score).between(accepted)
    assert found == (score[accepted].min() if accepted.any() else None)
    if len(np.unique(score)) > 1:
        assert Threshold(score).between(score == score.min()) is None


def test_range__is_of_finite_scores() -> None:
    assert Threshold(np.array([np.nan, 2.0, -np.inf, 1.0])).range == (1.0, 2.0)
    assert Threshold(np.array([np.nan])).range == (0.0, 1.0)


def test_threshold__refuses_another_number_of_truths() -> None:
    with pytest.raises(InputError, match="one truth for each score"):
        Threshold(np.zeros(3), np.ones(2, bool))
