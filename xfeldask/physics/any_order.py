"""A shot drawn part by part, in any order: what each thread of a GPU does.

Bits are those of `xfeldask.physics.sampling`, which draws the same parts in turn, many candidates at once.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from xfeldask.physics.jit import inline_kernel
from xfeldask.physics.rates import bound_at, seen
from xfeldask.physics.sampling import background_photons, background_pixel, candidate, candidates, first_above
from xfeldask.physics.scattering import Scatterer, Screen, Shot, intensity_at, scattering

NONE = -1
"""In the place of a pixel, where a candidate is no photon."""


@inline_kernel
def tile_part(body: Scatterer, screen: Screen, shot: Shot, t: int) -> tuple[float, np.uint64, int]:
    """Draw how many candidates a tile has.

    Returns
    -------
    float, what bounds its expected photons a pixel; uint64, the state of its stream; int, its candidates
    """
    level = body.fine if t >= screen.first_fine else body.coarse
    sx, sy, sz, factor = seen(screen, shot, t)
    bound = bound_at(body, level, shot, sx, sy, sz, True)
    rate = factor * (bound * bound)
    state, count = candidates(screen, shot, t, rate)
    return rate, state, count


@inline_kernel
def tile_photon(body: Scatterer, screen: Screen, shot: Shot, t: int, rate: float, state: np.uint64, c: int) -> int:
    """Return the pixel of candidate `c` of a tile, if it is a photon; `rate` and `state` are those of `tile_part`."""
    p, threshold = candidate(screen, t, rate, state, c)
    if screen.pixel[p, 3] == 0:
        return NONE
    sx, sy, sz, factor = scattering(shot, screen.pixel[p, 0], screen.pixel[p, 1], screen.pixel[p, 2])
    threshold = threshold / factor
    bound = bound_at(body, body.fine if t >= screen.first_fine else body.coarse, shot, sx, sy, sz, False)
    if threshold < bound * bound and threshold < intensity_at(body, shot, sx, sy, sz):
        return p
    return NONE


@inline_kernel
def background_part(screen: Screen, shot: Shot) -> tuple[np.uint64, int]:
    """Return the state of the background's stream, and how many photons it has, in masked pixels too."""
    return background_photons(screen, shot)


@inline_kernel
def background_photon(screen: Screen, state: np.uint64, b: int) -> int:
    """Return the pixel of background photon `b`, if that is not masked; `state` is that of `background_part`."""
    p = background_pixel(screen, state, b)
    return p if screen.pixel[p, 3] > 0 else NONE


@inline_kernel
def holder(end: NDArray[np.int64], c: int) -> int:
    """Return which of some tiles, whose candidates end at `end`, has candidate `c` of them all."""
    return first_above(end, c)
