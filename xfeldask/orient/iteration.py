"""One iteration: shots compared with slices of intensities, and merged where they fit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from xfeldask.devices import Device
from xfeldask.errors import InputError
from xfeldask.orient import kernels
from xfeldask.orient.dense import DenseFrames
from xfeldask.orient.models import PSEUDO, Models, at_radii, estimate, profile, radii, regridded, symmetrised
from xfeldask.orient.parallel import By, Each, View, compress_part, expand_part, in_turn
from xfeldask.orient.posterior import LEAST, SHARE, Posterior, log_prior
from xfeldask.orient.rotations import TILE, RotationGrid, rotation_grid
from xfeldask.orient.schedule import GROWTH, Level, first_exponent
from xfeldask.orient.sparse import Pixels, SparseFrames
from xfeldask.orient.state import Look, State
from xfeldask.orient.visits import MOST_VISITS, Part, Visits, parts_of
from xfeldask.physics.orientations import IDENTITY


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
    by : callable or Device, as of `expand_maximise_compress`
    mean : callable, optional, gives the mean profile within a radius [bins], as of `profile`; by default it is that of
        the shots
    barred : bool (shot, model), optional: models that a shot is not of, whatever its photons say; one of them is left
        to each shot

    Raises
    ------
    InputError
        No level, or no shot.
    """

    frames: SparseFrames
    pixels: Pixels
    schedule: Sequence[Level]
    group: NDArray[np.float64] = field(default_factory=lambda: IDENTITY)
    size_prior: bool = False
    by: By = in_turn
    mean: Callable[[float], NDArray[np.float64]] | None = None
    barred: NDArray[np.bool_] | None = None
    _seen: dict[float, tuple[NDArray[np.float64], View]] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        if not self.schedule or not len(self.frames):
            raise InputError("nothing can be reconstructed without shots and a level of rotations")

    @cached_property
    def dense(self) -> DenseFrames | None:
        """The shots on the device, if there is one."""
        return DenseFrames(self.by, self.frames) if isinstance(self.by, Device) else None

    @property
    def each(self) -> Each:
        """What shares the work out, if there is no device."""
        assert not isinstance(self.by, Device)
        return self.by

    def view(self, radius: float) -> tuple[NDArray[np.float64], View]:
        """Return the mean profile within a radius [bins], and what is looked at there."""
        if radius not in self._seen:
            self._seen.clear()
            mean = profile(self.frames, self.pixels, radius) if self.mean is None else self.mean(radius)
            self._seen[radius] = mean, View.of(self.frames, self.pixels, radius, mean)
        return self._seen[radius]


def next_state(problem: Problem, state: State) -> State:
    """Return the state after one more iteration: compare shots with slices, and merge them where they fit."""
    level = problem.schedule[state.level]
    found = compared(problem, state, level, None, merge=True)
    sums = found.sums
    assert sums is not None
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
    exponent: float
    posterior: Posterior
    sums: NDArray[np.float64] | None


def compared(problem: Problem, state: State, level: Level, exponent: float | None, *, merge: bool) -> Compared:
    """Compare shots with slices, and merge them where they fit.

    The exponent of the likelihood is that of the level when none is given. What is merged is photons of each model, and
    those of the mean profile, float64 (model, n, n, n, 2), symmetric; nothing unless it is asked for.

    An intensity falls so steeply that what lies between points of its grid depends on how the grid is turned; its
    contrast over the mean profile does not.
    """
    grid = rotation_grid(level.refinement, problem.group)
    mean, view = problem.view(level.radius)
    models = state.models
    if models.radius != int(np.ceil(level.radius)):
        models = regridded(models, level.radius, mean)
    if exponent is None:
        exponent = min(1.0, (level.exponent or first_exponent(float(view.photons.mean()))) * GROWTH**state.iteration)
    average = at_radii(mean, radii(models.intensity.shape[-1]))
    contrast, prior = models.intensity / average, log_prior(grid, models.prior)
    if problem.dense is None:
        visits = _visits(problem, state, level, grid, len(models))
        posterior, sums = _compared_sparsely(problem, view, contrast, grid, visits, prior, exponent, merge)
    else:
        posterior, sums = problem.dense.compared(
            view, contrast, grid.matrix, prior, exponent, merge=merge, barred=problem.barred
        )
    if sums is not None:
        sums = np.stack([symmetrised(each, problem.group) for each in sums])
    return Compared(view, average, models, grid, exponent, posterior, sums)


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


