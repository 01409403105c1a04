"""Figures of embeddings: what is drawn is what was found, and nothing is cut off."""

from __future__ import annotations

import json
from itertools import pairwise

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from scipy.spatial.transform import Rotation
from sklearn.metrics import roc_auc_score

from tests.strategies import quaternions
from xfeldask.physics.orientations import multiply, super_fibonacci, symmetry_group
from xfeldask.report.poster import curves, spaces
from xfeldask.scores import COLORS, OUTCOMES, Confusion, OrientationScores, confusion_class, wilson

SINGLES, MULTIPLES = 240, 60


@pytest.fixture(scope="module")
def single() -> np.ndarray:
    return np.random.default_rng(0).permutation(np.repeat([True, False], [SINGLES, MULTIPLES]))


@pytest.fixture(scope="module")
def latents(single: np.ndarray) -> dict[str, xr.Dataset]:
    rng = np.random.default_rng(1)

    def made(components: int, updates: int, **more: object) -> xr.Dataset:
        values = rng.normal(size=(len(single), components)).astype(np.float32)
        values[~single, 0] += 6
        score = np.where(single, 4.0, -4.0) + rng.normal(0, 3, len(single))
        data = {
            "latent": (("shot", "component"), values, {"units": "count"}),
            "explained_variance": ("component", np.linspace(9, 1, components)),
            "score": ("shot", score),
            "is_single": ("shot", score > 0),
            "probability_single": ("shot", 1 / (1 + np.exp(-score))),
            "n_fitted": ("update", 2000 * 2 ** np.arange(updates)),
            "angle": ("update", np.deg2rad([90.0, 8.0, 3.0, 0.9][:updates])),
            "eigenvalue_change": ("update", [1.0, 0.2, 0.05, 0.02][:updates]),
            "jensen_shannon": ("update", [1.0, 0.9, 0.7, 0.5][:updates]),
        }
        parameters = {"method": "ipca", "features": {"name": "counts"}, "sort": "pairs", "converged_at": None}
        decision = {"threshold": 0.0, "threshold_interval": [-1.0, 1.5], "contamination": 0.1}
        attrs = {"parameters": json.dumps(parameters | more), "decision": json.dumps(decision)}
        return xr.Dataset(data, attrs=attrs)

    return {"reference": made(3, 0), "ours": made(3, 4, converged_at=16000), "orientation": made(10, 3)}


@pytest.fixture(scope="module")
def rules(latents: dict[str, xr.Dataset]) -> dict[str, xr.Dataset]:
    return {rule: latents[rule] for rule in curves.RULES}


def assert_nothing_is_cut_off(figure: Figure) -> None:
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    box, (width, height) = figure.get_tightbbox(canvas.get_renderer()), figure.get_size_inches()
    assert min(box.x0, box.y0, width - box.x1, height - box.y1) > -0.01
    for ax in figure.axes:
        boxes = [label.get_window_extent() for label in ax.get_xticklabels() if label.get_text()]
        turned = any(label.get_rotation() for label in ax.get_xticklabels())
        assert turned or not any(a.overlaps(b) for a, b in pairwise(boxes))


def legend_texts(figure: Figure) -> str:
    legends = [*figure.legends, *(ax.get_legend() for ax in figure.axes)]
    legends += [legend for part in figure.subfigs for legend in part.legends]
    return "\n".join(text.get_text() for legend in legends if legend for text in legend.get_texts())


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


def test_latent_spaces__draw_every_shot_in_its_class(single, rules) -> None:
    figure = spaces.latent_spaces(single, rules, "a run")
    assert len(figure.axes) == 4
    for ax in figure.axes:
        assert sum(len(points.get_offsets()) for points in ax.collections) == len(single)
        assert ax.get_xlabel().startswith("component 0 (counts; ")
    outcome = confusion_class(single, rules["ours"].is_single.values)
    told = legend_texts(figure)
    for code, found in enumerate(OUTCOMES):
        assert f"{found.name}: {(outcome == code).sum()}" in told
    for points, found in zip(figure.axes[-1].collections, OUTCOMES, strict=True):
        assert to_hex(points.get_facecolor()[0]) == found.color
    assert_nothing_is_cut_off(figure)


