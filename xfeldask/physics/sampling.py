"""Photons of a shot, drawn exactly.

The photons of a pattern are an inhomogeneous Poisson process over the pixels, so they can be drawn by
thinning (Lewis and Shedler, Naval Research Logistics 26, 403, 1979): candidates come from an upper bound
of the expected photons and are kept with probability expected / bound. The bound is constant over a tile
of pixels; a candidate is first held against the tighter bound of its grid cell, and only if it survives
is the amplitude evaluated. Where the bound promises more candidates than drawing every pixel would cost,
every pixel is drawn.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from xfeldask.physics.draws import GOLDEN, exponential, mix, poisson, unit
from xfeldask.physics.elementary import cosine_sine
from xfeldask.physics.jit import inline_kernel, kernel
from xfeldask.physics.volume import cell_of, interpolate_at, within

CANDIDATES_PER_PIXEL = 0.6
"""Above this many candidates a pixel, drawing every pixel takes less time than thinning."""

BATCH = 1024
"""Candidates thinned together."""


class Level(NamedTuple):
    """A `Bound` as kernels take it: ``per_s`` cells a 1/m."""

    cell: NDArray[np.float32]
    reach: NDArray[np.float32]
    side: int
    origin: float
    per_s: float


class Scatterer(NamedTuple):
    """A `Volume` and its bounds as kernels take them; ``per_s`` grid steps a 1/m."""

    grid: NDArray[np.float32]
    taps: NDArray[np.float32]
    origin: float
    per_s: float
    coarse: Level
    fine: Level


class Screen(NamedTuple):
    """Pixels and tiles as kernels take them.

    Attributes
    ----------
    pixel : float32 (n, 4), position x, y, z [m], and 1 for a good pixel, 0 for a masked one
    stride : int, pixels from one row of a panel to the next
    center, spread, tile : see `Tiles`
    first_fine : int, the first tile of level 1; those before it are of level 0
    """

    pixel: NDArray[np.float32]
    stride: int
    center: NDArray[np.float64]
    spread: NDArray[np.float64]
    tile: NDArray[np.int64]
    first_fine: int


class Shot(NamedTuple):
    """What is known of a shot before its photons are drawn; ``k`` particles.

    Attributes
    ----------
    rotation : float64 (k, 3, 3), r' = R r
    position : float64 (k, 3) [m]
    strength : float64 (k,), square root of fluence x pixel area x r_e^2
    size : float64 (k,), F(s) is taken at size x s
    wavenumber : float, 1 / wavelength [1/m]
    center : float64 (2,), where the beam meets the detector [m]
    background : float, expected photons a pixel
    key : uint64, of the photons' random stream
    """

    rotation: NDArray[np.float64]
    position: NDArray[np.float64]
    strength: NDArray[np.float64]
    size: NDArray[np.float64]
    wavenumber: float
    center: NDArray[np.float64]
    background: float
    key: np.uint64


@inline_kernel
def scattering(shot: Shot, x: float, y: float, z: float) -> tuple[float, float, float, float]:
    """Scattering vector [1/m] and polarization x solid angle / area [1/m^2] of a pixel at (x, y, z) [m].

    Examples
    --------
    >>> one = Shot(np.eye(3)[None], np.zeros((1, 3)), np.ones(1), np.ones(1), 1e10, np.zeros(2), 0.0, np.uint64(1))
    >>> # where the beam meets the detector nothing is scattered off, and a pixel's area counts in full
    >>> scattering(one, 0.0, 0.0, 0.1)
    (0.0, 0.0, -0.0, 100.0)
    """
    x, y = x - shot.center[0], y - shot.center[1]
    inverse_r = 1.0 / np.sqrt(x * x + y * y + z * z)
    f = shot.wavenumber * inverse_r
    # z / r - 1 without cancellation
    sz = -(x * x + y * y) * inverse_r / (1.0 + z * inverse_r) * f
    cosine = x * inverse_r
    return x * f, y * f, sz, (1.0 - cosine * cosine) * z * inverse_r * inverse_r * inverse_r


@inline_kernel
def _in_frame(shot: Shot, k: int, sx: float, sy: float, sz: float) -> tuple[float, float, float]:
    """``size * R^T s`` of particle `k`."""
    r, size = shot.rotation[k], shot.size[k]
    return (
        (r[0, 0] * sx + r[1, 0] * sy + r[2, 0] * sz) * size,
        (r[0, 1] * sx + r[1, 1] * sy + r[2, 1] * sz) * size,
        (r[0, 2] * sx + r[1, 2] * sy + r[2, 2] * sz) * size,
    )


@inline_kernel
def _cells(level: Level, shot: Shot, k: int, sx: float, sy: float, sz: float) -> np.uint64:
    """Flat index of the bound cell that holds particle `k`'s view of `s`."""
    a, b, c = _in_frame(shot, k, sx, sy, sz)
    side = np.uint64(level.side)
    i = cell_of(a * level.per_s + level.origin)
    j = cell_of(b * level.per_s + level.origin)
    return within((i * side + j) * side + cell_of(c * level.per_s + level.origin), level.cell.size)


