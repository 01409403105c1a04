"""From noise to the first intensity that is worth following."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xfeldask.errors import InputError
from xfeldask.orient.alignment import isotropic, symmetric_turn, turned_by
from xfeldask.orient.cycle import expand_maximise_compress
from xfeldask.orient.models import Models, estimate, random_models, symmetrised
from xfeldask.orient.parallel import By, in_turn
from xfeldask.orient.rotations import rotation_grid
from xfeldask.orient.schedule import Level
from xfeldask.orient.sparse import Pixels, SparseFrames
from xfeldask.orient.state import State
from xfeldask.physics.orientations import IDENTITY, rotations_of

INNER = 0.57
"""Radius that starts begin within, over that of the first level: few speckles have few false maxima."""

INNER_FINEST = 5
"""Largest refinement there, if the symmetry leaves no more rotations than the first level has without one."""

EXPONENT = 0.3
"""Of the likelihood, where a start goes on to the radius of the first level."""


MOST_SHOTS = 2000
"""Shots that starts are compared by."""


class Start(NamedTuple):
    """The best of some starts; what is left of them needs nothing else.

    Attributes
    ----------
    attempts : int, how many there were
    best : State, of `compared_shots`, after the first level
    """

    attempts: int
    best: State


def compared_shots(count: int) -> NDArray[np.int64]:
    """Choose shots that starts are compared by, `MOST_SHOTS` of so many, evenly, int64 (shot,).

    Examples
    --------
    >>> len(compared_shots(100_000)), compared_shots(4).tolist()
    (2000, [0, 1, 2, 3])
    """
    return np.linspace(0, count - 1, min(count, MOST_SHOTS)).round().astype(np.int64)


def begun(
    frames: SparseFrames,
    pixels: Pixels,
    level: Level,
    *,
    count: int = 1,
    starts: int = 8,
    seed: int = 0,
    group: ArrayLike | None = None,
    size_prior: bool = False,
    inner: bool = False,
    by: By = in_turn,
    before: Start | None = None,
    keep: Callable[[Start], object] | None = None,
) -> State:
    """Go through the first level from noise several times, and keep what explains the shots best.

    Coarse intensities from different noise end in a few different ones; that of the largest likelihood is right far
    more often than a single one is, and the first level costs little. Of many shots they are compared by
    `compared_shots`, and all then follow the best.

    Parameters
    ----------
    frames, pixels, group, size_prior, by : as of `expand_maximise_compress`
    level : Level, the first of the schedule
    count : int, models
    starts : int, how often
    seed : int, of the noise
    inner : bool, let three of four starts of one model begin within a smaller radius. One of four finds the axes of the
        symmetry after it began without them: noise that is symmetric about the given axes ends turned by a quarter
        as often as not, and no iteration turns it back
    before : Start, optional, to go on after
    keep : callable, called after each start with the best until then

    Returns
    -------
    State, after the first level

    Raises
    ------
    InputError
        No shot, or no start.
    """
    refuse_no_start(starts)
    some = frames[compared_shots(len(frames))]
    turns = rotations_of(group)
    done, best = (0, None) if before is None else before
    for attempt in range(done, starts):
        own, its_level = (seed, attempt), level
        if inner and count == 1 and attempt % 4 < 3:
            models, its_level = _from_within(some, pixels, level, attempt % 4 == 0, own, turns, by)
        else:
            models = random_models(some, pixels, level.radius, count, own, group)
        found = expand_maximise_compress(some, pixels, models, [its_level], group=group, size_prior=size_prior, by=by)
        if best is None or found.history[-1].log_likelihood > best.history[-1].log_likelihood:
            best = found
        if keep is not None:
            keep(Start(attempt + 1, best))
    assert best is not None
    if len(some) == len(frames):
        return best
    last = replace(level, iterations=2, exponent=1.0)
    return expand_maximise_compress(frames, pixels, best.models, [last], group=group, size_prior=size_prior, by=by)


def refuse_no_start(starts: int) -> None:
    """Refuse to begin from noise no time at all.

    Raises
    ------
    InputError
    """
    if starts < 1:
        raise InputError(f"a reconstruction needs at least 1 start, got {starts}")


def _from_within(
    frames: SparseFrames, pixels: Pixels, level: Level, free: bool, seed: tuple[int, int], group: NDArray[np.float64],
    by: By,
) -> tuple[Models, Level]:  # fmt: skip
    """Return models to begin the first level with, made within a smaller radius, and the level as it is then."""
    first = replace(level, radius=max(2.0, INNER * level.radius))
    free = free and len(group) > 1 and len(frames) >= rotation_grid(level.refinement).n_rotations
    turns = IDENTITY if free else group
    if len(turns) > 1:
        most, finer = rotation_grid(level.refinement).n_rotations, range(level.refinement, INNER_FINEST + 1)
        fitting = [n for n in finer if rotation_grid(n, turns).n_rotations <= most]
        first = replace(first, refinement=max([level.refinement, *fitting]))
    noise = random_models(frames, pixels, first.radius, 1, seed, turns)
    models = expand_maximise_compress(frames, pixels, noise, [first], group=turns, by=by).models
    if free:
        models = _on_its_axes(models, group)
    return models, replace(level, exponent=max(level.exponent, EXPONENT))


def _on_its_axes(models: Models, group: NDArray[np.float64]) -> Models:
    """Turn an intensity that was made without its symmetry so that its axes lie as those of the group, and apply it."""
    lying = turned_by(models.intensity[0], symmetric_turn(models.intensity[0], group)[0])
    whole = symmetrised(np.stack([lying, np.ones_like(lying)], axis=-1), group)
    return replace(models, intensity=estimate(whole, 0.0, isotropic(models.intensity[0]))[None])
