"""Fourier transform of points onto a grid, with the same bits on every processor.

Points are spread over a grid finer than the result by a smooth kernel, the grid is transformed, and the kernel's own
transform is divided out (Dutt and Rokhlin, SIAM J. Sci. Comput. 14, 1368, 1993; the kernel is that of Barnett, Magland
and af Klinteberg, SIAM J. Sci. Comput. 41, C479, 2019). Libraries order and fuse their sums by what the processor can
do; here every sum is as it is written. Weights are real, so that half of the frequencies tell the others, and points
keep to the middle half of their period, so that most of the fine grid is empty and is never made.
"""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from xfeldask.machine import cores
from xfeldask.physics.elementary import cosine_sine_of, exp, exp_of
from xfeldask.physics.jit import inner_inline_kernel, inner_kernel, kernel
from xfeldask.physics.quadrature import gauss_legendre

WIDTH = 9
"""Fine grid points a side over which a point is spread."""

UPSAMPLING = 1.5
STEEPNESS = 0.97 * math.pi * WIDTH * (1 - 0.5 / UPSAMPLING)

LEAST_LENGTH = 48
"""Of the fine grid, so that points within a quarter of it may be spread without wrapping around."""

COLUMNS = 32
"""Transformed together: so many stay in the cache, and the compiler makes vectors of them."""


class Wave(NamedTuple):
    """What transforms of one length need: cos and sin of ``2 pi i / length``, and factors of the length."""

    cosine: NDArray[np.float64]
    sine: NDArray[np.float64]
    factors: NDArray[np.int64]


class Spectrum(NamedTuple):
    """Points on the fine grid, transformed along x.

    Attributes
    ----------
    re, im : float64 (half + 1, m, m), by frequency along x from 0, and by y and z where the fine grid holds anything
    dimming : float64 (2 half + 1,), what spreading multiplies the frequencies -half to half by
    wave : Wave, of the fine grid's length
    """

    re: NDArray[np.float64]
    im: NDArray[np.float64]
    dimming: NDArray[np.float64]
    wave: Wave


def fine_length(half: int) -> int:
    """Side of the fine grid for frequencies of -`half` to `half`: even, with no factor above 5.

    Examples
    --------
    >>> [fine_length(half) for half in (20, 50, 100)]
    [64, 160, 320]
    """
    length = max(LEAST_LENGTH, math.ceil(UPSAMPLING * (2 * half + 1)))
    while length % 2 or _factors(length)[-1] > 5:
        length += 1
    return length


def make_wave(length: int) -> Wave:
    """Return what transforms of a length need.

    Examples
    --------
    >>> wave = make_wave(8)
    >>> wave.cosine.round(3).tolist(), wave.factors.tolist()
    ([1.0, 0.707, -0.0, -0.707, -1.0, -0.707, 0.0, 0.707], [2, 4])
    """
    cosine, sine = cosine_sine_of(np.arange(length) / length)
    return Wave(cosine, sine, np.array(_factors(length)))


def memory_needed(half: int, extent: float) -> int:
    """Bytes that a `spectrum` takes while it is made, of points with coordinates up to `extent`.

    Examples
    --------
    >>> f"{memory_needed(100, 0.25) / 1e6:.0f} MB"
    '86 MB'
    """
    m = _filled(fine_length(half), extent)
    return 8 * m * m * (m + 2 * (half + 1))


