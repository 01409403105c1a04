"""A particle's form factor on a grid, and its value anywhere between the grid points.

``F(s)`` of a particle of radius `R` is band-limited: its Fourier transform, the electron density, ends at
`R`. Sampled a few times finer than Nyquist it can be interpolated by a short kernel, if the kernel's own
Fourier transform, the roll-off that dims atoms far from the centre, is divided out of the density first,
as gridding and NUFFT codes do (Jackson et al., IEEE Trans. Med. Imaging 10, 473, 1991).
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from math import ceil, sqrt

import numpy as np
from numpy.typing import NDArray

from xfeldask.errors import MemoryNeededError
from xfeldask.machine import cores
from xfeldask.physics import nufft
from xfeldask.physics.atoms import Atoms, amplitude, form_factor
from xfeldask.physics.elementary import INVERSE_PLASTIC, log, log_of
from xfeldask.physics.interpolation import TAPS, Table, kernel_pieces, roll_off
from xfeldask.physics.jit import inline_kernel, inner_inline_kernel, kernel
from xfeldask.physics.orientations import even_directions

OVERSAMPLING = (2.3, 6.0)
"""Finer than Nyquist by at least the first, and by up to the second while the grid stays small."""

SMALL_GRID = 112
"""Points a side of a grid that takes little memory and time however small the particle."""

LEAST_RADIUS = 2e-9
"""Smaller particles get the grid of this radius [m], against which an atom's own cloud is small."""


