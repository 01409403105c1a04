"""Compiled loops: slices of intensities, photons against them, and the way back.

`TILE` rotations that are neighbours are taken together: their slices lie side by side, (pixel, rotation), so that one
photon is added to all of them at once. What is summed is summed in the order of shots, of photons and of rotations,
whoever works on which tile.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from xfeldask.orient.rotations import TILE
from xfeldask.physics.jit import inner_inline_kernel, kernel

Array = NDArray[Any]

NOTHING = -50.0
"""Logarithm below which a share of the likeliest rotation's probability is 0: not seen in a sum of millions."""


@inner_inline_kernel
def _cell(x: float, n: int) -> int:
    """Grid point below a coordinate, kept inside."""
    return min(max(int(np.floor(x)), 0), n - 2)


@kernel
def slices(model: Array, at: Array, turn: Array, out: Array) -> None:
    """Intensities at pixels in the frame of a particle turned by each rotation, by trilinear interpolation.

    Parameters
    ----------
    model : float (n, n, n), index n // 2 is s = 0
    at : float64 (pixel, 3), scattering vectors in grid steps
    turn : float64 (rotation, 3, 3); what a pixel sees lies at R^T s
    out : float (pixel, rotation)
    """
    n = model.shape[0]
    middle = n // 2
    for t in range(turn.shape[0]):
        r = turn[t]
        for p in range(at.shape[0]):
            x = at[p, 0] * r[0, 0] + at[p, 1] * r[1, 0] + at[p, 2] * r[2, 0] + middle
            y = at[p, 0] * r[0, 1] + at[p, 1] * r[1, 1] + at[p, 2] * r[2, 1] + middle
            z = at[p, 0] * r[0, 2] + at[p, 1] * r[1, 2] + at[p, 2] * r[2, 2] + middle
            i, j, k = _cell(x, n), _cell(y, n), _cell(z, n)
            u, v, w = x - i, y - j, z - k
            a = (1 - w) * model[i, j, k] + w * model[i, j, k + 1]
            b = (1 - w) * model[i, j + 1, k] + w * model[i, j + 1, k + 1]
            c = (1 - w) * model[i + 1, j, k] + w * model[i + 1, j, k + 1]
            d = (1 - w) * model[i + 1, j + 1, k] + w * model[i + 1, j + 1, k + 1]
            out[p, t] = (1 - u) * ((1 - v) * a + v * b) + u * ((1 - v) * c + v * d)


@kernel
def spread(values: Array, factor: Array, weight: Array, at: Array, turn: Array, grid: Array) -> None:
    """Add slices to a grid, the adjoint of `slices`, and beside them how much was looked there.

    Parameters
    ----------
    values : float64 (pixel, rotation), what was counted
    factor : float64 (pixel,), what each pixel sees
    weight : float64 (rotation,), exposure of each slice; those of 0 are left out
    at, turn : as of `slices`
    grid : float64 (n, n, n, 2), sums of both
    """
    n = grid.shape[0]
    middle = n // 2
    for t in range(turn.shape[0]):
        if weight[t] == 0:
            continue
        r = turn[t]
        for p in range(at.shape[0]):
            value, seen = values[p, t], factor[p] * weight[t]
            x = at[p, 0] * r[0, 0] + at[p, 1] * r[1, 0] + at[p, 2] * r[2, 0] + middle
            y = at[p, 0] * r[0, 1] + at[p, 1] * r[1, 1] + at[p, 2] * r[2, 1] + middle
            z = at[p, 0] * r[0, 2] + at[p, 1] * r[1, 2] + at[p, 2] * r[2, 2] + middle
            i, j, k = _cell(x, n), _cell(y, n), _cell(z, n)
            u, v, w = x - i, y - j, z - k
            for a in range(2):
                ua = u if a else 1 - u
                for b in range(2):
                    uv = ua * (v if b else 1 - v)
                    row = grid[i + a, j + b]
                    row[k, 0] += uv * (1 - w) * value
                    row[k, 1] += uv * (1 - w) * seen
                    row[k + 1, 0] += uv * w * value
                    row[k + 1, 1] += uv * w * seen


