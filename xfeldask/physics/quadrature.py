"""Integrals by sums, with the same bits on every processor."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from xfeldask.physics.elementary import cosine_sine_of

_NEWTON_STEPS = 8


def gauss_legendre(n: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Nodes and weights of Gauss-Legendre quadrature on 0 to 1, (n,) float64 each.

    Notes
    -----
    Roots of the Legendre polynomial by Newton's method; NumPy's come from LAPACK, whose bits depend on the processor.

    Examples
    --------
    >>> node, weight = gauss_legendre(3)
    >>> float((weight * node**4).sum().round(12))
    0.2
    """
    x, _ = cosine_sine_of((np.arange(n) + 0.75) / (2 * n + 1))
    slope = np.zeros(n)
    for _ in range(_NEWTON_STEPS):
        before, value = np.ones(n), x
        for degree in range(2, n + 1):
            before, value = value, ((2 * degree - 1) * x * value - (degree - 1) * before) / degree
        slope = n * (x * value - before) / (x * x - 1)
        x = x - value / slope
    return (1 - x) / 2, 1 / ((1 - x * x) * slope * slope)
