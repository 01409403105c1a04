from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from matplotlib.colors import to_hex
from scipy.spatial.transform import Rotation

from tests.report.poster.conftest import SINGLES
from tests.report.poster.drawn import assert_nothing_is_cut_off, legend_texts
from tests.strategies import quaternions
from xfeldask.physics.orientations import multiply, super_fibonacci, symmetry_group
from xfeldask.report.poster import spaces
from xfeldask.scores import OUTCOMES, OrientationScores, confusion_class


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
    np.testing.assert_allclose(clouds[0].collections[0].get_array(), spaces.folded_axis_angles(orientations)[0])
    np.testing.assert_allclose(clouds[3].collections[0].get_array(), spaces.folded_axis_angles(orientations)[1])
    (bars,) = (ax for ax in figure.axes if "median angle" in ax.get_ylabel())
    assert [bar.get_height() for bar in bars.patches] == [48.0, 30.0, 9.0, 4.0]
    assert_nothing_is_cut_off(figure)


@given(quaternions)
def test_folded_axis_angles__are_those_of_the_turned_axis(q: np.ndarray) -> None:
    x, y, z = Rotation.from_quat(np.roll(q, -1)).apply([0, 0, 1])
    polar, azimuth = spaces.folded_axis_angles(q[None])
    assert np.cos(np.deg2rad(polar[0])) == pytest.approx(abs(z), abs=1e-9)
    # twice the azimuth has no seam at 180 degrees
    length = np.hypot(x, y) ** 2
    assert length * np.cos(np.deg2rad(2 * azimuth[0])) == pytest.approx(x * x - y * y, abs=1e-9)
    assert length * np.sin(np.deg2rad(2 * azimuth[0])) == pytest.approx(2 * x * y, abs=1e-9)


@given(quaternions)
def test_folded_axis_angles__are_the_same_for_what_looks_the_same(q: np.ndarray) -> None:
    alike = multiply(q, symmetry_group("D8"))
    alike = np.concatenate([alike, multiply([0, 0, 0, 1], alike)])
    polar, azimuth = spaces.folded_axis_angles(alike)
    np.testing.assert_allclose(polar, polar[0], atol=1e-5)
    turn = np.sin(np.deg2rad(polar)) * np.exp(2j * np.deg2rad(azimuth))
    np.testing.assert_allclose(turn, turn[0], atol=1e-6)
