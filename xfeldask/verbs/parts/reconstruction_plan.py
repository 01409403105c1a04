"""What a reconstruction is made of: which shots, and by which levels of rotations and pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from xfeldask.errors import InputError
from xfeldask.orient.rotations import rotation_grid
from xfeldask.orient.schedule import Level, refinement_of, schedule
from xfeldask.orient.sparse import Pixels, SparseFrames
from xfeldask.store.choosing.columns import Shots
from xfeldask.store.choosing.selecting import selected
from xfeldask.store.results.embedding import Embedding
from xfeldask.store.run import Run

USUAL_RADIUS = 34.0
"""Radius that is reconstructed unless a resolution is given [bins], as far as the detector reaches."""

HELD_OUT, MOST_HELD_OUT = 20, 250
"""One shot of so many is not reconstructed from, no more than so many: they tell whether there is anything in it."""


LEAST_PHOTONS = 2
"""Photons within the resolution below which shots are blank, mean."""


def chosen_shots(run: Run, where: str | None, embedding: str | None) -> tuple[NDArray[np.int64], str | None]:
    """Return the shots that are meant, absolute indices, and the embedding that told of them.

    Raises
    ------
    UnknownNameError
        There is no such embedding.
    InputError
        By default verdicts tell which are meant, several embeddings have them, and none is named; or an expression that
        cannot be understood.
    """
    return chosen_of(columns_for(run, where, embedding), where)


def columns_for(run: Run, where: str | None, embedding: str | None) -> Shots:
    """Return the quantities that tell which shots are meant, for `chosen_of`; errors as of `chosen_shots`."""
    if where is None and (judging := Embedding.with_verdicts(run, embedding)) is not None:
        embedding = judging.name
    return Shots.of(run, embedding)


def chosen_of(columns: Shots, where: str | None) -> tuple[NDArray[np.int64], str | None]:
    """Return the shots that are meant of those that have been written by now, as `chosen_shots`."""
    meant = columns.embedding
    if where is not None:
        return selected(columns, where), meant
    if "is_single" in columns.names():
        # shots may be written anew after they were accepted
        return np.flatnonzero(columns.column("is_single").values & columns.done).astype(np.int64), meant
    return np.flatnonzero(columns.done).astype(np.int64), None


def planned(
    pixels: Pixels, resolution: float | None, rotations: int | None, n_iterations: int | None
) -> tuple[Level, ...]:
    """Return the levels of a reconstruction.

    Raises
    ------
    InputError
        A resolution beyond the detector, no rotation, no iteration.
    """
    reach = pixels.reach
    if resolution is None:
        radius = min(USUAL_RADIUS, reach / np.sqrt(2))
    elif not resolution > 0:
        raise InputError(f"the resolution must be positive, got {resolution} m")
    else:
        radius = 1 / (resolution * pixels.step)
        if not 2 <= radius <= reach:
            raise InputError(
                f"the resolution of {resolution * 1e9:.3g} nm is not between {1e9 / (2 * pixels.step):.3g} and "
                f"{1e9 / (reach * pixels.step):.3g} nm, which the detector sees; give one that is, in m"
            )
    finest = None if rotations is None else refinement_of(rotations)
    plan = schedule(float(radius), finest)
    if n_iterations is None:
        return plan
    return tuple(replace(level, iterations=min(level.iterations, n_iterations)) for level in plan)


def refuse_few(shots: int, plan: Sequence[Level], group: NDArray[np.float64], which: str) -> None:
    """Refuse to reconstruct from fewer shots than there are rotations at the first level.

    Raises
    ------
    InputError
    """
    needed = rotation_grid(plan[0].refinement, group).n_rotations
    if not shots:
        raise InputError(f"there are no shots {which}; choose others with where (--where)")
    if shots < needed:
        counted, verb = ("1 shot", "is") if shots == 1 else (f"{shots:,} shots", "are")
        raise InputError(
            f"{counted} {which} {verb} too few for the {needed:,} rotations that a reconstruction begins with; give "
            "more shots, the particle's symmetry, or fewer rotations"
        )


def refuse_blank(frames: SparseFrames, pixels: Pixels, plan: Sequence[Level]) -> None:
    """Refuse to reconstruct from shots without photons.

    Raises
    ------
    InputError
    """
    if (photons := photons_each(frames, pixels, plan)) < LEAST_PHOTONS:
        raise InputError(
            f"the shots are blank: {photons:.2g} photons each within the resolution; choose others with where, "
            "such as 'photon_count > 100'"
        )


def photons_each(frames: SparseFrames, pixels: Pixels, plan: Sequence[Level]) -> float:
    """Return the mean photons of a shot within the resolution."""
    return float(frames.photons(pixels.within(plan[-1].radius)).mean())


def held_out(shots: int) -> NDArray[np.bool_]:
    """Return which of so many shots are held out, bool (shot,), evenly chosen; none of very few.

    Examples
    --------
    >>> int(held_out(1000).sum()), int(held_out(10).sum())
    (50, 0)
    """
    out = np.zeros(shots, bool)
    count = min(shots // HELD_OUT, MOST_HELD_OUT)
    if count > 1:
        out[np.linspace(0, shots - 1, count).round().astype(np.int64)] = True
    return out


def dealt(n_shots: int) -> NDArray[np.int64]:
    """Return a place for each shot of a run in an order that is as good as any, int64 (shot,), always the same.

    What is dealt by it is even among any shots, however many have been written, and whatever repeats itself in a run.
    """
    return np.random.default_rng(0).permutation(n_shots)


def held_back(shots: NDArray[np.int64], n_shots: int) -> NDArray[np.bool_]:
    """Return which shots are never reconstructed from while shots are being written, bool (shot,); one of `HELD_OUT`.

    Examples
    --------
    >>> back = held_back(np.arange(1000), 1000)
    >>> int(back.sum()), (held_back(np.arange(0, 1000, 3), 1000) == back[::3]).all()
    (50, np.True_)
    """
    return np.asarray(dealt(n_shots)[shots] % HELD_OUT == 0)


def held_out_of(back: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return which shots are held out of those that were held back; evenly chosen, as of `held_out`.

    Examples
    --------
    >>> int(held_out_of(np.arange(10_000) % 20 == 0).sum()), int(held_out_of(np.arange(10) == 3).sum())
    (250, 0)
    """
    out, may = np.zeros(len(back), bool), np.flatnonzero(back)
    count = min(len(may), MOST_HELD_OUT)
    if count > 1:
        out[may[np.linspace(0, len(may) - 1, count).round().astype(np.int64)]] = True
    return out
