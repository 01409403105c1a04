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
from xfeldask.physics.jit import inline_kernel, inner_inline_kernel, inner_kernel, kernel
from xfeldask.physics.spheroid import spheroid_at, spheroid_bound, turns_of
from xfeldask.physics.volume import cell_of, interpolate_at, within

CANDIDATES_PER_PIXEL = 0.6
"""Above this many candidates a pixel, drawing every pixel takes less time than thinning."""

BATCH = 1024
"""Candidates thinned together."""


class Level(NamedTuple):
    """Bounds of all bodies as kernels take them, one behind another: see `Bound`.

    Attributes
    ----------
    cell, reach : float32 (cells of all bodies,)
    start : int64 (body,), the first cell of each
    side : int64 (body,), cells a side
    origin, per_s : float64 (body,), coordinate of s = 0 in cells, and cells a 1/m
    distance : float64 (body,), how far from where it is looked up a bound holds [1/m]
    """

    cell: NDArray[np.float32]
    reach: NDArray[np.float32]
    start: NDArray[np.int64]
    side: NDArray[np.int64]
    origin: NDArray[np.float64]
    per_s: NDArray[np.float64]
    distance: NDArray[np.float64]


class Scatterer(NamedTuple):
    """Form factors of all bodies and their bounds as kernels take them.

    Attributes
    ----------
    grid : float32, see `interpolate_at`
    start : int64 (body,), the first number of each on `grid`
    side : int64 (body,), grid points a side; 0 for a spheroid in closed form
    taps : float32 (body, 4, 4)
    origin, per_s : float64 (body,), grid coordinate of s = 0, and grid steps a 1/m
    spheroid : float64 (body, 3), semi-axes across and along z [m], electrons
    coarse, fine : Level
    """

    grid: NDArray[np.float32]
    start: NDArray[np.int64]
    side: NDArray[np.int64]
    taps: NDArray[np.float32]
    origin: NDArray[np.float64]
    per_s: NDArray[np.float64]
    spheroid: NDArray[np.float64]
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
    shade : float32 (n,), background of each pixel over the mean of all; empty where it is uniform
    shaded : float64 (n,), their cumulative sums; empty likewise
    """

    pixel: NDArray[np.float32]
    stride: int
    center: NDArray[np.float64]
    spread: NDArray[np.float64]
    tile: NDArray[np.int64]
    first_fine: int
    shade: NDArray[np.float32]
    shaded: NDArray[np.float64]


class Shot(NamedTuple):
    """What is known of a shot before its photons are drawn; ``k`` bodies, each a particle or a member of one.

    Attributes
    ----------
    rotation : float64 (k, 3, 3), r' = R r
    position : float64 (k, 3) [m]
    strength : float64 (k,), square root of fluence x pixel area x r_e^2
    size : float64 (k,), F(s) is taken at size x s
    wavenumber : float, 1 / wavelength [1/m]
    center : float64 (2,), where the beam meets the detector [m]
    background : float, expected photons a pixel, on average over all
    key : uint64, of the photons' random stream
    body : int64 (k,), whose form factor each has
    """

    rotation: NDArray[np.float64]
    position: NDArray[np.float64]
    strength: NDArray[np.float64]
    size: NDArray[np.float64]
    wavenumber: float
    center: NDArray[np.float64]
    background: float
    key: np.uint64
    body: NDArray[np.int64]


@inline_kernel
def scattering(shot: Shot, x: float, y: float, z: float) -> tuple[float, float, float, float]:
    """Scattering vector [1/m] and polarization x solid angle / area [1/m^2] of a pixel at (x, y, z) [m].

    Examples
    --------
    >>> one = Shot(np.eye(3)[None], np.zeros((1, 3)), np.ones(1), np.ones(1), 1e10, np.zeros(2), 0.0, np.uint64(1),
    ...            np.zeros(1, np.int64))
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


@inner_inline_kernel
def _in_frame(shot: Shot, k: int, sx: float, sy: float, sz: float) -> tuple[float, float, float]:
    """``size * R^T s`` of body `k`."""
    r, size = shot.rotation[k], shot.size[k]
    return (
        (r[0, 0] * sx + r[1, 0] * sy + r[2, 0] * sz) * size,
        (r[0, 1] * sx + r[1, 1] * sy + r[2, 1] * sz) * size,
        (r[0, 2] * sx + r[1, 2] * sy + r[2, 2] * sz) * size,
    )


