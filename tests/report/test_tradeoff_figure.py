from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from xfeldask.report.tradeoff_figure import expected_tradeoff, thresholds, tradeoff_figure, true_tradeoff
from xfeldask.sorting.decision import Decision

SCORE = np.random.default_rng(0).normal(1, 3, 20_000)
PROBABILITY = 1 / (1 + np.exp(-SCORE))
SINGLE = np.random.default_rng(1).random(len(SCORE)) < PROBABILITY


def sorted_shots(decision: Decision) -> xr.Dataset:
    columns = {"score": ("shot", SCORE), "probability_single": ("shot", PROBABILITY)}
    return xr.Dataset(columns, attrs={"decision": decision.to_json()})


def test_expected_tradeoff__is_the_true_one_where_probabilities_are_right():
    at = thresholds(SCORE, PROBABILITY)
    expected, true = expected_tradeoff(SCORE, PROBABILITY, at), true_tradeoff(SCORE, SCORE > -99, SINGLE, at)
    np.testing.assert_allclose(expected.lost, true.lost, atol=0.01)
    np.testing.assert_allclose(expected.others, true.others, atol=0.01)
    assert (expected.low <= true.others + 1e-9).all()
    assert (true.others <= expected.high).all()
    assert (np.diff(expected.lost) >= 0).all()


def test_tradeoff_figure__marks_the_threshold_that_was_taken():
    (ax,) = tradeoff_figure(sorted_shots(Decision(threshold=0.0)), SINGLE).axes
    dots = [line for line in ax.lines if line.get_marker() == "o"]
    lost = (SINGLE & (SCORE < 0)).sum() / SINGLE.sum()
    assert [dot.get_xdata()[0] for dot in dots] == pytest.approx([lost, lost], abs=0.005)


def test_tradeoff_figure__draws_no_purity_that_is_unknown():
    doubted = sorted_shots(Decision(threshold=0.0, purity_by_peaks=0.4))
    assert tradeoff_figure(doubted) is None
    legend = tradeoff_figure(doubted, SINGLE).axes[0].get_legend()
    assert [text.get_text() for text in legend.texts] == ["truth"]
    assert tradeoff_figure(doubted.drop_vars("probability_single"), SINGLE) is None
    with_kinds = sorted_shots(Decision(threshold=0.0)).assign(kind=("shot", np.zeros(len(SCORE), np.int8)))
    assert tradeoff_figure(with_kinds, SINGLE) is None
