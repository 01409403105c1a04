from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tests.explorer.few_shots import NUMBER, few_shots, pictures, session
from tests.store.test_html import Read
from xfeldask.explorer.model.threshold import Threshold
from xfeldask.explorer.tabs.verdict import TAIL, Verdict, percents, span, stored_threshold, told
from xfeldask.scores import Confusion

scores = arrays(np.float64, st.integers(1, 30), elements=st.floats(-1e6, 1e6))


@given(scores, st.none() | st.floats(-1e6, 1e6))
def test_span__reaches_the_highest_and_leaves_a_long_tail_out(score, stored):
    threshold = Threshold(score, None)
    low, high = span(threshold, stored)
    assert high == score.max()
    assert low >= score.min()
    middle = threshold.middle if stored is None else stored
    if high > middle:
        assert low >= middle - TAIL * (high - middle) - 1e-6


def test_told__counts_both_kinds_and_what_follows():
    words = Read(told(95, 100, Confusion(89, 6, 4, 1), 0.98765, 1.5)).words
    rows = [words[i : i + 4] for i in (3, 7, 11)]
    assert rows == [["singles", "89", "1", "90"], ["multiples", "6", "4", "10"], ["shots", "95", "5", "100"]]
    assert "98765" in "".join(words)
    assert words[-2:] == ["stored threshold", "1.5"]


def test_told__without_truth_or_threshold_says_so():
    words = Read(told(95, 100, None, np.nan, None)).words
    assert "the store does not tell the truth" in words
    assert not {"singles", "area under the ROC"} & set(words)
    assert words[-1] == "none"
    assert percents(np.nan) == "none"


def test_stored_threshold__of_a_rule_that_tells_none_is_the_lowest_accepted_score():
    looked = session()
    assert looked.shots.threshold is None
    view = Verdict(looked, pictures())
    accepted = few_shots().embedding().dataset().is_single.values
    np.testing.assert_array_equal(view.threshold.accepted(view.stored), accepted.sum())
    assert view.stored == stored_threshold(looked, view.threshold)


@pytest.mark.parametrize("shot", [0, 5])
def test_nearest__are_shown_in_order_of_their_score_with_what_they_are(shot):
    looked = session()
    view = Verdict(looked, pictures())
    score = looked.shots.column("score").values
    view.slider.value = float(score[shot])
    view.settle()
    labels = view._mosaic.source.data["label"]
    at = [int(label.split("\n")[0]) for label in labels]
    assert shot in at
    assert (np.diff(score[at]) >= 0).all()
    kinds = ["blank", "single", "multiple"]
    assert [label.split(" ")[-1] for label in labels] == [kinds[NUMBER[i]] for i in at]
    view._mosaic._on_tap(0)
    assert looked.shot == at[0]