@inner_inline_kernel
def _cells(level: Level, shot: Shot, k: int, sx: float, sy: float, sz: float) -> np.uint64:
    """Index of the bound cell that holds body `k`'s view of `s`."""
    a, b, c = _in_frame(shot, k, sx, sy, sz)
    body = shot.body[k]
    per_s, origin, n = level.per_s[body], level.origin[body], level.side[body]
    side = np.uint64(n)
    i = cell_of(a * per_s + origin)
    j = cell_of(b * per_s + origin)
    return np.uint64(level.start[body]) + within((i * side + j) * side + cell_of(c * per_s + origin), n * n * n)


@inner_kernel
def _add_bound(
    body: Scatterer,
    level: Level,
    shot: Shot,
    k: int,
    s: NDArray[np.float64],
    near: bool,
    cell: NDArray[np.uint64],
    bound: NDArray[np.float64],
) -> None:
    """Add what bounds the amplitude of body `k` at each `s` (n, 3), or `near` it, to `bound` (n,)."""
    which, strength = shot.body[k], shot.strength[k]
    if body.side[which] == 0:
        across, along, electrons = body.spheroid[which, 0], body.spheroid[which, 1], body.spheroid[which, 2]
        slack = level.distance[which] * shot.size[k] * max(across, along) if near else 0.0
        for c in range(bound.size):
            x, y, z = _in_frame(shot, k, s[c, 0], s[c, 1], s[c, 2])
            bound[c] += strength * (electrons * spheroid_bound(turns_of(across, along, x, y, z) - slack))
        return
    # arithmetic and look-ups in loops of their own: the processor then waits for many cells at once
    for c in range(bound.size):
        cell[c] = _cells(level, shot, k, s[c, 0], s[c, 1], s[c, 2])
    values = level.reach if near else level.cell
    for c in range(bound.size):
        bound[c] += strength * values[cell[c]]


@inner_inline_kernel
def _amplitude(body: Scatterer, shot: Shot, k: int, sx: float, sy: float, sz: float) -> tuple[float, float]:
    """Amplitude of body `k`, as if it were at 0."""
    a, b, c = _in_frame(shot, k, sx, sy, sz)
    which = shot.body[k]
    if body.side[which] == 0:
        turns = turns_of(body.spheroid[which, 0], body.spheroid[which, 1], a, b, c)
        return body.spheroid[which, 2] * spheroid_at(turns) * shot.strength[k], 0.0
    per_s, origin = body.per_s[which], body.origin[which]
    f_re, f_im = interpolate_at(
        body.grid,
        body.start[which],
        body.side[which],
        body.taps[which],
        a * per_s + origin,
        b * per_s + origin,
        c * per_s + origin,
    )
    return f_re * shot.strength[k], f_im * shot.strength[k]


@inner_inline_kernel
def _intensity(body: Scatterer, shot: Shot, sx: float, sy: float, sz: float) -> float:
    """Squared modulus of the bodies' summed amplitudes, each at its place."""
    re = im = 0.0
    for k in range(shot.strength.size):
        f_re, f_im = _amplitude(body, shot, k, sx, sy, sz)
        if shot.strength.size == 1:
            return float(f_re * f_re + f_im * f_im)
        d = shot.position[k]
        cosine, sine = cosine_sine(sx * d[0] + sy * d[1] + sz * d[2])
        re += f_re * cosine - f_im * sine
        im += f_re * sine + f_im * cosine
    return re * re + im * im


@inner_inline_kernel
def _background(screen: Screen, shot: Shot, p: int) -> float:
    """Return the expected background photons of a pixel."""
    return shot.background if screen.shade.size == 0 else shot.background * screen.shade[p]


@kernel
def expected(body: Scatterer, screen: Screen, shot: Shot, out: NDArray[np.float32]) -> None:
    """Write the expected photons of every pixel, background included; 0 where masked. `out` (n,)."""
    for p in range(out.size):
        out[p] = 0.0
        if screen.pixel[p, 3] > 0:
            sx, sy, sz, factor = scattering(shot, screen.pixel[p, 0], screen.pixel[p, 1], screen.pixel[p, 2])
            out[p] = factor * _intensity(body, shot, sx, sy, sz) + _background(screen, shot, p)


@kernel
def tile_rates(body: Scatterer, screen: Screen, shot: Shot, rate: NDArray[np.float64]) -> float:
    """Write each tile's bound of the expected photons a pixel; returns the expected candidates."""
    first = screen.first_fine
    _level_rates(body, body.coarse, screen, shot, rate, 0, first)
    _level_rates(body, body.fine, screen, shot, rate, first, rate.size)
    total = 0.0
    for t in range(rate.size):
        total += rate[t] * screen.tile[t, 1] * screen.tile[t, 2]
    return total


