"""Photons of a shot, drawn exactly.

The photons of a pattern are an inhomogeneous Poisson process over the pixels, so they can be drawn by
thinning (Lewis and Shedler, Naval Research Logistics 26, 403, 1979): candidates come from an upper bound
of the expected photons and are kept with probability expected / bound. The bound is constant over a tile
of pixels; a candidate is first held against the tighter bound of its grid cell, and only if it survives
is the amplitude evaluated. Where the bound promises more candidates than drawing every pixel would cost,
every pixel is drawn.

Each tile, each pixel that is drawn by itself, and the background have a stream of their own: any part of a
shot can be drawn before any other.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from xfeldask.physics.draws import GOLDEN, mix, part_key, poisson, unit
from xfeldask.physics.jit import inner_inline_kernel, inner_kernel, kernel
from xfeldask.physics.rates import add_bounds, tile_rates
from xfeldask.physics.scattering import Scatterer, Screen, Shot, background_at, intensities, intensity_at, scattering
from xfeldask.physics.shot_blocks import Shots, shot_at

CANDIDATES_PER_PIXEL = 0.6
"""Above this many candidates a pixel, drawing every pixel takes less time than thinning."""

BATCH = 1024
"""Candidates thinned together."""

BACKGROUND, FIRST = 0, 1
"""Parts of a shot: its background, and the first tile or pixel."""


@inner_inline_kernel
def candidates(screen: Screen, shot: Shot, t: int, rate: float) -> tuple[np.uint64, int]:
    """Draw how many candidates a tile has, and return the state of its stream with them."""
    return poisson(part_key(shot.key, FIRST + t), rate * screen.tile[t, 1] * screen.tile[t, 2])


@inner_inline_kernel
def candidate(screen: Screen, t: int, rate: float, state: np.uint64, c: int) -> tuple[int, float]:
    """Draw one candidate of a tile, any before any other.

    Parameters
    ----------
    t, rate : int, float; the tile, and the bound of its expected photons a pixel
    state : uint64, from `candidates`
    c : int, which candidate

    Returns
    -------
    int, flat index of a pixel, and float, which the expected photons there must exceed, from 0 to `rate`
    """
    height, width = screen.tile[t, 1], screen.tile[t, 2]
    state += np.uint64(2 * c + 1) * GOLDEN
    inside = int(unit(mix(state)) * (height * width))
    row = inside // width
    return screen.tile[t, 0] + row * screen.stride + (inside - row * width), unit(mix(state + GOLDEN)) * rate


@inner_inline_kernel
def background_photons(screen: Screen, shot: Shot) -> tuple[np.uint64, int]:
    """Draw how many background photons fall on all pixels, masked ones too, and return their stream's state."""
    weight = screen.pixel.shape[0] if screen.shaded.size == 0 else screen.shaded[-1]
    return poisson(part_key(shot.key, BACKGROUND), shot.background * weight)


@inner_inline_kernel
def background_pixel(screen: Screen, state: np.uint64, b: int) -> int:
    """Draw the pixel of one background photon, any before any other; `state` is that of `background_photons`."""
    u = unit(mix(state + np.uint64(b + 1) * GOLDEN))
    if screen.shaded.size == 0:
        return int(u * screen.pixel.shape[0])
    return first_above(screen.shaded, u * screen.shaded[-1])


@inner_inline_kernel
def first_above(rising: NDArray[np.float64] | NDArray[np.int64], value: float) -> int:
    """Index of the first of `rising` numbers that is above `value`; the last one where none is."""
    low, high = 0, rising.size - 1
    while low < high:
        middle = (low + high) // 2
        if rising[middle] > value:
            high = middle
        else:
            low = middle + 1
    return low


@inner_kernel
def _with_room(photons: NDArray[np.uint32], drawn: int, more: int) -> NDArray[np.uint32]:
    """Return the first `drawn` photons, with room for `more` behind them."""
    if drawn + more <= photons.size:
        return photons
    larger = np.empty(2 * drawn + more, np.uint32)
    # not by slices, whose error for unequal lengths takes longer to compile than all the rest
    for i in range(drawn):
        larger[i] = photons[i]
    return larger


@inner_kernel
def _appended(
    photons: NDArray[np.uint32], drawn: int, pixel: NDArray[np.int64], kept: int
) -> tuple[NDArray[np.uint32], int]:
    """Join the first `drawn` photons and behind them the first `kept` of `pixel`; and how many these are."""
    photons = _with_room(photons, drawn, kept)
    for c in range(kept):
        photons[drawn + c] = pixel[c]
    return photons, drawn + kept


