"""One iteration: shots compared with slices of intensities, and merged where they fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from xfeldask.errors import InputError
from xfeldask.orient import kernels
from xfeldask.orient.models import PSEUDO, Models, at_radii, estimate, profile, radii, regridded, symmetrised
from xfeldask.orient.parallel import Each, View, compress_part, expand_part, in_turn
from xfeldask.orient.rotations import TILE, RotationGrid, rotation_grid
from xfeldask.orient.schedule import GROWTH, Level, first_exponent
from xfeldask.orient.sparse import Pixels, SparseFrames
from xfeldask.orient.state import MOST_KEPT, Look, State
from xfeldask.orient.visits import Part, Visits, parts_of

SHARE = 1e-3
"""Of the likeliest rotation's probability that others must have to be kept."""

LEAST = 1e-6
"""Probability below which a rotation of a shot is left out of the merging."""

ONLY = np.array([[1.0, 0.0, 0.0, 0.0]])
"""The group of a particle without symmetry."""


@dataclass(frozen=True, eq=False)
class Problem:
    """Shots to reconstruct from, and what stays the same all the way.

    Attributes
    ----------
    frames : SparseFrames
    pixels : Pixels, that the photons are in
    schedule : levels, coarse to fine
    group : float64 (order, 4), symmetry of the particles, as of `symmetry_group`
    size_prior : bool, take the fraction of the shots that a model holds for its prior
    each : callable, shares the work out; the result does not depend on it

    Raises
    ------
    InputError
        No level, or no shot.
    """

    frames: SparseFrames
    pixels: Pixels
    schedule: Sequence[Level]
    group: NDArray[np.float64] = field(default_factory=lambda: ONLY)
    size_prior: bool = False
    each: Each = in_turn

    def __post_init__(self) -> None:
        if not self.schedule or not len(self.frames):
            raise InputError("nothing can be reconstructed without shots and a level of rotations")


def next_state(problem: Problem, state: State) -> State:
    """Return the state after one more iteration: compare shots with slices, and merge them where they fit."""
    level = problem.schedule[state.level]
    found = compared(problem, state, level, None)
    sums = _compressed(problem, found)
    flat = np.ones_like(found.average)
    intensity = np.stack([estimate(each, PSEUDO, flat) * found.average for each in sums])
    prior = found.models.prior
    if problem.size_prior:
        size = found.posterior.responsibility.sum(axis=0) + 1
        prior = size / size.sum()
    told = told_of(found, state)
    before = found.models.intensity
    change = float(np.linalg.norm(intensity - before) / np.linalg.norm(before))
    look = Look(state.level, state.iteration, found.exponent, float(told.information.mean()),
                float(told.log_likelihood.mean()), change)  # fmt: skip
    last = state.iteration + 1 == level.iterations or _settled(state, look, level)
    return replace(
        told,
        models=Models(intensity, prior, found.models.step),
        exposure=sums[..., 1] / found.average,
        level=state.level + last,
        iteration=0 if last else state.iteration + 1,
        history=(*state.history, look),
    )


class Compared(NamedTuple):
    """Shots after they were compared with slices, and all that it was done with."""

    view: View
    average: NDArray[np.float64]
    models: Models
    grid: RotationGrid
    visits: Visits
    parts: list[Part]
    exponent: float
    probability: NDArray[np.float32]
    totals: NDArray[np.float64]
    posterior: _Posterior


def compared(problem: Problem, state: State, level: Level, exponent: float | None) -> Compared:
    """Compare shots with slices; the exponent of the likelihood is that of the level when none is given."""
    frames, group = problem.frames, problem.group
    grid = rotation_grid(level.refinement, group)
    mean = profile(frames, problem.pixels, level.radius)
    models = state.models
    if models.radius != int(np.ceil(level.radius)):
        models = regridded(models, level.radius, mean)
    if level.everywhere or not state.refinement:
        visits = Visits.everywhere(len(models) * grid.n_tiles, len(frames))
    else:
        visits = Visits.near(state.rotation, rotation_grid(state.refinement, group), grid, len(models))
    view = View.of(frames, problem.pixels, level.radius, mean)
    if exponent is None:
        exponent = min(1.0, (level.exponent or first_exponent(float(view.photons.mean()))) * GROWTH**state.iteration)
    parts = parts_of(grid.n_tiles, len(models))
    average = at_radii(mean, radii(models.intensity.shape[-1]))
    probability, totals = _expanded(problem, view, models.intensity / average, grid, visits, parts)
    posterior = _posterior(probability, totals, models, grid, visits, exponent)
    return Compared(view, average, models, grid, visits, parts, exponent, probability, totals, posterior)