def test_convergence__draws_all_checkpoints_but_the_first_in_degrees(latents) -> None:
    figure = spaces.convergence({name: latents[name] for name in ("ours", "orientation")}, "a run")
    angle, change, distance = figure.axes
    assert angle.get_ylabel().endswith("(°)")
    assert angle.lines[0].get_xydata().tolist() == [[4000, pytest.approx(8)], [8000, pytest.approx(3)],
                                                    [16000, pytest.approx(0.9)]]  # fmt: skip
    assert [len(line.get_xdata()) for line in change.lines[:2]] == [3, 2]
    assert distance.lines[0].get_ydata().tolist() == [0.9, 0.7, 0.5]
    told = legend_texts(figure)
    assert "ours, 3 components: settled at 16,000 shots" in told
    assert "orientation, 10 components: not settled by 8,000 shots" in told
    assert_nothing_is_cut_off(figure)


def test_convergence__says_when_there_was_no_second_checkpoint(latents) -> None:
    figure = spaces.convergence(
        {"ours": latents["ours"].isel(update=slice(1)), "reference": latents["reference"]}, "run"
    )
    assert all("fewer than two checkpoints" in ax.texts[0].get_text() for ax in figure.axes)
    assert_nothing_is_cut_off(figure)


def test_orientation__draws_every_shot_and_the_baselines(latents) -> None:
    orientations = super_fibonacci(SINGLES)
    scores = {"reference,\n3 components": OrientationScores(30.0, 48.0, 4.0, SINGLES, 10),
              "ours,\n10 components": OrientationScores(9.0, 48.0, 4.0, SINGLES, 10)}  # fmt: skip
    figure = spaces.orientation(latents["orientation"].isel(shot=slice(SINGLES)), orientations, scores, "a run")
    clouds = [ax for ax in figure.axes if ax.get_xlabel().startswith("component")]
    assert [len(ax.collections[0].get_offsets()) for ax in clouds] == [SINGLES] * 4
    np.testing.assert_allclose(clouds[0].collections[0].get_array(), spaces.axis_angles(orientations)[0])
    np.testing.assert_allclose(clouds[3].collections[0].get_array(), spaces.axis_angles(orientations)[1])
    (bars,) = (ax for ax in figure.axes if "median angle" in ax.get_ylabel())
    assert [bar.get_height() for bar in bars.patches] == [48.0, 30.0, 9.0, 4.0]
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


@given(quaternions)
def test_axis_angles__are_those_of_the_turned_axis(q: np.ndarray) -> None:
    x, y, z = Rotation.from_quat(np.roll(q, -1)).apply([0, 0, 1])
    polar, azimuth = spaces.axis_angles(q[None])
    assert np.cos(np.deg2rad(polar[0])) == pytest.approx(abs(z), abs=1e-9)
    # twice the azimuth has no seam at 180 degrees
    length = np.hypot(x, y) ** 2
    assert length * np.cos(np.deg2rad(2 * azimuth[0])) == pytest.approx(x * x - y * y, abs=1e-9)
    assert length * np.sin(np.deg2rad(2 * azimuth[0])) == pytest.approx(2 * x * y, abs=1e-9)


@given(quaternions)
def test_axis_angles__are_the_same_for_what_looks_the_same(q: np.ndarray) -> None:
    alike = multiply(q, symmetry_group("D8"))
    alike = np.concatenate([alike, multiply([0, 0, 0, 1], alike)])
    polar, azimuth = spaces.axis_angles(alike)
    np.testing.assert_allclose(polar, polar[0], atol=1e-5)
    turn = np.sin(np.deg2rad(polar)) * np.exp(2j * np.deg2rad(azimuth))
    np.testing.assert_allclose(turn, turn[0], atol=1e-6)
