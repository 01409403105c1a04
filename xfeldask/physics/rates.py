"""Upper bounds of what a shot scatters: of each tile, from which candidates come, and of each candidate's cell.

Bounds of one place and of many have the same bits.
"""

from __future__ import annotations

from math import sqrt

import numpy as np
from numpy.typing import NDArray

from xfeldask.physics.jit import inner_inline_kernel, inner_kernel, kernel
from xfeldask.physics.scattering import Level, Scatterer, Screen, Shot, in_frame, scattering
from xfeldask.physics.spheroid import spheroid_bound, turns_of
from xfeldask.physics.volume import cell_of, within


@inner_inline_kernel
def _cells(level: Level, shot: Shot, k: int, sx: float, sy: float, sz: float) -> np.uint64:
    """Index of the bound cell that holds body `k`'s view of `s`."""
    a, b, c = in_frame(shot, k, sx, sy, sz)
    body = shot.body[k]
    per_s, origin, n = level.per_s[body], level.origin[body], level.side[body]
    side = np.uint64(n)
    i = cell_of(a * per_s + origin)
    j = cell_of(b * per_s + origin)
    return np.uint64(level.start[body]) + within((i * side + j) * side + cell_of(c * per_s + origin), n * n * n)


@inner_inline_kernel
def _of_spheroid(
    body: Scatterer, level: Level, shot: Shot, k: int, sx: float, sy: float, sz: float, near: bool
) -> float:
    """Bound of the amplitude of a body in closed form."""
    which = shot.body[k]
    across, along, electrons = body.spheroid[which, 0], body.spheroid[which, 1], body.spheroid[which, 2]
    slack = level.distance[which] * shot.size[k] * max(across, along) if near else 0.0
    x, y, z = in_frame(shot, k, sx, sy, sz)
    return float(shot.strength[k] * (electrons * spheroid_bound(turns_of(across, along, x, y, z) - slack)))


@inner_inline_kernel
def bound_at(body: Scatterer, level: Level, shot: Shot, sx: float, sy: float, sz: float, near: bool) -> float:
    """Return what bounds the summed amplitude of all bodies at an `s`, or `near` it."""
    bound = 0.0
    for k in range(shot.strength.size):
        if body.side[shot.body[k]] == 0:
            bound += _of_spheroid(body, level, shot, k, sx, sy, sz, near)
        else:
            cell = _cells(level, shot, k, sx, sy, sz)
            bound += shot.strength[k] * (level.reach[cell] if near else level.cell[cell])
    return bound


@inner_kernel
def add_bounds(
    body: Scatterer,
    level: Level,
    shot: Shot,
    s: NDArray[np.float64],
    near: bool,
    cell: NDArray[np.uint64],
    bound: NDArray[np.float64],
) -> None:
    """Add `bound_at` of each `s` (n, 3) to `bound` (n,), which holds zeros; `cell` (n,) is overwritten."""
    for k in range(shot.strength.size):
        if body.side[shot.body[k]] == 0:
            for c in range(bound.size):
                bound[c] += _of_spheroid(body, level, shot, k, s[c, 0], s[c, 1], s[c, 2], near)
            continue
        # arithmetic and look-ups in loops of their own: the processor then waits for many cells at once
        for c in range(bound.size):
            cell[c] = _cells(level, shot, k, s[c, 0], s[c, 1], s[c, 2])
        values, strength = level.reach if near else level.cell, shot.strength[k]
        for c in range(bound.size):
            bound[c] += strength * values[cell[c]]


@inner_inline_kernel
def seen(screen: Screen, shot: Shot, t: int) -> tuple[float, float, float, float]:
    """Scattering vector [1/m] of a tile's centre, and a bound of polarization x solid angle / area [1/m^2]."""
    x, y, z = screen.center[t, 0], screen.center[t, 1], screen.center[t, 2]
    sx, sy, sz, _ = scattering(shot, x, y, z)
    x, y = x - shot.center[0], y - shot.center[1]
    nearest = sqrt(x * x + y * y + z * z) - screen.spread[t]
    # a tile that reaches to the particle is bounded by nothing
    factor = (z + screen.spread[t]) / (nearest * nearest * nearest) if nearest > 0 else np.inf
    return sx, sy, sz, factor


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
        i = t - start
        s[i, 0], s[i, 1], s[i, 2], rate[t] = seen(screen, shot, t)
    add_bounds(body, level, shot, s, True, cell, bound)
    for t in range(start, stop):
        rate[t] *= bound[t - start] * bound[t - start]
