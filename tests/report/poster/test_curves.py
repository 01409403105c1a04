"""Figures of embeddings: what is drawn is what was found, and nothing is cut off."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.patches import Rectangle
from sklearn.metrics import roc_auc_score

from tests.report.poster.drawn import assert_nothing_is_cut_off, legend_texts
from xfeldask.report.poster import curves
from xfeldask.scores import COLORS, Confusion, wilson

SINGLES, MULTIPLES = 240, 60


def test_confusion__draws_fractions_with_their_intervals_and_tells_the_counts() -> None:
    runs = {
        "one": {"reference": Confusion(90, 3, 17, 10), "ours": Confusion(99, 0, 20, 1)},
        "pure": {"reference": Confusion(90, 0, 0, 10), "ours": Confusion(100, 0, 0, 0)},
    }
    figure = curves.confusion(runs)
    singles, multiples = figure.axes
    assert [label.get_text() for label in singles.get_yticklabels()] == list(runs)
    assert singles.get_xlabel() == "singles accepted (% of the singles)"
    assert multiples.get_xlabel() == "multiples accepted (% of the multiples)"
    drawn = {float(line.get_xdata()[0]) for line in singles.lines if len(line.get_xdata()) == 1}
    assert drawn == {90.0, 99.0, 100.0}
    intervals = [line for line in multiples.lines if line.get_linestyle() == "-" and line.get_marker() == "None"]
    bars = [tuple(line.get_xdata()) for line in intervals]
    assert bars == [tuple(100 * bound for bound in wilson(n, 20)) for n in (3, 0)]
    assert [text.get_text() for text in multiples.texts] == ["3 of 20", "0 of 0", "0 of 20", "0 of 0"]
    assert_nothing_is_cut_off(figure)


def test_confusion__many_runs_fit() -> None:
    counts = Confusion(98_765, 1_000, 0, 235)
    assert_nothing_is_cut_off(curves.confusion({f"realistic, 100,000 shots, {i}": dict.fromkeys(curves.RULES, counts)
                                                for i in range(24)}))  # fmt: skip


def test_detection__is_the_curve_of_the_score_and_marks_the_verdict(single, rules) -> None:
    figure = curves.detection(single, rules, "a run")
    left, right = figure.axes
    assert left.get_xscale() == "log"
    assert "singles rejected" in left.get_xlabel()
    assert right.get_ylabel() == "multiples among the rejected (fraction)"
    ours = rules["ours"]
    curve, verdict = (line for line in left.lines if line.get_color() == curves.RULES["ours"][0])
    along = np.concatenate([[0.0], curve.get_xdata()[1:]])
    area = np.trapezoid(curve.get_ydata(), np.where(along <= 0.5 / SINGLES, 0, along))
    assert area == pytest.approx(roc_auc_score(single, ours.score), abs=1e-9)
    singles = int((single & ~ours.is_single.values).sum())
    multiples = int((~single & ~ours.is_single.values).sum())
    assert verdict.get_xydata().tolist() == [pytest.approx([max(singles, 0.5) / SINGLES, multiples / MULTIPLES])]
    told = legend_texts(figure)
    assert f"{singles} singles and {multiples} multiples rejected" in told
    assert f"{multiples} of {singles + multiples} rejected are multiples" in told
    assert f"a random order: {MULTIPLES / len(single):.3f}" in told
    assert_nothing_is_cut_off(figure)


def test_certainty__counts_every_shot_and_draws_the_threshold_in_its_interval(single, rules) -> None:
    figure = curves.certainty(single, rules, "a run")
    envelope, pairs, promise = figure.axes
    for ax in (envelope, pairs):
        bars = [patch for patch in ax.patches if isinstance(patch, Rectangle)][: 2 * (curves.BINS - 1)]
        assert sum(bar.get_height() for bar in bars) == len(single)
    assert list(pairs.lines[0].get_xdata()) == [0.0, 0.0]
    told = legend_texts(figure)
    assert "of 95 % of resampled data: -1.00 to 1.50" in told
    assert f"singles: {SINGLES}" in told
    for ax, kind in ((pairs, "single"), (pairs, "multiple"), (envelope, "single"), (envelope, "multiple")):
        assert any(to_hex(bar.get_facecolor()) == COLORS[kind] for bar in ax.patches)
    assert "threshold: 10 % rejected" in told
    points = next(line for line in promise.lines if line.get_marker() == "o")
    assert len(points.get_xdata()) == len(promise.texts)
    assert sum(int(text.get_text()) for text in promise.texts) == len(single)
    assert_nothing_is_cut_off(figure)