@kernel
def expand(
    table: Array, level: Array, start: Array, end: Array, pixel: Array, count: Array, shots: Array, out: Array
) -> None:
    """Log likelihoods of shots at the rotations of a tile.

    Parameters
    ----------
    table : float32 (level, pixel, TILE), as of `shares.contrasts`
    level : int64 (shot,), which of the tables is that of each shot
    start, end : int64 (shot,), photons that count
    pixel, count : (event,)
    shots : int32 (visit,), who is compared with the tile
    out : float32 (visit, TILE)
    """
    for v in range(shots.size):
        e, last = start[shots[v]], end[shots[v]]
        row, own = out[v], table[level[shots[v]]]
        row[:] = 0
        while e + 4 <= last:
            a, b, c, d = own[pixel[e]], own[pixel[e + 1]], own[pixel[e + 2]], own[pixel[e + 3]]
            na, nb = np.float32(count[e]), np.float32(count[e + 1])
            nc, nd = np.float32(count[e + 2]), np.float32(count[e + 3])
            for t in range(TILE):
                row[t] += (na * a[t] + nb * b[t]) + (nc * c[t] + nd * d[t])
            e += 4
        while e < last:
            a = own[pixel[e]]
            na = np.float32(count[e])
            for t in range(TILE):
                row[t] += na * a[t]
            e += 1


@kernel
def compress(
    probability: Array, start: Array, end: Array, pixel: Array, count: Array, shots: Array, photons: Array,
    signal: Array, level: Array, out: Array, weight: Array,
) -> None:  # fmt: skip
    """Add up photons of shots at the rotations of a tile, each shot with its probabilities; the adjoint of `expand`.

    Parameters
    ----------
    probability : float32 (visit, TILE)
    start, end, pixel, count, shots : as of `expand`
    photons : float64 (shot,), that particles scattered
    signal : float32 (level, pixel, TILE), as of `shares.scattered`; of no level where there is no background
    level : int64 (shot,), as of `expand`
    out : float64 (pixel, TILE), to which is added
    weight : float64 (TILE,), photons of all shots with their probabilities, to which is added
    """
    for v in range(shots.size):
        row = probability[v]
        some = False
        for t in range(TILE):
            some |= row[t] > 0
        if not some:
            continue
        for t in range(TILE):
            weight[t] += row[t] * photons[shots[v]]
        if signal.shape[0] == 0:
            for e in range(start[shots[v]], end[shots[v]]):
                sums, n = out[pixel[e]], np.float32(count[e])
                for t in range(TILE):
                    sums[t] += n * row[t]
            continue
        own = signal[level[shots[v]]]
        for e in range(start[shots[v]], end[shots[v]]):
            sums, part, n = out[pixel[e]], own[pixel[e]], np.float32(count[e])
            for t in range(TILE):
                sums[t] += n * row[t] * part[t]


@kernel
def softmax(
    likelihood: Array, start: Array, visit: Array, prior: Array, total: Array, tile: Array, exponent: float,
    least: float, evidence: Array, information: Array, exposure: Array,
) -> None:  # fmt: skip
    """Turn log likelihoods into probabilities, in place.

    Parameters
    ----------
    likelihood : float32 (visit, TILE)
    start : int64 (shot + 1,), visits of each shot in `visit`
    visit : int64, rows of `likelihood` and `tile`
    prior : float64 (tile, TILE), logarithms; minus infinity for rotations that are none
    total : float64 (tile, TILE), sums of the slices
    tile : int32 (visit,)
    exponent : of the likelihood
    least : probability below which it counts as 0
    evidence : float64 (shot,), log of the likelihood's mean over rotations
    information : float64 (shot,), what the shot tells of its rotation [nat]
    exposure : float64 (shot,), mean of 1 over the sum of the slice
    """
    for shot in range(start.size - 1):
        rows = visit[start[shot] : start[shot + 1]]
        top = whole = -np.inf
        for v in rows:
            for t in range(TILE):
                whole = max(whole, likelihood[v, t] + prior[tile[v], t])
                top = max(top, exponent * likelihood[v, t] + prior[tile[v], t])
        mean = weight = 0.0
        for v in rows:
            for t in range(TILE):
                weight += _share(exponent * likelihood[v, t] + prior[tile[v], t] - top)
                if exponent != 1:
                    mean += _share(likelihood[v, t] + prior[tile[v], t] - whole)
        evidence[shot] = np.log(weight if exponent == 1 else mean) + whole
        known, seen, all_of_them = 0.0, 0.0, np.log(weight)
        for v in rows:
            for t in range(TILE):
                above = exponent * likelihood[v, t] - top
                p = _share(above + prior[tile[v], t]) / weight
                if p > 0:
                    known += p * (above - all_of_them)
                    seen += p / total[tile[v], t]
                likelihood[v, t] = p if p >= least else 0
        information[shot], exposure[shot] = known, seen


