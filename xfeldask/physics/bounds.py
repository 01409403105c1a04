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
from scipy.ndimage import maximum_filter

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
    reach : float32 (m, m, m), bound of abs(F) within `distance` of any point of the cell [electrons]
    origin : float, coordinate of s = 0 in cells
    fineness : int, cells a grid step
    distance : float [1/m]
    """

    cell: NDArray[np.float32]
    reach: NDArray[np.float32]
    origin: float
    fineness: int
    distance: float


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
    block = np.ascontiguousarray(volume.values[(slice(first, first + 2 * half + TAPS - 1),) * 3])
    matrices = np.stack([bernstein(volume.taps, q / fineness, (q + 1) / fineness) for q in range(fineness)]).astype(
        np.float32
    )
    cell = np.zeros((2 * half * fineness,) * 3, np.float32)
    slabs_at_once = cores()
    cuts = np.linspace(0, 2 * half, slabs_at_once + 1).astype(int).tolist()
    with ThreadPoolExecutor(slabs_at_once) as pool:
        slabs = [
            pool.submit(_cell_bounds, block[i : j + TAPS - 1], matrices, cell[i * fineness : j * fineness])
            for i, j in pairwise(cuts)
        ]
    for slab in slabs:
        slab.result()
    np.sqrt(cell, out=cell)
    cell *= np.float32(ROUNDING)
    reach = maximum_filter(cell, footprint=_ball(distance * fineness / volume.step))
    return Bound(cell, reach, float(half * fineness), fineness, distance)


def _ball(radius: float) -> NDArray[np.bool_]:
    """Offsets of the cells that come closer than `radius` (in cells) to some point of the middle cell."""
    k = int(np.ceil(radius))
    gap = np.maximum(np.abs(np.arange(-k, k + 1)) - 1, 0) ** 2
    apart = gap[:, None, None] + gap[:, None] + gap
    return np.asarray((apart < radius * radius) | (apart == 0))


@kernel
def _cell_bounds(values: NDArray[np.complex64], matrices: NDArray[np.float32], cell: NDArray[np.float32]) -> None:
    """Fill `cell` with the largest squared modulus of the control points of each cell."""
    fineness, n, cells = matrices.shape[0], values.shape[1], values.shape[1] - 3
    rows = 4 * fineness
    along_x = np.empty((rows, n, n), np.complex64)
    along_y = np.empty((rows, rows, n), np.complex64)
    for i in range(values.shape[0] - 3):
        for a in range(rows):
            m = matrices[a // 4, a % 4]
            for j in range(n):
                for k in range(n):
                    along_x[a, j, k] = (
                        m[0] * values[i, j, k]
                        + m[1] * values[i + 1, j, k]
                        + m[2] * values[i + 2, j, k]
                        + m[3] * values[i + 3, j, k]
                    )
        for j in range(cells):
            for b in range(rows):
                m = matrices[b // 4, b % 4]
                for a in range(rows):
                    for k in range(n):
                        along_y[a, b, k] = (
                            m[0] * along_x[a, j, k]
                            + m[1] * along_x[a, j + 1, k]
                            + m[2] * along_x[a, j + 2, k]
                            + m[3] * along_x[a, j + 3, k]
                        )
            _bound_row(along_y, matrices, cell, i * fineness, j * fineness)


@inner_kernel
def _bound_row(
    points: NDArray[np.complex64],
    matrices: NDArray[np.float32],
    cell: NDArray[np.float32],
    i0: int,
    j0: int,
) -> None:
    fineness, rows, cells = matrices.shape[0], points.shape[0], points.shape[2] - 3
    for a in range(rows):
        for b in range(rows):
            row = points[a, b]
            out = cell[i0 + a // 4, j0 + b // 4]
            for c in range(rows):
                m = matrices[c // 4, c % 4]
                for k in range(cells):
                    v = m[0] * row[k] + m[1] * row[k + 1] + m[2] * row[k + 2] + m[3] * row[k + 3]
                    square = v.real * v.real + v.imag * v.imag
                    index = k * fineness + c // 4
                    out[index] = max(out[index], square)
