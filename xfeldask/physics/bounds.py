"""Proven upper bounds of an interpolated form factor, for thinning.

Inside a grid cell the interpolated amplitude is a cubic polynomial along each axis. In the Bernstein
basis such a polynomial lies in the convex hull of its 4 x 4 x 4 control points, so the largest modulus of
those bounds it, overshoot included (Farouki, Computer Aided Geometric Design 29, 379, 2012).
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from math import comb

import numpy as np
from numpy.typing import NDArray

from xfeldask.machine import cores
from xfeldask.physics.interpolation import TAPS
from xfeldask.physics.jit import inner_kernel, kernel
from xfeldask.physics.volume import Volume

ROUNDING = 1 + 1e-5


@dataclass(frozen=True)
class Bound:
    """Upper bounds of abs(F) in cells of ``volume.step / fineness``, around s = 0.

    Attributes
    ----------
    cell : float32 (m, m, m), bound of abs(F) inside the cell [electrons]
    reach : float32 (m, m, m), bound of abs(F) near any point of the cell, as far as was asked for [electrons]
    origin : float, coordinate of s = 0 in cells
    fineness : int, cells a grid step
    """

    cell: NDArray[np.float32]
    reach: NDArray[np.float32]
    origin: float
    fineness: int


def bernstein(taps: NDArray[np.floating], low: float, high: float) -> NDArray[np.float64]:
    """Matrix from four neighbouring coefficients to the control points on ``t`` in [low, high].

    Parameters
    ----------
    taps : (4, 4), power-basis coefficients of the kernel's pieces, as in `Volume`

    Returns
    -------
    (4 control points, 4 taps) float64

    Examples
    --------
    >>> # taps whose pieces are 1, t, t^2 and t^3
    >>> bernstein(np.eye(4), 0, 1).round(3).T.tolist()
    [[1.0, 1.0, 1.0, 1.0], [0.0, 0.333, 0.667, 1.0], [0.0, 0.0, 0.333, 1.0], [0.0, 0.0, 0.0, 1.0]]
    """
    lows, widths = (np.cumprod([1.0, value, value, value]) for value in (low, high - low))
    shifted = np.zeros((TAPS, TAPS))
    for power in range(TAPS):
        for p in range(power, TAPS):
            shifted[power] += taps[p] * comb(p, power) * lows[p - power] * widths[power]
    to_bernstein = np.array([[comb(j, i) / comb(3, i) if i <= j else 0.0 for i in range(TAPS)] for j in range(TAPS)])
    # summed by NumPy, for BLAS rounds as the processor likes
    return np.asarray((to_bernstein[..., None] * shifted).sum(axis=1))


def bound_volume(volume: Volume, s_max: float, distance: float, fineness: int = 1) -> Bound:
    """Bounds for every cell that a ball of radius `distance` around a point of the ball `s_max` touches.

    Parameters
    ----------
    volume : Volume
    s_max : float, largest abs(s) at which the bound will be looked up [1/m]
    distance : float, how far from there the amplitude may be evaluated [1/m]
    fineness : int, cells a grid step; a finer cell has a tighter bound

    Returns
    -------
    Bound

    Examples
    --------
    >>> from xfeldask.physics.interpolation import kernel_pieces
    >>> volume = Volume(np.ones((21, 21, 21), np.complex64), 1e7, 4e7, kernel_pieces(2.0).astype(np.float32))
    >>> bound = bound_volume(volume, s_max=3e7, distance=1e7)
    >>> bound.cell.shape, bool(bound.cell.min() >= 1)
    ((10, 10, 10), True)
    """
    n = volume.values.shape[0]
    margin = int(np.ceil(distance / volume.step)) + 1
    half = min(int(np.ceil(s_max / volume.step)) + margin, n // 2 - TAPS // 2)
    first = n // 2 - 1 - half
    block = volume.values[(slice(first, first + 2 * half + TAPS - 1),) * 3]
    parts = np.stack([block.real, block.imag], axis=2)
    matrices = np.stack([bernstein(volume.taps, q / fineness, (q + 1) / fineness) for q in range(fineness)]).astype(
        np.float32
    )
    cell = np.zeros((2 * half * fineness,) * 3, np.float32)
    slabs_at_once = cores()
    cuts = np.linspace(0, 2 * half, slabs_at_once + 1).astype(int).tolist()
    with ThreadPoolExecutor(slabs_at_once) as pool:
        slabs = [
            pool.submit(_cell_bounds, parts[i : j + TAPS - 1], matrices, cell[i * fineness : j * fineness])
            for i, j in pairwise(cuts)
        ]
    for slab in slabs:
        slab.result()
    np.sqrt(cell, out=cell)
    cell *= np.float32(ROUNDING)
    reach = _largest_within(cell, distance * fineness / volume.step)
    return Bound(cell, reach, float(half * fineness), fineness)


def _largest_within(cell: NDArray[np.float32], radius: float) -> NDArray[np.float32]:
    """Largest of the cells that come closer than `radius` (in cells) to some point of each cell."""
    k = int(np.ceil(radius))
    gap = np.maximum(np.abs(np.arange(-k, k + 1)) - 1, 0) ** 2
    apart = gap[:, None, None] + gap[:, None] + gap
    # a ball is rows along the last axis, here by how far they go to either side; -1 where there is none
    rows = (((apart < radius * radius) | (apart == 0)).sum(axis=2) - 1) // 2
    found, row = cell.copy(), cell.copy()
    for length in range(k + 1):
        if length:
            _raise_shifted(row, cell, (0, 0, length))
            _raise_shifted(row, cell, (0, 0, -length))
        for i, j in np.argwhere(rows == length).tolist():
            _raise_shifted(found, row, (i - k, j - k, 0))
    return found


def _raise_shifted(found: NDArray[np.float32], other: NDArray[np.float32], offset: tuple[int, ...]) -> None:
    """Raise each cell to that of another array which is `offset` away, where there is one."""
    here = tuple(slice(max(0, -d), max(0, n - d)) for d, n in zip(offset, found.shape, strict=True))
    there = tuple(slice(max(0, d), max(0, n + d)) for d, n in zip(offset, found.shape, strict=True))
    np.maximum(found[here], other[there], out=found[here])


@kernel
def _cell_bounds(values: NDArray[np.float32], matrices: NDArray[np.float32], cell: NDArray[np.float32]) -> None:
    """Fill `cell` with the largest squared modulus of the control points of each cell.

    `values` are (i, j, part, k), real and imaginary parts.
    """
    fineness, n = matrices.shape[0], values.shape[1]
    rows, cells = 4 * fineness, n - 3
    along_x = np.empty((rows, n, 2, n), np.float32)
    along_y = np.empty((rows, rows, 2, n), np.float32)
    for i in range(values.shape[0] - 3):
        for a in range(rows):
            for j in range(n):
                for part in range(2):
                    _combine(
                        matrices[a // 4, a % 4],
                        values[i, j, part],
                        values[i + 1, j, part],
                        values[i + 2, j, part],
                        values[i + 3, j, part],
                        along_x[a, j, part],
                    )
        for j in range(cells):
            for a in range(rows):
                for b in range(rows):
                    for part in range(2):
                        _combine(
                            matrices[b // 4, b % 4],
                            along_x[a, j, part],
                            along_x[a, j + 1, part],
                            along_x[a, j + 2, part],
                            along_x[a, j + 3, part],
                            along_y[a, b, part],
                        )
            _bound_row(along_y, matrices, cell, i * fineness, j * fineness)


@inner_kernel
def _combine(
    m: NDArray[np.float32],
    first: NDArray[np.float32],
    second: NDArray[np.float32],
    third: NDArray[np.float32],
    fourth: NDArray[np.float32],
    out: NDArray[np.float32],
) -> None:
    m0, m1, m2, m3 = m[0], m[1], m[2], m[3]
    for k in range(out.size):
        out[k] = m0 * first[k] + m1 * second[k] + m2 * third[k] + m3 * fourth[k]


@inner_kernel
def _bound_row(
    points: NDArray[np.float32],
    matrices: NDArray[np.float32],
    cell: NDArray[np.float32],
    i0: int,
    j0: int,
) -> None:
    fineness, cells = matrices.shape[0], points.shape[3] - 3
    best = np.empty(cells, np.float32)
    for x in range(fineness):
        for y in range(fineness):
            for z in range(fineness):
                best[:] = 0
                for a in range(4 * x, 4 * x + 4):
                    for b in range(4 * y, 4 * y + 4):
                        for c in range(4):
                            _raise(best, matrices[z, c], points[a, b, 0], points[a, b, 1])
                out = cell[i0 + x, j0 + y]
                for k in range(cells):
                    out[k * fineness + z] = best[k]


@inner_kernel
def _raise(
    best: NDArray[np.float32], m: NDArray[np.float32], real: NDArray[np.float32], imaginary: NDArray[np.float32]
) -> None:
    """Raise `best` to the squared moduli of one control point of each cell of a row."""
    m0, m1, m2, m3 = m[0], m[1], m[2], m[3]
    for k in range(best.size):
        re = m0 * real[k] + m1 * real[k + 1] + m2 * real[k + 2] + m3 * real[k + 3]
        im = m0 * imaginary[k] + m1 * imaginary[k + 1] + m2 * imaginary[k + 2] + m3 * imaginary[k + 3]
        square = re * re + im * im
        if square > best[k]:
            best[k] = square