@inner_kernel
def _level_rates(
    body: Scatterer, level: Level, screen: Screen, shot: Shot, rate: NDArray[np.float64], start: int, stop: int
) -> None:
    s, cell, bound = np.empty((stop - start, 3)), np.empty(stop - start, np.uint64), np.zeros(stop - start)
    for t in range(start, stop):
        x, y, z = screen.center[t, 0], screen.center[t, 1], screen.center[t, 2]
        s[t - start, 0], s[t - start, 1], s[t - start, 2], _ = scattering(shot, x, y, z)
        x, y = x - shot.center[0], y - shot.center[1]
        nearest = np.sqrt(x * x + y * y + z * z) - screen.spread[t]
        # a tile that reaches to the particle is bounded by nothing
        rate[t] = (z + screen.spread[t]) / (nearest * nearest * nearest) if nearest > 0 else np.inf
    for k in range(shot.strength.size):
        _add_bound(body, level, shot, k, s, True, cell, bound)
    for t in range(start, stop):
        rate[t] *= bound[t - start] * bound[t - start]


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
        is_fine = t >= screen.first_fine
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
                kept = _thin(body, is_fine, screen, shot, pixel, threshold, waiting)
                photons, drawn = _appended(photons, drawn, pixel, kept)
                waiting = 0
        if t + 1 == screen.first_fine or t + 1 == rate.size:
            kept = _thin(body, is_fine, screen, shot, pixel, threshold, waiting)
            photons, drawn = _appended(photons, drawn, pixel, kept)
            waiting = 0
    pixels, is_uniform = screen.pixel.shape[0], screen.shaded.size == 0
    state, scattered = poisson(state, shot.background * (pixels if is_uniform else screen.shaded[-1]))
    photons = _with_room(photons, drawn, scattered)
    for _ in range(scattered):
        state += GOLDEN
        u = unit(mix(state))
        p = int(u * pixels) if is_uniform else np.searchsorted(screen.shaded, u * screen.shaded[-1], side="right")
        photons[drawn] = p
        drawn += screen.pixel[p, 3] > 0
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

    A candidate is one if its `threshold`, uniform below its tile's bound, lies below the expected photons.
    """
    s, cell, bound = np.empty((count, 3)), np.empty(count, np.uint64), np.zeros(count)
    for c in range(count):
        p = np.uint64(pixel[c])
        x, y, z = screen.pixel[p, 0], screen.pixel[p, 1], screen.pixel[p, 2]
        s[c, 0], s[c, 1], s[c, 2], factor = scattering(shot, x, y, z)
        threshold[c] = threshold[c] / factor if screen.pixel[p, 3] > 0 else np.inf
    # chosen here, as copies of a level are counted
    level = body.fine if is_fine else body.coarse
    for k in range(shot.strength.size):
        _add_bound(body, level, shot, k, s, False, cell, bound)
    likely = 0
    for c in range(count):
        pixel[likely], threshold[likely] = pixel[c], threshold[c]
        s[likely, 0], s[likely, 1], s[likely, 2] = s[c, 0], s[c, 1], s[c, 2]
        likely += threshold[c] < bound[c] * bound[c]
    _intensities(body, shot, s[:likely], bound)
    kept = 0
    for c in range(likely):
        pixel[kept] = pixel[c]
        kept += threshold[c] < bound[c]
    return kept


@inner_kernel
def _intensities(body: Scatterer, shot: Shot, s: NDArray[np.float64], out: NDArray[np.float64]) -> None:
    """Write `_intensity` at each `s` (n, 3), by a loop of its own where there is but one body, on a grid."""
    if shot.strength.size != 1 or body.side[shot.body[0]] == 0:
        for c in range(len(s)):
            out[c] = _intensity(body, shot, s[c, 0], s[c, 1], s[c, 2])
        return
    which, strength = shot.body[0], shot.strength[0]
    start, side, taps = body.start[which], body.side[which], body.taps[which]
    per_s, origin = body.per_s[which], body.origin[which]
    for c in range(len(s)):
        x, y, z = _in_frame(shot, 0, s[c, 0], s[c, 1], s[c, 2])
        f_re, f_im = interpolate_at(
            body.grid, start, side, taps, x * per_s + origin, y * per_s + origin, z * per_s + origin
        )
        re, im = f_re * strength, f_im * strength
        out[c] = re * re + im * im


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
        mean = factor * _intensity(body, shot, sx, sy, sz) + _background(screen, shot, p)
        state, count = poisson(state, mean)
        pixel[lit], photons[lit] = p, count
        lit += count > 0
    return pixel[:lit], photons[:lit]