@inline_kernel
def _intensity(body: Scatterer, shot: Shot, sx: float, sy: float, sz: float) -> float:
    """Squared modulus of the particles' summed amplitudes, each at its place."""
    re = im = 0.0
    for k in range(shot.strength.size):
        a, b, c = _in_frame(shot, k, sx, sy, sz)
        f_re, f_im = interpolate_at(
            body.grid,
            body.taps,
            a * body.per_s + body.origin,
            b * body.per_s + body.origin,
            c * body.per_s + body.origin,
        )
        f_re, f_im = f_re * shot.strength[k], f_im * shot.strength[k]
        if shot.strength.size == 1:
            return float(f_re * f_re + f_im * f_im)
        d = shot.position[k]
        cosine, sine = cosine_sine(sx * d[0] + sy * d[1] + sz * d[2])
        re += f_re * cosine - f_im * sine
        im += f_re * sine + f_im * cosine
    return re * re + im * im


@kernel
def expected(body: Scatterer, screen: Screen, shot: Shot, out: NDArray[np.float32]) -> None:
    """Write the expected photons of every pixel, background included; 0 where masked. `out` (n,)."""
    for p in range(out.size):
        out[p] = 0.0
        if screen.pixel[p, 3] > 0:
            sx, sy, sz, factor = scattering(shot, screen.pixel[p, 0], screen.pixel[p, 1], screen.pixel[p, 2])
            out[p] = factor * _intensity(body, shot, sx, sy, sz) + shot.background


@kernel
def tile_rates(body: Scatterer, screen: Screen, shot: Shot, rate: NDArray[np.float64]) -> float:
    """Write each tile's bound of the expected photons a pixel; returns the expected candidates."""
    first = screen.first_fine
    _level_rates(body.coarse, screen, shot, rate, 0, first)
    _level_rates(body.fine, screen, shot, rate, first, rate.size)
    total = 0.0
    for t in range(rate.size):
        total += rate[t] * screen.tile[t, 1] * screen.tile[t, 2]
    return total


@kernel
def _level_rates(level: Level, screen: Screen, shot: Shot, rate: NDArray[np.float64], start: int, stop: int) -> None:
    # arithmetic and look-ups in loops of their own: the processor then waits for many cells at once
    cell = np.empty((shot.strength.size, stop - start), np.uint64)
    for t in range(start, stop):
        x, y, z = screen.center[t, 0], screen.center[t, 1], screen.center[t, 2]
        sx, sy, sz, _ = scattering(shot, x, y, z)
        x, y = x - shot.center[0], y - shot.center[1]
        nearest = np.sqrt(x * x + y * y + z * z) - screen.spread[t]
        # a tile that reaches to the particle is bounded by nothing
        rate[t] = (z + screen.spread[t]) / (nearest * nearest * nearest) if nearest > 0 else np.inf
        for k in range(shot.strength.size):
            cell[k, t - start] = _cells(level, shot, k, sx, sy, sz)
    for t in range(start, stop):
        bound = 0.0
        for k in range(shot.strength.size):
            bound += shot.strength[k] * level.reach[cell[k, t - start]]
        rate[t] *= bound * bound


@kernel
def _with_room(photons: NDArray[np.uint32], drawn: int, more: int) -> NDArray[np.uint32]:
    """Return the first `drawn` photons, with room for `more` behind them."""
    if drawn + more <= photons.size:
        return photons
    larger = np.empty(2 * drawn + more, np.uint32)
    larger[:drawn] = photons[:drawn]
    return larger


