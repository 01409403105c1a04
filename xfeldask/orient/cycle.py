"""Expand, maximise, compress: intensities of one or several kinds of particles from shots of unknown orientation.

A shot's likelihood is multinomial, ``sum n log(w / sum w)`` over its photons n and a slice w: neither its fluence nor
the scale of an intensity matters. Every kind has its own intensity; a shot's probability is shared out over all
rotations of all of them. (N. D. Loh and V. Elser, Physical Review E 80, 026705, 2009; K. Ayyer et al., Journal of
Applied Crystallography 49, 1320, 2016.)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xfeldask.errors import InputError
from xfeldask.orient import kernels
from xfeldask.orient.models import (
    PSEUDO,
    Models,
    at_radii,
    estimate,
    grid_size,
    profile,
    radii,
    random_models,
    regridded,
    symmetrised,
)
from xfeldask.orient.parallel import Each, View, compress_part, expand_part, in_turn
from xfeldask.orient.rotations import TILE, RotationGrid, rotation_grid
from xfeldask.orient.schedule import GROWTH, Level, first_exponent
from xfeldask.orient.sparse import Pixels, SparseFrames
from xfeldask.orient.visits import Part, Visits, parts_of
from xfeldask.physics.orientations import rotation_matrix

MOST_KEPT = 12
"""Rotations that are kept of a shot."""

SHARE = 1e-3
"""Of the likeliest rotation's probability that others must have to be kept."""

LEAST = 1e-6
"""Probability below which a rotation of a shot is left out of the merging."""

ONLY = np.array([[1.0, 0.0, 0.0, 0.0]])
"""The group of a particle without symmetry."""


class Look(NamedTuple):
    """What an iteration found of itself.

    Attributes
    ----------
    level, iteration : int, both from 0
    exponent : float, of the likelihood
    information : float, what a shot tells of its rotation and kind [bit], mean of the shots
    log_likelihood : float, mean of the shots
    change : float, relative change of the intensities
    """

    level: int
    iteration: int
    exponent: float
    information: float
    log_likelihood: float
    change: float


@dataclass(frozen=True, eq=False)
class State:
    """What is known between two iterations; the next one needs nothing else.

    Attributes
    ----------
    models : Models
    exposure : float64 (model, n, n, n), how much was looked at each point of the models
    level, iteration : int, those that come next, from 0
    refinement : int, of the rotations that `rotation` is of; 0 before the first iteration
    rotation : int32 (shot, some), likeliest rotations of each shot, the likeliest first, ``model * rotations +
        rotation`` of ``rotation_grid(refinement, group)``; -1 for none
    probability : float32 (shot, some), of each of them
    responsibility : float64 (shot, model), probability of each kind
    log_likelihood : float64 (shot,), log of the mean likelihood over rotations and kinds, without ``log n!``
    contrast : float64 (shot,), log likelihood over that of the mean pattern
    information : float64 (shot,), what the shot tells of its rotation and kind [bit]
    fluence : float64 (shot,), photons over those of the model's slices
    history : tuple of Look

    Examples
    --------
    >>> State(Models(np.ones((1, 9, 9, 9)), np.ones(1), 1e7)).level
    0
    """

    models: Models
    exposure: NDArray[np.float64] = field(default_factory=lambda: np.zeros((1, 0, 0, 0)))
    level: int = 0
    iteration: int = 0
    refinement: int = 0
    rotation: NDArray[np.int32] = field(default_factory=lambda: np.zeros((0, MOST_KEPT), np.int32))
    probability: NDArray[np.float32] = field(default_factory=lambda: np.zeros((0, MOST_KEPT), np.float32))
    responsibility: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 1)))
    log_likelihood: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    contrast: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    information: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    fluence: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    history: tuple[Look, ...] = ()


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


def expand_maximise_compress(
    frames: SparseFrames,
    pixels: Pixels,
    models: Models | State,
    schedule: Sequence[Level],
    *,
    group: ArrayLike | None = None,
    size_prior: bool = False,
    each: Each = in_turn,
    tell: Callable[[State], object] | None = None,
) -> State:
    """Improve intensities until they explain the shots best.

    Parameters
    ----------
    frames : SparseFrames
    pixels : Pixels, that the photons are in
    models : Models to begin with, such as `random_models`; or a State to go on from, such as that of `begun`
    schedule : levels, coarse to fine, such as `xfeldask.orient.schedule.schedule` plans
    group : (order, 4), symmetry of the particles, as of `symmetry_group`; none when not given
    size_prior : bool, take the fraction of the shots that a model holds for its prior
    each : callable, shares the work out; the result does not depend on it
    tell : callable, called after every iteration with its State

    Returns
    -------
    State

    Raises
    ------
    InputError
        No level, or no shot.

    Examples
    --------
    >>> from xfeldask.orient.sparse import pixels_of
    >>> from xfeldask.physics.detectors import square
    >>> pixels = pixels_of(square(64, 1.2e-3, 0.15), 2.7e-10)
    >>> frames = SparseFrames.of(np.random.default_rng(0).poisson(0.5, (30, 64, 64)), pixels.index)
    >>> start = random_models(frames, pixels, 5.0, count=2, seed=0)
    >>> found = expand_maximise_compress(frames, pixels, start, [Level(1, 5.0, 2)])
    >>> found.responsibility.shape, found.models.intensity.shape
    ((30, 2), (2, 13, 13, 13))
    """
    turns = ONLY if group is None else np.atleast_2d(np.asarray(group, np.float64))
    problem = Problem(frames, pixels, schedule, turns, size_prior, each)
    state = models if isinstance(models, State) else State(models)
    while state.level < len(schedule):
        state = next_state(problem, state)
        if tell is not None:
            tell(state)
    return state