def _visits(problem: Problem, state: State, level: Level, grid: RotationGrid, n_models: int) -> Visits:
    """Return which shots are compared with which tiles."""
    if level.everywhere or not state.refinement:
        return Visits.everywhere(n_models * grid.n_tiles, len(problem.frames))
    return Visits.near(state.rotation, rotation_grid(state.refinement, problem.group), grid, n_models)


def _compared_sparsely(
    problem: Problem, view: View, contrast: NDArray[np.float64], grid: RotationGrid, visits: Visits,
    prior: NDArray[np.float64], exponent: float, merge: bool,
) -> tuple[Posterior, NDArray[np.float64] | None]:  # fmt: skip
    """Compare shots with the tiles that they visit, photon by photon, and merge them, one block of shots after another.

    Sums are in the order of blocks and tiles, whoever works on them.
    """
    out, sums = Posterior.blank(len(problem.frames), len(contrast)), np.zeros((*contrast.shape, 2)) if merge else None
    for block in visits.blocks(MOST_VISITS):
        _compare_block(problem, view, contrast, grid, block, prior, exponent, out, sums)
    return out, sums


def _compare_block(
    problem: Problem, view: View, contrast: NDArray[np.float64], grid: RotationGrid, visits: Visits,
    prior: NDArray[np.float64], exponent: float, out: Posterior, sums: NDArray[np.float64] | None,
) -> None:  # fmt: skip
    """Compare a block of shots, fill in what is known of them, and add them to the sums of all, if there are any."""
    parts = parts_of(grid.n_tiles, len(contrast))
    likelihood, totals = _expanded(problem, view, contrast, grid, visits, parts)
    if problem.barred is not None:
        likelihood[problem.barred[visits.shot, visits.tile // grid.n_tiles]] = -np.inf
    _judge(likelihood, totals, prior, grid, visits, exponent, out)
    if sums is None:
        return
    single = contrast.astype(np.float32)
    items = [
        (
            single[part.model], grid.matrix[part.rotations], *part.of(visits), likelihood[part.rows(visits)],
            totals[part.tiles],
        )
        for part in parts
    ]  # fmt: skip
    for part, merged in zip(parts, problem.each(compress_part, (problem.frames, view), items), strict=True):
        sums[part.model] += merged


def _expanded(
    problem: Problem, view: View, contrast: NDArray[np.float64], grid: RotationGrid, visits: Visits, parts: list[Part]
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Log likelihoods (visit, TILE), and sums of slices (tile, TILE)."""
    single = contrast.astype(np.float32)
    items = [(single[part.model], grid.matrix[part.rotations], *part.of(visits)) for part in parts]
    likelihood = np.empty((len(visits.shot), TILE), np.float32)
    totals = np.empty((len(contrast) * grid.n_tiles, TILE))
    for part, found in zip(parts, problem.each(expand_part, (problem.frames, view), items), strict=True):
        likelihood[part.rows(visits)], totals[part.tiles] = found
    return likelihood, totals


def _judge(
    likelihood: NDArray[np.float32], totals: NDArray[np.float64], prior: NDArray[np.float64], grid: RotationGrid,
    visits: Visits, exponent: float, out: Posterior,
) -> None:  # fmt: skip
    """Turn likelihoods into probabilities, in place, and fill in what is known of the shots."""
    own = Posterior._make(each[visits.shots] for each in out)  # views
    kernels.softmax(likelihood, visits.by_shot, visits.order, prior.reshape(-1, TILE), totals, visits.tile, exponent,
                    LEAST, own.evidence, own.information, own.exposure)  # fmt: skip
    own.information[:] /= np.log(2)
    kernels.kept(likelihood, visits.by_shot, visits.order, visits.tile, SHARE, own.rotation, own.chance)
    share, model = likelihood.sum(axis=1, dtype=np.float64), visits.tile // grid.n_tiles
    for k in range(len(prior)):
        held = np.bincount(visits.shot - visits.first, share * (model == k), len(own.evidence))
        own.responsibility[:, k] = held