def told_of(found: Compared, before: State) -> State:
    """Return what is known of each shot as a State; all else is as before."""
    posterior, view = found.posterior, found.view
    return replace(
        before,
        refinement=found.grid.refinement,
        rotation=posterior.rotation,
        probability=posterior.chance,
        responsibility=posterior.responsibility,
        log_likelihood=posterior.evidence + view.constant,
        contrast=posterior.evidence,
        information=posterior.information,
        fluence=posterior.exposure * view.photons,
    )


def _settled(state: State, look: Look, level: Level) -> bool:
    """Return whether an iteration gained too little for another to follow."""
    if not state.iteration or look.exponent < 1 or state.history[-1].exponent < 1:
        return False
    return look.log_likelihood - state.history[-1].log_likelihood < level.gain


class _Posterior(NamedTuple):
    """What is known of each shot after it was compared."""

    rotation: NDArray[np.int32]
    chance: NDArray[np.float32]
    responsibility: NDArray[np.float64]
    evidence: NDArray[np.float64]
    information: NDArray[np.float64]
    exposure: NDArray[np.float64]


def _expanded(
    problem: Problem, view: View, contrast: NDArray[np.float64], grid: RotationGrid, visits: Visits, parts: list[Part]
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Log likelihoods (visit, TILE), and sums of slices (tile, TILE).

    An intensity falls so steeply that what lies between points of its grid depends on how the grid is turned; its
    contrast over the mean profile does not.
    """
    single = contrast.astype(np.float32)
    items = [(single[part.model], grid.matrix[part.rotations], *part.of(visits)) for part in parts]
    likelihood = np.empty((len(visits.shot), TILE), np.float32)
    totals = np.empty((len(contrast) * grid.n_tiles, TILE))
    for part, found in zip(parts, problem.each(expand_part, (problem.frames, view), items), strict=True):
        likelihood[part.rows(visits)], totals[part.tiles] = found
    return likelihood, totals


def _posterior(
    likelihood: NDArray[np.float32], totals: NDArray[np.float64], models: Models, grid: RotationGrid, visits: Visits,
    exponent: float,
) -> _Posterior:  # fmt: skip
    """Turn likelihoods into probabilities, in place."""
    shots, real = len(visits.by_shot) - 1, grid.weight > 0
    prior = np.full((len(models), len(grid.weight)), -np.inf)
    prior[:, real] = np.log(grid.weight[real]) + np.log(models.prior)[:, None]
    evidence, information, exposure = np.empty((3, shots))
    kernels.softmax(likelihood, visits.by_shot, visits.order, prior.reshape(-1, TILE), totals, visits.tile, exponent,
                    LEAST, evidence, information, exposure)  # fmt: skip
    rotation, chance = np.empty((shots, MOST_KEPT), np.int32), np.empty((shots, MOST_KEPT), np.float32)
    kernels.kept(likelihood, visits.by_shot, visits.order, visits.tile, SHARE, rotation, chance)
    share, model = likelihood.sum(axis=1, dtype=np.float64), visits.tile // grid.n_tiles
    held = [np.bincount(visits.shot, share * (model == k), shots) for k in range(len(models))]
    return _Posterior(rotation, chance, np.stack(held, axis=1), evidence, information / np.log(2), exposure)


def _compressed(problem: Problem, found: Compared) -> NDArray[np.float64]:
    """Photons of each model, and those of the mean profile (model, n, n, n, 2), symmetric."""
    size, visits, parts = found.models.intensity.shape[-1], found.visits, found.parts
    items = [
        (size, found.grid.matrix[part.rotations], *part.of(visits), found.probability[part.rows(visits)],
         found.totals[part.tiles])
        for part in parts
    ]  # fmt: skip
    sums = np.zeros((len(found.models), size, size, size, 2))
    for part, merged in zip(parts, problem.each(compress_part, (problem.frames, found.view), items), strict=True):
        sums[part.model] += merged
    return np.stack([symmetrised(each, problem.group) for each in sums])