@kernel
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
    uint32 (photon,), flat index of the pixel of each photon, in no order
    """
    state = shot.key + GOLDEN
    photons, drawn = np.empty(BATCH, np.uint32), 0
    pixel = np.empty(BATCH, np.int64)
    threshold = np.empty(BATCH)
    reached = 0.0
    arrival = exponential(mix(state))
    waiting = 0
    for t in range(rate.size):
        height, width = screen.tile[t, 1], screen.tile[t, 2]
        reached += rate[t] * height * width
        level = body.fine if t >= screen.first_fine else body.coarse
        while arrival < reached:
            state += GOLDEN
            inside = int(unit(mix(state)) * (height * width))
            row = inside // width
            pixel[waiting] = screen.tile[t, 0] + row * screen.stride + (inside - row * width)
            state += GOLDEN
            threshold[waiting] = unit(mix(state)) * rate[t]
            waiting += 1
            state += GOLDEN
            arrival += exponential(mix(state))
            if waiting == BATCH:
                kept = _thin(body, level, screen, shot, pixel, threshold, waiting)
                photons, drawn = _appended(photons, drawn, pixel, kept)
                waiting = 0
        if t + 1 == screen.first_fine or t + 1 == rate.size:
            kept = _thin(body, level, screen, shot, pixel, threshold, waiting)
            photons, drawn = _appended(photons, drawn, pixel, kept)
            waiting = 0
    pixels = screen.pixel.shape[0]
    state, scattered = poisson(state, shot.background * pixels)
    photons = _with_room(photons, drawn, scattered)
    for _ in range(scattered):
        state += GOLDEN
        p = int(unit(mix(state)) * pixels)
        photons[drawn] = p
        drawn += screen.pixel[p, 3] > 0
    return photons[:drawn]


@kernel
def _thin(
    body: Scatterer,
    level: Level,
    screen: Screen,
    shot: Shot,
    pixel: NDArray[np.int64],
    threshold: NDArray[np.float64],
    count: int,
) -> int:
    """Move the candidates that are photons to the front of `pixel`; returns how many they are.

    A candidate is one if its `threshold`, uniform below its tile's bound, lies below the expected photons.
    """
    s = np.empty((count, 3))
    cell = np.empty((shot.strength.size, count), np.uint64)
    for c in range(count):
        p = np.uint64(pixel[c])
        x, y, z = screen.pixel[p, 0], screen.pixel[p, 1], screen.pixel[p, 2]
        sx, sy, sz, factor = scattering(shot, x, y, z)
        s[c, 0], s[c, 1], s[c, 2] = sx, sy, sz
        threshold[c] = threshold[c] / factor if screen.pixel[p, 3] > 0 else np.inf
        for k in range(shot.strength.size):
            cell[k, c] = _cells(level, shot, k, sx, sy, sz)
    likely = 0
    for c in range(count):
        bound = 0.0
        for k in range(shot.strength.size):
            bound += shot.strength[k] * level.cell[cell[k, c]]
        pixel[likely], threshold[likely] = pixel[c], threshold[c]
        s[likely, 0], s[likely, 1], s[likely, 2] = s[c, 0], s[c, 1], s[c, 2]
        likely += threshold[c] < bound * bound
    kept = 0
    for c in range(likely):
        pixel[kept] = pixel[c]
        kept += threshold[c] < _intensity(body, shot, s[c, 0], s[c, 1], s[c, 2])
    return kept


@kernel
def draw_every_pixel(body: Scatterer, screen: Screen, shot: Shot) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
    """Draw the photons of a shot pixel by pixel.

    Returns
    -------
    uint32 (event,), flat index of each pixel with photons, and int64 (event,), how many
    """
    state = shot.key
    pixel, photons = np.empty(screen.pixel.shape[0], np.uint32), np.empty(screen.pixel.shape[0], np.int64)
    lit = 0
    for p in range(screen.pixel.shape[0]):
        if screen.pixel[p, 3] == 0:
            continue
        sx, sy, sz, factor = scattering(shot, screen.pixel[p, 0], screen.pixel[p, 1], screen.pixel[p, 2])
        mean = factor * _intensity(body, shot, sx, sy, sz) + shot.background
        state, count = poisson(state, mean)
        pixel[lit], photons[lit] = p, count
        lit += count > 0
    return pixel[:lit], photons[:lit]
