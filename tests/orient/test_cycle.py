"""Expand, maximise, compress: against a slow twin, whoever works on it, and whether it finds what is there."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
import pytest

from tests.orient.shots import PIXELS, RADIUS, intensity, shots
from xfeldask.errors import InputError
from xfeldask.orient import iteration, starts
from xfeldask.orient.cycle import (
    expand_maximise_compress,
    explained_at_once,
    judged,
    merged,
)
from xfeldask.orient.iteration import Problem, next_state
from xfeldask.orient.models import Models, radii, random_models
from xfeldask.orient.parallel import in_turn
from xfeldask.orient.rotations import rotation_grid
from xfeldask.orient.schedule import Level, schedule
from xfeldask.orient.sparse import SparseFrames
from xfeldask.orient.starts import begun
from xfeldask.orient.state import State
from xfeldask.physics.orientations import angle_between, conjugate, multiply, rotation_matrix

LEVELS = (Level(3, 7.0, 12, 0.05, everywhere=True), Level(4, RADIUS, 6, 1.0))


@pytest.fixture(scope="module")
def data():
    return shots(250, 300, 4)


@pytest.fixture(scope="module")
def found(data):
    start = begun(data.frames, PIXELS, LEVELS[0], starts=2)
    return expand_maximise_compress(data.frames, PIXELS, start, LEVELS)


def same(a: State, b: State) -> None:
    assert a.history == b.history
    for name in ("rotation", "probability", "responsibility", "log_likelihood", "information", "fluence"):
        assert (getattr(a, name) == getattr(b, name)).all()
    assert (a.models.intensity == b.models.intensity).all()


def threads(task, shared, items):
    with ThreadPoolExecutor(3) as pool:
        return list(pool.map(lambda item: task(*shared, *item), items))


def test_result__is_the_same_whoever_works_in_whatever_order(data):
    def backwards(task, shared, items):
        return [task(*shared, *item) for item in items[::-1]][::-1]

    few = data.frames[np.arange(80)]
    expected, *others = (
        expand_maximise_compress(few, PIXELS, begun(few, PIXELS, LEVELS[0], starts=2, by=by), LEVELS, by=by)
        for by in (in_turn, threads, backwards)
    )
    for other in others:
        same(other, expected)


def test_blocks_of_shots__add_up(data, monkeypatch):
    few, levels = data.frames[np.arange(60)], [Level(2, RADIUS, 1, 0.3), Level(3, RADIUS, 1, 0.3)]
    # shots are compared with what is near their likeliest rotations, some with more than others
    before = expand_maximise_compress(few, PIXELS, random_models(few, PIXELS, RADIUS, 2), levels[:1])
    whole = next_state(Problem(few, PIXELS, levels), before)
    monkeypatch.setattr(iteration, "MOST_VISITS", 300)
    one, other = (next_state(Problem(few, PIXELS, levels, by=by), before) for by in (in_turn, threads))
    same(one, other)
    for name in ("rotation", "probability", "responsibility", "log_likelihood", "information", "fluence"):
        assert (getattr(one, name) == getattr(whole, name)).all()
    np.testing.assert_allclose(one.models.intensity, whole.models.intensity, rtol=1e-12)


def test_result__is_the_same_after_a_break(data, found):
    seen: list[State] = []
    start = begun(data.frames, PIXELS, LEVELS[0], starts=2)
    expand_maximise_compress(data.frames, PIXELS, start, LEVELS, tell=seen.append)
    same(expand_maximise_compress(data.frames, PIXELS, seen[1], LEVELS), found)
    assert len(seen) == len(found.history) - len(start.history)


@pytest.fixture(scope="module")
def turn(data, found):
    """Where the intensity lies is arbitrary: the rotation that most shots agree on, and how far they are from it."""
    q, candidates = rotation_grid(found.refinement).quaternion[found.rotation[:, 0]], rotation_grid(5).quaternion
    turned = multiply(q, conjugate(candidates)[:, None])
    error = np.median(angle_between(data.orientation, turned, friedel=True), axis=1)
    return candidates[error.argmin()], np.rad2deg(error.min())


@pytest.mark.rounding
def test_orientations__are_found(found, turn):
    assert turn[1] < np.rad2deg(rotation_grid(4).spacing)
    assert found.probability[:, 0].mean() > 0.3
    assert (found.probability.sum(axis=1) < 1 + 1e-5).all()


@pytest.mark.rounding
def test_intensity__is_that_of_the_atoms(data, found, turn):
    grid = found.models.intensity[0]
    place = np.argwhere((radii(len(grid)) >= 3) & (radii(len(grid)) <= 6))
    s = (place - len(grid) // 2) * found.models.step
    true = intensity(data.atoms, s @ rotation_matrix(turn[0]).T)
    assert np.corrcoef(grid[tuple(place.T)], true)[0, 1] > 0.8


@pytest.mark.rounding
def test_two_kinds__come_apart():
    a, b = shots(150, 300, 3), shots(60, 300, 4, size=1.5e-9)
    frames = SparseFrames.joined([a.frames, b.frames])
    found = begun(frames, PIXELS, Level(2, 5.0, 12, 0.05, everywhere=True), count=2, starts=2, size_prior=True)
    kind = found.responsibility.argmax(axis=1)
    wrong = min((kind[:150] == k).sum() + (kind[150:] != k).sum() for k in range(2))
    assert wrong <= 6
    np.testing.assert_allclose(found.responsibility.sum(axis=1), 1, atol=1e-3)
    assert found.models.prior.sum() == pytest.approx(1)


@pytest.mark.rounding
def test_judged__shots_find_the_orientations_that_made_the_model(data, found):
    again = judged(data.frames, PIXELS, found.models, LEVELS)
    grid = rotation_grid(found.refinement)
    angle = angle_between(grid.quaternion[again.rotation[:, 0]], grid.quaternion[found.rotation[:, 0]], friedel=True)
    assert np.mean(angle < 1.1 * grid.spacing) > 0.9
    assert again.models is found.models
    foreign = shots(60, 300, 9)
    apart = judged(foreign.frames, PIXELS, found.models, LEVELS)
    assert again.contrast.mean() > apart.contrast.mean() + 10


@pytest.mark.rounding
def test_merged__shots_give_the_intensity_of_the_atoms(data):
    grid = merged(data.frames, PIXELS, data.orientation, RADIUS).intensity[0]
    place = np.argwhere((radii(len(grid)) >= 3) & (radii(len(grid)) <= 6))
    true = intensity(data.atoms, (place - len(grid) // 2) * PIXELS.step)
    assert np.corrcoef(grid[tuple(place.T)], true)[0, 1] > 0.9


@pytest.mark.rounding
def test_explained_at_once__is_much_only_of_one_orientation(data):
    half = data.frames[np.arange(125)], data.frames[np.arange(125, 250)]
    assert abs(explained_at_once(*half, PIXELS, RADIUS).mean()) < 10
    alike = SparseFrames.joined([data.frames[np.full(30, 7)], data.frames[np.full(30, 7)]])
    assert explained_at_once(alike, alike, PIXELS, RADIUS).mean() > 50


def test_start__of_some_shots_is_carried_over_to_all(data, monkeypatch):
    monkeypatch.setattr(starts, "MOST_SHOTS", 100)
    found = begun(data.frames, PIXELS, LEVELS[0], starts=1)
    assert len(found.rotation) == 250
    assert (found.level, found.iteration) == (1, 0)
    alone = begun(data.frames[np.linspace(0, 249, 100).round().astype(int)], PIXELS, LEVELS[0], starts=1)
    assert len(alone.rotation) == 100
    assert len(found.history) == 2


def test_blank_shots__change_nothing():
    data = shots(40, 200, 3)
    level = [Level(1, 5.0, 3, 1.0, everywhere=True, gain=0.0)]
    models = random_models(data.frames, PIXELS, 5.0)
    alone = expand_maximise_compress(data.frames, PIXELS, models, level)
    blank = SparseFrames(np.zeros(6, np.int64), data.frames.pixel[:0], data.frames.count[:0])
    both = expand_maximise_compress(SparseFrames.joined([data.frames, blank]), PIXELS, models, level)
    np.testing.assert_allclose(both.models.intensity, alone.models.intensity, rtol=0.2)
    assert (both.log_likelihood[40:] == 0).all()
    assert both.information[40:] == pytest.approx(0, abs=1e-6)


def test_level__ends_where_nothing_is_gained():
    data = shots(40, 200, 3)
    many = [Level(1, 5.0, 50, 1.0, everywhere=True)]
    found = expand_maximise_compress(data.frames, PIXELS, random_models(data.frames, PIXELS, 5.0), many)
    assert 3 <= len(found.history) < 50
    gained = np.diff([look.log_likelihood for look in found.history])
    assert gained[-1] < 0.05 <= gained[:-1].min()


def test_nothing__is_refused():
    frames = SparseFrames.of(np.zeros((0, 9), int), np.arange(9))
    models = Models(np.ones((1, 9, 9, 9)), np.ones(1), PIXELS.step)
    with pytest.raises(InputError, match="without shots"):
        expand_maximise_compress(frames, PIXELS, models, LEVELS)
    with pytest.raises(InputError, match="at least 1 start"):
        begun(frames, PIXELS, LEVELS[0], starts=0)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((0, 5.0, 1), "refinement"),
        ((3, 1.0, 1), "2 bins"),
        ((3, 5.0, 0), "1 iteration"),
        ((3, 5.0, 1, 2.0), "exponent"),
    ],
)
def test_level__out_of_range_is_refused(arguments, told):
    with pytest.raises(InputError, match=told):
        Level(*arguments)


def test_schedule__ends_at_the_radius_and_the_refinement_asked_for():
    for radius in (4.0, 12.0, 20.5, 60.0):
        levels = schedule(radius, 7)
        assert levels[-1].radius == radius
        assert levels[0].everywhere
        assert max(level.refinement for level in levels) <= 7
        assert all((a.radius, a.refinement) < (b.radius, b.refinement) for a, b in pairwise(levels))
        assert levels[-1].refinement >= 6