def begun(
    frames: SparseFrames,
    pixels: Pixels,
    level: Level,
    *,
    count: int = 1,
    starts: int = 8,
    most_shots: int = 2000,
    seed: int = 0,
    group: ArrayLike | None = None,
    size_prior: bool = False,
    each: Each = in_turn,
    tell: Callable[[State], object] | None = None,
) -> State:
    """Go through the first level from noise several times, and keep what explains the shots best.

    Coarse intensities from different noise end in a few different ones; that of the largest likelihood is right far
    more often than a single one is, and the first level costs little.

    Parameters
    ----------
    frames, pixels, group, size_prior, each, tell : as of `expand_maximise_compress`
    level : Level, the first of the schedule
    count : int, models
    starts : int, how often
    most_shots : int, evenly chosen of all, that the starts are compared by; all shots then follow the best
    seed : int, of the noise

    Returns
    -------
    State, after the first level

    Raises
    ------
    InputError
        No shot, or no start.
    """
    if starts < 1:
        raise InputError(f"a reconstruction needs at least 1 start, got {starts}")
    some = frames[np.linspace(0, len(frames) - 1, min(len(frames), most_shots)).round().astype(np.int64)]
    best: State | None = None
    for attempt in range(starts):
        noise = random_models(frames, pixels, level.radius, count, (seed, attempt), group)
        found = expand_maximise_compress(some, pixels, noise, [level], group=group, size_prior=size_prior, each=each,
                                         tell=tell)  # fmt: skip
        if best is None or found.history[-1].log_likelihood > best.history[-1].log_likelihood:
            best = found
    assert best is not None
    if len(some) == len(frames):
        return best
    last = replace(level, iterations=2, exponent=1.0)
    return expand_maximise_compress(frames, pixels, best.models, [last], group=group, size_prior=size_prior, each=each,
                                    tell=tell)  # fmt: skip


def judged(
    frames: SparseFrames,
    pixels: Pixels,
    models: Models,
    schedule: Sequence[Level],
    *,
    group: ArrayLike | None = None,
    each: Each = in_turn,
) -> State:
    """Compare shots with intensities that stay as they are: a look at each level, coarse to fine.

    Shots need not be those that the intensities were made of.

    Parameters
    ----------
    frames, pixels, schedule, group, each : as of `expand_maximise_compress`
    models : Models, that reach at least as far as the schedule

    Returns
    -------
    State, its models those given

    Raises
    ------
    InputError
        No level, or no shot.

    Examples
    --------
    >>> from xfeldask.orient.sparse import pixels_of
    >>> from xfeldask.physics.detectors import square
    >>> pixels = pixels_of(square(64, 1.2e-3, 0.15), 2.7e-10)
    >>> frames = SparseFrames.of(np.random.default_rng(0).poisson(0.5, (30, 64, 64)), pixels.index)
    >>> models = random_models(frames, pixels, 5.0)
    >>> judged(frames, pixels, models, [Level(1, 3.0, 1), Level(2, 5.0, 1)]).rotation.shape
    (30, 12)
    """
    turns = ONLY if group is None else np.atleast_2d(np.asarray(group, np.float64))
    problem, state = Problem(frames, pixels, schedule, turns, each=each), State(models)
    for number, level in enumerate(schedule):
        state = replace(_told(_compared(problem, state, level, 1.0), state), models=models, level=number + 1)
    return state


