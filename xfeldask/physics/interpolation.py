"""Interpolation: the kernel for form factors on a grid and its Fourier transform, the roll-off; and plain tables."""

from __future__ import annotations

from collections.abc import Callable
from math import comb
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from xfeldask.physics.elementary import cosine_sine_of
from xfeldask.physics.quadrature import gauss_legendre

TAPS = 4
_NODES = 16
_INVERSE_ITERATIONS = 30


class Table(NamedTuple):
    """A function from 0 on, linear between values that lie a constant `step` apart.

    Examples
    --------
    >>> square = Table.of(lambda x: x * x, 10.0, 11)
    >>> square(np.array([3.0, 3.5])).tolist()
    [9.0, 12.5]
    """

    value: NDArray[np.float64]
    step: float

    @classmethod
    def of(cls, function: Callable[[NDArray[np.float64]], NDArray[np.float64]], end: float, count: int) -> Self:
        """Tabulate a function from 0 to `end`."""
        return cls(function(np.linspace(0, end, count)), end / (count - 1))

    def __call__(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """Values at any places from 0 on; beyond the end, where the last two values lead."""
        at = x / self.step
        low = np.minimum(at.astype(np.int64), len(self.value) - 2)
        below = self.value[low]
        return np.asarray(below + (at - low) * (self.value[low + 1] - below))


def kernel_pieces(oversampling: float) -> NDArray[np.float64]:
    """Cubic pieces of the symmetric kernel of four taps that aliases least.

    With ``t`` the distance from the grid point below, tap ``k`` (0 to 3) weighs ``sum_p out[p, k] t**p``. Of all
    such kernels this one has the least energy outside the band that `oversampling` leaves to the density, as a
    part of the energy inside: the smallest generalized eigenvector of two quadratic forms in its coefficients.

    Returns
    -------
    (4, 4) float64

    Examples
    --------
    >>> kernel_pieces(2.0).shape
    (4, 4)
    """
    power = np.arange(TAPS)
    # coefficients of p(1 - t) from those of p(t)
    mirror = np.array([[comb(j, i) * (-1.0) ** i for j in power] for i in power])
    # a power of t in one of the outer two taps, and its mirror image in the tap across
    basis = np.zeros((2 * TAPS, TAPS, TAPS))
    for tap in range(2):
        basis[tap * TAPS + power, power, tap] = 1
        basis[tap * TAPS + power, :, TAPS - 1 - tap] = mirror.T
    node, weight = gauss_legendre(_NODES)
    taps = np.polynomial.polynomial.polyval(node, np.moveaxis(basis, 1, 0))
    cosine, sine = cosine_sine_of(np.multiply.outer(node / (2 * oversampling), power[:, None] - 1 - node))
    re, im = ((taps[:, None] * part).sum(axis=2) for part in (cosine, sine))
    signal = (re * weight).sum(axis=-1)
    alias = np.stack([re - signal[..., None], im], axis=-1) * np.sqrt(weight[:, None, None] * weight[:, None])
    inside = signal * np.sqrt(weight)
    outside_form, inside_form = (_gram(part.reshape(len(basis), -1)) for part in (alias, inside))
    coefficient = _least_eigenvector(outside_form, outside_form + inside_form)
    pieces = (coefficient[:, None, None] * basis).sum(axis=0)
    return np.asarray(pieces / pieces[0, 1])


def roll_off(pieces: NDArray[np.float64], x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Fourier transform of the kernel at `x` (cycles a grid step), by Gauss-Legendre quadrature.

    Examples
    --------
    >>> # smooth features pass, fine ones are damped
    >>> roll_off(kernel_pieces(2.0), np.array([0.0, 0.25, 0.5])).round(3).tolist()
    [1.698, 1.001, 0.163]
    """
    t, weight = gauss_legendre(_NODES)
    value = np.polynomial.polynomial.polyval(t, pieces) * weight
    cosine, _ = cosine_sine_of(np.multiply.outer(x, np.arange(TAPS)[:, None] - 1 - t))
    return np.asarray((cosine * value).sum(axis=(-2, -1)))


def _gram(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    # sums of NumPy's own, which have one order; those of its BLAS have one for each processor
    return np.asarray((rows[:, None] * rows).sum(axis=-1))


def _least_eigenvector(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Vector of the smallest ``v.a.v / v.b.v``, both positive definite, by inverse iteration."""
    vector = np.ones(len(a))
    for _ in range(_INVERSE_ITERATIONS):
        vector = _solved(a, (b * vector).sum(axis=1))
        vector = vector / np.abs(vector).max()
    return vector


def _solved(a: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """Solution x of ``a x = y``, `a` positive definite, by elimination."""
    rows = np.concatenate([a, y[:, None]], axis=1)
    for i in range(len(a)):
        rows[i] /= rows[i, i]
        others = np.arange(len(a)) != i
        rows[others] -= rows[others, i, None] * rows[i]
    return rows[:, -1]