@dataclass(frozen=True)
class Volume:
    """A form factor on a cubic grid.

    Attributes
    ----------
    values : complex64 (n, n, n), interpolation coefficients on a grid of `step` [electrons]; index n // 2 is s = 0
    step : float, grid spacing [1/m]
    s_max : float, largest abs(s) that may be asked for [1/m]
    taps : float32 (4, 4), row p holds the coefficient of t**p of each of the four kernel pieces

    Examples
    --------
    >>> volume = Volume(np.ones((15, 15, 15), np.complex64), 1e7, 3e7, kernel_pieces(2.0).astype(np.float32))
    >>> volume.origin
    6.0
    """

    values: NDArray[np.complex64]
    step: float
    s_max: float
    taps: NDArray[np.float32]

    @property
    def origin(self) -> float:
        """Grid coordinate of s = 0, counted from the first of the four taps' cells."""
        return float(self.values.shape[0] // 2 - 1)

    @property
    def flat(self) -> NDArray[np.float32]:
        """The coefficients as kernels take them, real and imaginary parts in turn, float32 (2 n^3,)."""
        return self.values.view(np.float32).reshape(-1)


def oversampling(radius: float, s_max: float) -> float:
    """How many times finer than Nyquist the grid of a particle of `radius` [m] is, up to `s_max` [1/m].

    Examples
    --------
    >>> [round(oversampling(radius, 1e8), 2) for radius in (1e-9, 20e-9, 200e-9)]
    [6.0, 6.0, 2.3]
    """
    least, most = OVERSAMPLING
    return float(np.clip((SMALL_GRID - 2 * TAPS) / (4 * s_max * radius), least, most))


def grid_size(radius: float, s_max: float) -> tuple[int, float]:
    """Choose the odd number of grid points a side and their spacing [1/m] for a particle of `radius` [m].

    Examples
    --------
    >>> n, step = grid_size(10e-9, 1e8)
    >>> n, f"{step:.3g}"
    (35, '8.33e+06')
    """
    step = 1 / (2 * oversampling(radius, s_max) * radius)
    return 2 * (ceil(s_max / step) + TAPS) + 1, step


def memory_needed(radius: float, s_max: float) -> int:
    """Bytes that building the volume takes: the sum, and one element's share half-way through its transform.

    Examples
    --------
    >>> [f"{memory_needed(radius, 5e8) / 1e6:.0f} MB" for radius in (2e-9, 8e-9)]
    ['0 MB', '11 MB']
    """
    n, step = grid_size(radius, s_max)
    return 8 * n**3 + nufft.memory_needed(n // 2, radius * step)


def build_volume(atoms: Atoms, s_max: float, memory_limit: int | None = None) -> Volume:
    """Compute the interpolation coefficients of ``F(s) = sum_j f_j(|s|) exp(2 pi i s.r_j)``.

    Parameters
    ----------
    atoms : Atoms, centred
    s_max : float, largest abs(s) that will be asked for [1/m]
    memory_limit : int, optional, bytes

    Raises
    ------
    MemoryNeededError
        If the grid and the transform's work space exceed `memory_limit`.

    Examples
    --------
    >>> from xfeldask.physics.atoms import make_atoms
    >>> volume = build_volume(make_atoms([[1e-9, 0, 0], [-1e-9, 0, 0]], ["C", "C"]), 1e9)
    >>> # in phase at s = 0, cancelling where they are half a turn apart
    >>> np.abs(interpolate(volume, np.array([[0.0, 0, 0], [2.5e8, 0, 0]]))).round(2).tolist()
    [11.989999771118164, 0.0]
    """
    radius = max(atoms.radius, LEAST_RADIUS)
    needed = memory_needed(radius, s_max)
    if memory_limit is not None and needed > memory_limit:
        advice = "take a smaller particle, a lower photon energy or a detector that reaches less far"
        raise MemoryNeededError(f"the form factor to {s_max:.3g} 1/m of a {radius * 1e9:.1f} nm radius particle",
                                needed, memory_limit, advice)  # fmt: skip
    n, step = grid_size(radius, s_max)
    pieces = kernel_pieces(oversampling(radius, s_max))
    dimming = Table.of(lambda x: roll_off(pieces, x), radius * step, 4096)
    steepness = Table(np.gradient(log_of(dimming.value), dimming.step), dimming.step)
    x = np.abs(atoms.position * step)
    dimmed = dimming(x)
    weight = atoms.occupancy / (dimmed[:, 0] * dimmed[:, 1] * dimmed[:, 2])
    outwards = np.sign(atoms.position) * steepness(x) * step
    axis = ((np.arange(n) - n // 2) * step).astype(np.float32)
    values = np.zeros((n, n, n), np.complex64)
    for element in np.unique(atoms.element):
        chosen = atoms.element == element
        factor = Table.of(partial(_form_factor_at, str(element)), sqrt(3) * (n // 2 + 1) * step, 8192)
        # an atom is a cloud: divided by a roll-off that falls across it, its middle moves outwards
        place = atoms.position[chosen] - _variance(factor, s_max) * outwards[chosen]
        spectrum = nufft.spectrum(place * step, weight[chosen], n // 2)
        with ThreadPoolExecutor(cores()) as pool:
            add = partial(_add_plane, values, spectrum, axis, factor.value.astype(np.float32), factor.step)
            list(pool.map(add, range(n // 2 + 1)))
    # the density is real
    values[: n // 2] = values[: n // 2 : -1, ::-1, ::-1].conj()
    return Volume(values, step, s_max, pieces.astype(np.float32))


def _form_factor_at(element: str, s: NDArray[np.float64]) -> NDArray[np.float64]:
    return form_factor(element, s[:, None] * [1.0, 0.0, 0.0])


def _variance(factor: Table, s_max: float) -> float:
    """Variance along an axis [m^2] of the Gaussian cloud whose form factor is `factor` at the middle of `s_max`."""
    half = s_max / 2
    return log(float(factor.value[0] / factor(np.array(half)))) / (2 * (np.pi * half) * (np.pi * half))


@kernel
def _add_plane(
    values: NDArray[np.complex64],
    spectrum: nufft.Spectrum,
    axis: NDArray[np.float32],
    factor: NDArray[np.float32],
    table_step: float,
    k: int,
) -> None:
    """Add one element's structure factor times its form factor on the plane `k` steps from the middle."""
    n = axis.size
    i = n // 2 + k
    re, im = np.empty((n, n)), np.empty((n, n))
    nufft.plane(spectrum, k, re, im)
    for j in range(n):
        ij = axis[i] * axis[i] + axis[j] * axis[j]
        for m in range(n):
            x = np.sqrt(ij + axis[m] * axis[m]) / table_step
            low = int(x)
            f = factor[low] + np.float32(x - low) * (factor[low + 1] - factor[low])
            values[i, j, m] += complex(re[j, m] * f, im[j, m] * f)


@inline_kernel
def cell_of(x: float) -> np.uint64:
    """Whole part of a coordinate >= 0, unsigned so that indexing needs no test for negative values.

    Examples
    --------
    >>> int(cell_of(3.7))
    3
    """
    return np.uint64(np.int64(x))


@inline_kernel
def within(cell: np.uint64, end: int) -> np.uint64:
    """Return `cell`, or the last of `end` for what is none, such as that of NaN: no grid is read outside.

    Examples
    --------
    >>> int(within(np.uint64(3), 5)), int(within(cell_of(9.9), 5))
    (3, 4)
    """
    return min(cell, np.uint64(end - 1))


@inner_inline_kernel
def interpolate_at(
    grid: NDArray[np.float32], start: int, side: int, taps: NDArray[np.float32], x: float, y: float, z: float
) -> tuple[np.float32, np.float32]:
    """Real and imaginary part of F at grid coordinates (x, y, z) >= 0.

    `grid` holds volumes seen as float32, one behind another; that of `side` points begins at `start`. Eight sums run
    side by side, so that the compiler makes one vector of them.
    """
    last = side - 3  # four taps along each axis
    row = np.uint64(2 * side)
    plane = np.uint64(side) * row
    i, j, k = within(cell_of(x), last), within(cell_of(y), last), within(cell_of(z), last)
    u0, u1, u2, u3 = _tap_weights(taps, np.float32(x - np.int64(i)))
    v0, v1, v2, v3 = _tap_weights(taps, np.float32(y - np.int64(j)))
    w0, w1, w2, w3 = _tap_weights(taps, np.float32(z - np.int64(k)))
    low = np.uint64(start) + i * plane + j * row + np.uint64(2) * k
    a0 = a1 = a2 = a3 = a4 = a5 = a6 = a7 = np.float32(0)
    for a, u in ((0, u0), (1, u1), (2, u2), (3, u3)):
        for b, v in ((0, v0), (1, v1), (2, v2), (3, v3)):
            uv = u * v
            at = low + np.uint64(a) * plane + np.uint64(b) * row
            a0 += uv * grid[at]
            a1 += uv * grid[at + np.uint64(1)]
            a2 += uv * grid[at + np.uint64(2)]
            a3 += uv * grid[at + np.uint64(3)]
            a4 += uv * grid[at + np.uint64(4)]
            a5 += uv * grid[at + np.uint64(5)]
            a6 += uv * grid[at + np.uint64(6)]
            a7 += uv * grid[at + np.uint64(7)]
    return a0 * w0 + a2 * w1 + a4 * w2 + a6 * w3, a1 * w0 + a3 * w1 + a5 * w2 + a7 * w3


@inner_inline_kernel
def _tap_weights(taps: NDArray[np.float32], t: np.float32) -> tuple[np.float32, np.float32, np.float32, np.float32]:
    zero, one, two, three = np.uint64(0), np.uint64(1), np.uint64(2), np.uint64(3)
    return (
        ((taps[three, zero] * t + taps[two, zero]) * t + taps[one, zero]) * t + taps[zero, zero],
        ((taps[three, one] * t + taps[two, one]) * t + taps[one, one]) * t + taps[zero, one],
        ((taps[three, two] * t + taps[two, two]) * t + taps[one, two]) * t + taps[zero, two],
        ((taps[three, three] * t + taps[two, three]) * t + taps[one, three]) * t + taps[zero, three],
    )


def interpolate(volume: Volume, s: NDArray[np.float64]) -> NDArray[np.complex64]:
    """Amplitude at any scattering vectors within ``volume.s_max``.

    Parameters
    ----------
    volume : Volume
    s : (..., 3) [1/m], in the particle's frame

    Returns
    -------
    (...) complex64 [electrons]

    Examples
    --------
    >>> volume = Volume(np.zeros((15, 15, 15), np.complex64), 1e7, 3e7, kernel_pieces(2.0).astype(np.float32))
    >>> volume.values[7, 7, 7] = 1
    >>> abs(interpolate(volume, np.array([[0.0, 0, 0], [2.5e7, 0, 0]]))).round(2).tolist()
    [1.0, 0.0]
    """
    flat = np.ascontiguousarray(s, dtype=np.float64).reshape(-1, 3)
    out = np.empty(len(flat), np.complex64)
    side = volume.values.shape[0]
    _interpolate(volume.flat, side, volume.taps, flat / volume.step + volume.origin, out)
    return out.reshape(s.shape[:-1])


@kernel
def _interpolate(
    grid: NDArray[np.float32],
    side: int,
    taps: NDArray[np.float32],
    at: NDArray[np.float64],
    out: NDArray[np.complex64],
) -> None:
    for p in range(len(at)):
        re, im = interpolate_at(grid, 0, side, taps, at[p, 0], at[p, 1], at[p, 2])
        out[p] = complex(re, im)


def measured_error(volume: Volume, atoms: Atoms, points: int = 192) -> float:
    """Relative error of interpolated amplitudes against the sum over atoms.

    ``sum abs(abs(F) - abs(F0)) / sum abs(F0)`` over `points` scattering vectors, a fixed set spread evenly over
    directions and over abs(s) from 0 to ``volume.s_max``.

    Examples
    --------
    >>> from xfeldask.physics.atoms import make_atoms
    >>> atoms = make_atoms([[1e-9, 0, 0], [-1e-9, 0, 0]], ["C", "C"])
    >>> measured_error(build_volume(atoms, 1e9), atoms) < 1e-3
    True
    """
    i = np.arange(points) + 0.5
    s = even_directions(points) * (((i * INVERSE_PLASTIC) % 1) * volume.s_max)[:, None]
    exact = amplitude(atoms, s)
    return float(np.abs(np.abs(interpolate(volume, s)) - np.abs(exact)).sum() / np.abs(exact).sum())