def spectrum(position: NDArray[np.float64], weight: NDArray[np.float64], half: int) -> Spectrum:
    """Spread points and transform them along x.

    Parameters
    ----------
    position : float64 (n, 3), -1/4 to 1/4 [turns a frequency]
    weight : float64 (n,)
    half : int, largest frequency

    Returns
    -------
    Spectrum, from which `plane` takes ``sum_j weight_j exp(2 pi i k.position_j)``, with an error of 3e-7 of its root
    mean square

    Examples
    --------
    >>> # a point a quarter of a turn along x, and one at the origin
    >>> found = spectrum(np.array([[0.25, 0, 0], [0, 0, 0]]), np.array([1.0, 1.0]), 2)
    >>> re, im = np.empty((5, 5)), np.empty((5, 5))
    >>> for k in range(3):
    ...     plane(found, k, re, im)
    ...     print(abs(complex(re[2, 2], im[2, 2]) - (1j**k + 1)) < 1e-5)
    True
    True
    True
    """
    length = fine_length(half)
    m = _filled(length, float(np.abs(position).max()))
    # y first, so that what is transformed along x lies together
    density = np.zeros((m, m, m))
    _spread(position[:, [1, 0, 2]] * length + m // 2, weight, density)
    wave = make_wave(length)
    re, im = np.empty((half + 1, m, m)), np.empty((half + 1, m, m))
    with ThreadPoolExecutor(cores()) as pool:
        list(pool.map(lambda y: _transform_x(density[y], wave, re[:, y], im[:, y]), range(m)))
    return Spectrum(re, im, _dimming(half, length), wave)


@kernel
def plane(spectrum: Spectrum, k: int, re: NDArray[np.float64], im: NDArray[np.float64]) -> None:
    """Write frequencies (k, -half to half, -half to half) into `re` and `im`, (2 half + 1, 2 half + 1).

    Examples
    --------
    >>> re, im = np.empty((3, 3)), np.empty((3, 3))
    >>> plane(spectrum(np.zeros((1, 3)), np.array([2.0]), 1), 0, re, im)
    >>> re.round(4).tolist()
    [[2.0, 2.0, 2.0], [2.0, 2.0, 2.0], [2.0, 2.0, 2.0]]
    """
    length, m, side = spectrum.wave.cosine.size, spectrum.re.shape[1], re.shape[0]
    half = side // 2
    along_y_re, along_y_im = np.empty((m, side)), np.empty((m, side))
    for first in range(0, m, COLUMNS):
        count = min(COLUMNS, m - first)
        a, b = _padded(spectrum.re[k], spectrum.im[k], first, count, length)
        a, b = _transform(a, b, spectrum.wave)
        for j in range(side):
            for c in range(count):
                along_y_re[first + c, j], along_y_im[first + c, j] = a[j - half, c], b[j - half, c]
    for first in range(0, side, COLUMNS):
        count = min(COLUMNS, side - first)
        a, b = _padded(along_y_re, along_y_im, first, count, length)
        a, b = _transform(a, b, spectrum.wave)
        for c in range(count):
            scale = 1.0 / (spectrum.dimming[half + k] * spectrum.dimming[first + c])
            for j in range(side):
                re[first + c, j] = a[j - half, c] * (scale / spectrum.dimming[j])
                im[first + c, j] = b[j - half, c] * (scale / spectrum.dimming[j])


def _filled(length: int, extent: float) -> int:
    """Points a side, even, of the part of the fine grid that holds anything."""
    return 2 * (math.ceil(extent * length) + WIDTH // 2 + 1)


def _factors(length: int) -> list[int]:
    """Factors in ascending order, prime but for fours."""
    found: list[int] = []
    for p in (4, 2, 3, 5):
        while length % p == 0:
            found.append(p)
            length //= p
    return sorted(found) + [length] * (length > 1)


def _dimming(half: int, length: int) -> NDArray[np.float64]:
    """Fourier transform of the spreading kernel at the frequencies -half to half."""
    node, weight = gauss_legendre(40)
    value = exp_of(STEEPNESS * (np.sqrt(1 - node * node) - 1)) * weight
    cosine, _ = cosine_sine_of(np.multiply.outer(np.arange(-half, half + 1), node * (WIDTH / 2)) / length)
    return np.asarray(WIDTH * (cosine * value).sum(axis=1))


@inner_inline_kernel
def _bell(distance: float) -> float:
    """Compute the spreading kernel at a distance of up to WIDTH / 2."""
    x = distance * (2.0 / WIDTH)
    return exp(STEEPNESS * (math.sqrt(max(0.0, 1.0 - x * x)) - 1.0))


@kernel
def _spread(at: NDArray[np.float64], weight: NDArray[np.float64], grid: NDArray[np.float64]) -> None:
    """Add points to `grid`, at coordinates `at` (n, 3) that keep half the kernel's width from its ends."""
    first = np.empty(3, np.int64)
    bell = np.empty((3, WIDTH))
    for n in range(weight.size):
        for axis in range(3):
            first[axis] = math.ceil(at[n, axis] - WIDTH / 2)
            for i in range(WIDTH):
                bell[axis, i] = _bell(first[axis] + i - at[n, axis])
        for i in range(WIDTH):
            for j in range(WIDTH):
                share = weight[n] * bell[0, i] * bell[1, j]
                row = grid[first[0] + i, first[1] + j, first[2] : first[2] + WIDTH]
                for k in range(WIDTH):
                    row[k] += share * bell[2, k]


@kernel
def _transform_x(density: NDArray[np.float64], wave: Wave, re: NDArray[np.float64], im: NDArray[np.float64]) -> None:
    """Transform real columns (m, m) along the first axis into (half + 1, m), two as one complex column."""
    length, m = wave.cosine.size, density.shape[0]
    middle = m // 2
    for first in range(0, middle, COLUMNS):
        count = min(COLUMNS, middle - first)
        a, b = _padded(density, density[:, middle:], first, count, length)
        a, b = _transform(a, b, wave)
        for k in range(re.shape[0]):
            for c in range(count):
                left, right = first + c, middle + first + c
                # -k is counted from the end; 0 is its own mirror image
                re[k, left], im[k, left] = 0.5 * (a[k, c] + a[-k, c]), 0.5 * (b[k, c] - b[-k, c])
                re[k, right], im[k, right] = 0.5 * (b[k, c] + b[-k, c]), -0.5 * (a[k, c] - a[-k, c])


@inner_kernel
def _padded(
    re: NDArray[np.float64], im: NDArray[np.float64], first: int, count: int, length: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return columns of (m, ...) arrays that are centred on row m // 2, in the whole length with their centre first."""
    a, b = np.zeros((length, COLUMNS)), np.zeros((length, COLUMNS))
    for row in range(re.shape[0]):
        to = row - re.shape[0] // 2
        for c in range(count):
            a[to, c], b[to, c] = re[row, first + c], im[row, first + c]
    return a, b


@kernel
def _transform(
    re: NDArray[np.float64], im: NDArray[np.float64], wave: Wave
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Fourier transform ``sum_j exp(2 pi i j k / length)`` along the first axis; what is given is overwritten.

    Stockham's algorithm, a factor at a time (C. Van Loan, Computational Frameworks for the FFT, SIAM 1992, 1.7).
    """
    length = re.shape[0]
    to_re, to_im = np.empty_like(re), np.empty_like(im)
    rest, stride = length, 1
    for p in wave.factors:
        rest //= p
        for i in range(rest):
            for q in range(stride):
                for j in range(p):
                    to = q + stride * (p * i + j)
                    to_re[to], to_im[to] = 0.0, 0.0
                    for r in range(p):
                        turn = (i * j * stride + r * j * (length // p)) % length
                        cosine, sine, at = wave.cosine[turn], wave.sine[turn], q + stride * (i + rest * r)
                        for c in range(COLUMNS):
                            to_re[to, c] += re[at, c] * cosine - im[at, c] * sine
                            to_im[to, c] += re[at, c] * sine + im[at, c] * cosine
        stride *= p
        re, to_re = to_re, re
        im, to_im = to_im, im
    return re, im
