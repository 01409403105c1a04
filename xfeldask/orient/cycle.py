"""Expand, maximise, compress: intensities of one or several kinds of particles from shots of unknown orientation.

A shot's likelihood is multinomial, ``sum n log(w / sum w)`` over its photons n and a slice w: neither its fluence nor
the scale of an intensity matters. Where background b is known it is ``sum n log((1 - f) w / sum w + f b / sum b)``, f
being the photons of background that are expected in the shot over those that it has. Every kind has its own intensity;
a shot's probability is shared out over all rotations of all of them. (N. D. Loh and V. Elser, Physical Review E 80,
026705, 2009; K. Ayyer et al., Journal of Applied Crystallography 49, 1320, 2016.)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xfeldask.orient import kernels
from xfeldask.orient.iteration import Problem, compared, next_state, told_of
from xfeldask.orient.models import (
    LEAST_SIGNAL,
    PSEUDO,
    Models,
    at_radii,
    estimate,
    grid_size,
    profile,
    radii,
    symmetrised,
)
from xfeldask.orient.parallel import By, View, in_turn
from xfeldask.orient.rotations import TILE
from xfeldask.orient.schedule import Level
from xfeldask.orient.sparse import Pixels, SparseFrames
from xfeldask.orient.state import State
from xfeldask.physics.orientations import rotation_matrix, rotations_of


def expand_maximise_compress(
    frames: SparseFrames,
    pixels: Pixels,
    models: Models | State,
    schedule: Sequence[Level],
    *,
    group: ArrayLike | None = None,
    size_prior: bool = False,
    barred: NDArray[np.bool_] | None = None,
    by: By = in_turn,
    tell: Callable[[State], object] | None = None,
) -> State:
    """Improve intensities until they explain the shots best.

    Parameters
    ----------
    frames : SparseFrames
    pixels : Pixels, that the photons are in
    models : Models to begin with, such as `random_models`; or a State to go on from, such as that of `starts.begun`
    schedule : levels, coarse to fine, such as `xfeldask.orient.schedule.schedule` plans
    group : (order, 4), symmetry of the particles, as of `symmetry_group`; none when not given
    size_prior : bool, take the fraction of the shots that a model holds for its prior
    barred : bool (shot, model), optional: models that a shot is not of, whatever its photons say; one of them is left
        to each shot
    by : callable that shares the work out, on which the result does not depend; or a Device, as of `device_of`, on
        which shots are compared with all rotations at every level, by products of matrices
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
    >>> from xfeldask.orient.models import random_models
    >>> from xfeldask.orient.sparse import pixels_of
    >>> from xfeldask.physics.detectors import square
    >>> pixels = pixels_of(square(64, 1.2e-3, 0.15), 2.7e-10)
    >>> frames = SparseFrames.of(np.random.default_rng(0).poisson(0.5, (30, 64, 64)), pixels.index)
    >>> start = random_models(frames, pixels, 5.0, count=2, seed=0)
    >>> found = expand_maximise_compress(frames, pixels, start, [Level(1, 5.0, 2)])
    >>> found.responsibility.shape, found.models.intensity.shape
    ((30, 2), (2, 13, 13, 13))
    """
    turns = rotations_of(group)
    problem = Problem(frames, pixels, schedule, turns, size_prior, by, barred=barred)
    state = models if isinstance(models, State) else State(models)
    while state.level < len(schedule):
        state = next_state(problem, state)
        if tell is not None:
            tell(state)
    return state


def judged(
    frames: SparseFrames,
    pixels: Pixels,
    models: Models,
    schedule: Sequence[Level],
    *,
    group: ArrayLike | None = None,
    by: By = in_turn,
    mean: Callable[[float], NDArray[np.float64]] | None = None,
) -> State:
    """Compare shots with intensities that stay as they are: a look at each level, coarse to fine.

    Shots need not be those that the intensities were made of.

    Parameters
    ----------
    frames, pixels, schedule, group, by : as of `expand_maximise_compress`
    models : Models, that reach at least as far as the schedule
    mean : callable, optional, gives the mean profile within a radius [bins], as of `profile`; that of the shots by
        default, so that what is found of a shot depends on the others

    Returns
    -------
    State, its models those given

    Raises
    ------
    InputError
        No level, or no shot.

    Examples
    --------
    >>> from xfeldask.orient.models import random_models
    >>> from xfeldask.orient.sparse import pixels_of
    >>> from xfeldask.physics.detectors import square
    >>> pixels = pixels_of(square(64, 1.2e-3, 0.15), 2.7e-10)
    >>> frames = SparseFrames.of(np.random.default_rng(0).poisson(0.5, (30, 64, 64)), pixels.index)
    >>> models = random_models(frames, pixels, 5.0)
    >>> judged(frames, pixels, models, [Level(1, 3.0, 1), Level(2, 5.0, 1)]).rotation.shape
    (30, 12)
    """
    turns = rotations_of(group)
    problem, state = Problem(frames, pixels, schedule, turns, by=by, mean=mean), State(models)
    for number, level in enumerate(schedule):
        found = compared(problem, state, level, 1.0, merge=False)
        state = replace(told_of(found, state), models=models, level=number + 1)
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
    turns = rotations_of(group)
    matrix, size = rotation_matrix(orientation), grid_size(radius)
    mean = profile(frames, pixels, radius)
    view = View.of(frames, pixels, radius, mean)
    average = at_radii(mean, radii(size))
    contrast = np.ones_like(average)
    for _ in range(2):  # the second time fluences are those of slices
        grid = np.zeros((size, size, size, 2))
        for start in range(0, len(frames), TILE):
            shots = np.arange(start, min(len(frames), start + TILE), dtype=np.int32)
            own, values, expected = np.eye(len(shots), TILE, dtype=np.float32), *np.zeros((2, len(view.at), TILE))
            kernels.slices(contrast, view.at, matrix[shots], expected)
            total = (expected[:, : len(shots)] * view.pattern[:, None]).sum(axis=0)
            signal = view.scattered(expected, np.concatenate([total, np.ones(TILE - len(shots))]))
            kernels.compress(own, frames.start, view.end, frames.pixel, frames.count, shots, view.photons, signal,
                             view.level, values, np.zeros(TILE))  # fmt: skip
            kernels.spread(values, view.pattern, view.photons[shots] / total, view.at, matrix[shots], grid)
        contrast = estimate(symmetrised(grid, turns), PSEUDO, np.ones_like(average))
    return Models((contrast * average)[None], np.ones(1), pixels.step)


def explained_at_once(known: SparseFrames, frames: SparseFrames, pixels: Pixels, radius: float) -> NDArray[np.float64]:
    """Log likelihood of shots under the mean image of others, over that of their mean pattern.

    It is large where all shots show the particle from one side. Background that is known is part of both, and no image
    of a particle.

    Parameters
    ----------
    known : SparseFrames, whose mean image is taken
    frames : SparseFrames
    pixels : Pixels
    radius : [bins]

    Returns
    -------
    float64 (shot,) [nat]
    """
    m = pixels.within(radius)
    view = View.of(frames, pixels, radius, profile(known, pixels, radius))
    factor, total = pixels.factor[:m], known.mean(m) * len(known)
    dark = np.zeros(m) if known.background is None else known.background.expected(m)
    # quarters of a bin, so that the steep fall from the beam is no sign of an orientation
    far = np.rint(np.linalg.norm(pixels.s[:m], axis=1) / pixels.step * 4)
    _, ring = np.unique(far, return_inverse=True)
    counted = np.bincount(ring, total + 1e-9)
    signal = np.maximum(counted - np.bincount(ring, dark), LEAST_SIGNAL * counted)
    plain = (signal / np.bincount(ring, factor))[ring] * factor
    # each pixel has one photon of the mean pattern besides its own
    image = (np.maximum(total - dark, 0) + 1) / (plain + 1) * plain
    out = np.empty((len(view.share), len(frames)))
    for share, of_share in zip(view.share, out, strict=True):
        one, other = ((1 - share) * w / w.sum() + share * view.under for w in (image, plain))
        kernels.weighed(np.log(one) - np.log(other), frames.start, view.end, frames.pixel, frames.count, of_share)
    return np.asarray(out[view.level, np.arange(len(frames))])