def merged(
    frames: SparseFrames, pixels: Pixels, orientation: ArrayLike, radius: float, group: ArrayLike | None = None
) -> Models:
    """Merge shots of known orientations: what a reconstruction could reach at best.

    Parameters
    ----------
    frames, pixels : of all shots
    orientation : (shot, 4), quaternions
    radius : [bins]
    group : (order, 4), symmetry of the particle; none when not given

    Returns
    -------
    Models, one

    Examples
    --------
    >>> from xfeldask.orient.sparse import pixels_of
    >>> from xfeldask.physics.detectors import square
    >>> pixels = pixels_of(square(64, 1.2e-3, 0.15), 2.7e-10)
    >>> frames = SparseFrames.of(np.random.default_rng(0).poisson(0.5, (3, 64, 64)), pixels.index)
    >>> merged(frames, pixels, np.eye(3, 4), 5.0).intensity.shape
    (1, 13, 13, 13)
    """
    turns = ONLY if group is None else np.atleast_2d(np.asarray(group, np.float64))
    matrix, size = rotation_matrix(orientation), grid_size(radius)
    mean = profile(frames, pixels, radius)
    view = View.of(frames, pixels, radius, mean)
    average = at_radii(mean, radii(size))
    intensity = average
    for _ in range(2):  # the second time fluences are those of slices
        grid = np.zeros((size, size, size, 2))
        for start in range(0, len(frames), TILE):
            shots = np.arange(start, min(len(frames), start + TILE), dtype=np.int32)
            own, values, expected = np.eye(len(shots), TILE, dtype=np.float32), *np.zeros((2, len(view.at), TILE))
            kernels.compress(own, frames.start, view.end, frames.pixel, frames.count, shots, view.photons, values,
                             np.zeros(TILE))  # fmt: skip
            kernels.slices(intensity, view.at, matrix[shots], expected)
            total = (expected[:, : len(shots)] * view.factor[:, None]).sum(axis=0)
            kernels.spread(values, view.factor, view.photons[shots] / total, view.at, matrix[shots], grid)
        intensity = estimate(symmetrised(grid, turns), PSEUDO, average)
    return Models(intensity[None], np.ones(1), pixels.step)


def explained_at_once(known: SparseFrames, frames: SparseFrames, pixels: Pixels, radius: float) -> NDArray[np.float64]:
    """Log likelihood of shots under the mean image of others, over that of their mean pattern.

    It is large where all shots show the particle from one side.

    Parameters
    ----------
    known : SparseFrames, whose mean is taken
    frames : SparseFrames
    pixels : Pixels
    radius : [bins]

    Returns
    -------
    float64 (shot,) [nat]
    """
    m = pixels.within(radius)
    factor, total = pixels.factor[:m], known.mean(m) * len(known)
    # quarters of a bin, so that the steep fall from the beam is no sign of an orientation
    far = np.rint(np.linalg.norm(pixels.s[:m], axis=1) / pixels.step * 4)
    _, ring = np.unique(far, return_inverse=True)
    plain = (np.bincount(ring, total + 1e-9) / np.bincount(ring, factor))[ring] * factor
    # each pixel has one photon of the mean pattern besides its own
    image = (total + 1) / (plain + 1) * plain
    gain, out = np.log(image / image.sum()) - np.log(plain / plain.sum()), np.empty(len(frames))
    kernels.weighed(gain, frames.start, frames.ends(m), frames.pixel, frames.count, out)
    return out


def next_state(problem: Problem, state: State) -> State:
    """Return the state after one more iteration: compare shots with slices, and merge them where they fit."""
    level = problem.schedule[state.level]
    found = _compared(problem, state, level, None)
    sums = _compressed(problem, found)
    average = at_radii(found.mean, radii(sums.shape[1]))
    intensity = np.stack([estimate(each, PSEUDO, average) for each in sums])
    prior = found.models.prior
    if problem.size_prior:
        size = found.posterior.responsibility.sum(axis=0) + 1
        prior = size / size.sum()
    told = _told(found, state)
    before = found.models.intensity
    change = float(np.linalg.norm(intensity - before) / np.linalg.norm(before))
    look = Look(state.level, state.iteration, found.exponent, float(told.information.mean()),
                float(told.log_likelihood.mean()), change)  # fmt: skip
    last = state.iteration + 1 == level.iterations or _settled(state, look, level)
    return replace(
        told,
        models=Models(intensity, prior, found.models.step),
        exposure=sums[..., 1],
        level=state.level + last,
        iteration=0 if last else state.iteration + 1,
        history=(*state.history, look),
    )


class _Compared(NamedTuple):
    """Shots after they were compared with slices, and all that it was done with."""

    view: View
    mean: NDArray[np.float64]
    models: Models
    grid: RotationGrid
    visits: Visits
    parts: list[Part]
    exponent: float
    probability: NDArray[np.float32]
    totals: NDArray[np.float64]
    posterior: _Posterior


def _compared(problem: Problem, state: State, level: Level, exponent: float | None) -> _Compared:
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
    probability, totals = _expanded(problem, view, models, grid, visits, parts)
    posterior = _posterior(probability, totals, models, grid, visits, exponent)
    return _Compared(view, mean, models, grid, visits, parts, exponent, probability, totals, posterior)


def _told(found: _Compared, before: State) -> State:
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
    problem: Problem, view: View, models: Models, grid: RotationGrid, visits: Visits, parts: list[Part]
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Log likelihoods (visit, TILE), and sums of slices (tile, TILE)."""
    single = models.intensity.astype(np.float32)
    items = [(single[part.model], grid.matrix[part.rotations], *part.of(visits)) for part in parts]
    likelihood = np.empty((len(visits.shot), TILE), np.float32)
    totals = np.empty((len(models) * grid.n_tiles, TILE))
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


def _compressed(problem: Problem, found: _Compared) -> NDArray[np.float64]:
    """Photons and exposures of each model (model, n, n, n, 2), symmetric."""
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