@inner_inline_kernel
def _share(x: float) -> float:
    """Exponential of a logarithm, 0 of one below `NOTHING`."""
    return np.exp(x) if x > NOTHING else 0.0


@kernel
def kept(
    probability: Array, start: Array, visit: Array, tile: Array, share: float, rotation: Array, chance: Array
) -> None:
    """Find the likeliest rotations of each shot.

    Parameters
    ----------
    probability : float32 (visit, TILE)
    start, visit, tile : as of `softmax`
    share : of the largest probability that others must have
    rotation : int32 (shot, most), ``tile * TILE + place``, the likeliest first, -1 where there are no more
    chance : float32 (shot, most)
    """
    most = rotation.shape[1]
    rotation[:] = -1
    chance[:] = 0
    for shot in range(start.size - 1):
        for v in visit[start[shot] : start[shot + 1]]:
            for t in range(TILE):
                p = probability[v, t]
                if p <= chance[shot, most - 1]:
                    continue
                i = most - 1
                while i > 0 and chance[shot, i - 1] < p:
                    chance[shot, i], rotation[shot, i] = chance[shot, i - 1], rotation[shot, i - 1]
                    i -= 1
                chance[shot, i], rotation[shot, i] = p, tile[v] * TILE + t
        for i in range(most):
            if chance[shot, i] < share * chance[shot, 0]:
                chance[shot, i], rotation[shot, i] = 0, -1


@kernel
def visits(rotation: Array, near: Array, n_tiles: int, per_model: int, seen: Array, out: Array) -> int:
    """List the tiles that each shot is compared with next: those near its likeliest rotations.

    Parameters
    ----------
    rotation : int32 (shot, most), of the grid before; -1 for none
    near : int32 (rotation of a model, some), tiles near each rotation
    n_tiles : int, of a model in the grid that comes
    per_model : int, rotations of a model in the grid before
    seen : int64 (tile,), -1 everywhere; work space
    out : int64 (visit,), ``tile * shots + shot``, or empty to count only

    Returns
    -------
    int, how many
    """
    shots, found = rotation.shape[0], 0
    for shot in range(shots):
        for r in rotation[shot]:
            if r < 0:
                continue
            model = r // per_model
            for tile in near[r - model * per_model]:
                place = model * n_tiles + tile
                if seen[place] != shot:
                    seen[place] = shot
                    if out.size:
                        out[found] = np.int64(place) * shots + shot
                    found += 1
    return found


@kernel
def turned(grid: Array, turns: Array, out: Array) -> None:
    """Add up a grid turned by each rotation of a group, by trilinear interpolation, and its mirror image through 0.

    Parameters
    ----------
    grid : float64 (n, n, n, 2), 0 at the rim
    turns : float64 (order, 3, 3)
    out : float64 (n, n, n, 2)
    """
    n = grid.shape[0]
    m = n // 2
    for a in range(n):
        for b in range(n):
            for c in range(n):
                i, j, k = a - m, b - m, c - m
                if i * i + j * j + k * k > m * m:
                    continue
                for g in range(turns.shape[0]):
                    r = turns[g]
                    x = r[0, 0] * i + r[0, 1] * j + r[0, 2] * k + m
                    y = r[1, 0] * i + r[1, 1] * j + r[1, 2] * k + m
                    z = r[2, 0] * i + r[2, 1] * j + r[2, 2] * k + m
                    _add_at(grid, x, y, z, out[a, b, c])
                    _add_at(grid, 2 * m - x, 2 * m - y, 2 * m - z, out[a, b, c])


@inner_inline_kernel
def _add_at(grid: Array, x: float, y: float, z: float, out: Array) -> None:
    n = grid.shape[0]
    i, j, k = _cell(x, n), _cell(y, n), _cell(z, n)
    u, v, w = x - i, y - j, z - k
    for a in range(2):
        for b in range(2):
            for c in range(2):
                weight = (u if a else 1 - u) * (v if b else 1 - v) * (w if c else 1 - w)
                out[0] += weight * grid[i + a, j + b, k + c, 0]
                out[1] += weight * grid[i + a, j + b, k + c, 1]


@kernel
def weighed(value: Array, start: Array, end: Array, pixel: Array, count: Array, out: Array) -> None:
    """Sum of a value of the pixels over the photons of each shot.

    Parameters
    ----------
    value : float64 (pixel,)
    start, end, pixel, count : as of `expand`
    out : float64 (shot,)
    """
    for shot in range(out.size):
        total = 0.0
        for e in range(start[shot], end[shot]):
            total += count[e] * value[pixel[e]]
        out[shot] = total