@kernel
def draw_thinned(body: Scatterer, screen: Screen, shot: Shot, rate: NDArray[np.float64]) -> NDArray[np.uint32]:
    """Draw the photons of a shot by thinning.

    Parameters
    ----------
    rate : float64 (tile,), from `tile_rates`

    Returns
    -------
    uint32 (photon,), flat index of the pixel of each photon: those of each tile in turn, then the background's
    """
    photons, drawn = np.empty(BATCH, np.uint32), 0
    pixel, threshold = np.empty(BATCH, np.int64), np.empty(BATCH)
    waiting = 0
    for t in range(rate.size):
        is_fine = t >= screen.first_fine
        state, count = candidates(screen, shot, t, rate[t])
        for c in range(count):
            pixel[waiting], threshold[waiting] = candidate(screen, t, rate[t], state, c)
            waiting += 1
            if waiting == BATCH:
                kept = _thin(body, is_fine, screen, shot, pixel, threshold, waiting)
                photons, drawn = _appended(photons, drawn, pixel, kept)
                waiting = 0
        if t + 1 == screen.first_fine or t + 1 == rate.size:
            kept = _thin(body, is_fine, screen, shot, pixel, threshold, waiting)
            photons, drawn = _appended(photons, drawn, pixel, kept)
            waiting = 0
    state, scattered = background_photons(screen, shot)
    photons = _with_room(photons, drawn, scattered)
    for b in range(scattered):
        p = background_pixel(screen, state, b)
        photons[drawn] = p
        drawn += screen.pixel[p, 3] > 0
    return photons[:drawn]


@kernel
def draw_several(
    body: Scatterer, screen: Screen, shots: Shots, most: float, enough: int, start: NDArray[np.int64]
) -> NDArray[np.uint32]:
    """Draw the photons of shots by thinning, up to the first shot that promises too many candidates.

    Parameters
    ----------
    most : float, candidates of a shot; one that promises more is drawn pixel by pixel in less time
    enough : int, photons after which no further shot is begun
    start : int64 (shot + 1,), 0 at first; overwritten with where the photons of each shot end, as far as it comes

    Returns
    -------
    uint32 (photon,), as of `draw_thinned`, those of each shot in turn
    """
    photons, drawn, rate = np.empty(0, np.uint32), 0, np.empty(screen.spread.size)
    for i in range(start.size - 1):
        shot = shot_at(shots, i)
        # what is not a number is too many
        if drawn >= enough or not tile_rates(body, screen, shot, rate) <= most:
            break
        mine = draw_thinned(body, screen, shot, rate)
        photons = _with_room(photons, drawn, mine.size)
        for p in range(mine.size):
            photons[drawn + p] = mine[p]
        drawn += mine.size
        start[i + 1] = drawn
    return photons[:drawn]


@inner_kernel
def _thin(
    body: Scatterer,
    is_fine: bool,
    screen: Screen,
    shot: Shot,
    pixel: NDArray[np.int64],
    threshold: NDArray[np.float64],
    count: int,
) -> int:
    """Move the candidates that are photons to the front of `pixel`; returns how many they are.

    A candidate is one if its `threshold` lies below the expected photons.
    """
    s, cell, bound = np.empty((count, 3)), np.empty(count, np.uint64), np.zeros(count)
    for c in range(count):
        p = np.uint64(pixel[c])
        x, y, z = screen.pixel[p, 0], screen.pixel[p, 1], screen.pixel[p, 2]
        s[c, 0], s[c, 1], s[c, 2], factor = scattering(shot, x, y, z)
        threshold[c] = threshold[c] / factor if screen.pixel[p, 3] > 0 else np.inf
    # chosen here, as copies of a level are counted
    add_bounds(body, body.fine if is_fine else body.coarse, shot, s, False, cell, bound)
    likely = 0
    for c in range(count):
        pixel[likely], threshold[likely] = pixel[c], threshold[c]
        s[likely, 0], s[likely, 1], s[likely, 2] = s[c, 0], s[c, 1], s[c, 2]
        likely += threshold[c] < bound[c] * bound[c]
    intensities(body, shot, s[:likely], bound)
    kept = 0
    for c in range(likely):
        pixel[kept] = pixel[c]
        kept += threshold[c] < bound[c]
    return kept


@kernel
def draw_every_pixel(body: Scatterer, screen: Screen, shot: Shot) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
    """Draw the photons of a shot pixel by pixel.

    Returns
    -------
    uint32 (event,), flat index of each pixel with photons, and int64 (event,), how many
    """
    pixel, photons = np.empty(screen.pixel.shape[0], np.uint32), np.empty(screen.pixel.shape[0], np.int64)
    lit = 0
    for p in range(screen.pixel.shape[0]):
        if screen.pixel[p, 3] == 0:
            continue
        sx, sy, sz, factor = scattering(shot, screen.pixel[p, 0], screen.pixel[p, 1], screen.pixel[p, 2])
        mean = factor * intensity_at(body, shot, sx, sy, sz) + background_at(screen, shot, p)
        _, count = poisson(part_key(shot.key, FIRST + p), mean)
        pixel[lit], photons[lit] = p, count
        lit += count > 0
    return pixel[:lit], photons[:lit]
