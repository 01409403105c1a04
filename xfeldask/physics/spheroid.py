"""Spheres and spheroids of one density: their form factor in closed form, for any size."""

from __future__ import annotations

from dataclasses import dataclass
from math import pi, sqrt

import numpy as np
from numpy.typing import NDArray

from xfeldask.physics.elementary import INVERSE_PLASTIC, cosine_sine
from xfeldask.physics.jit import inline_kernel, inner_inline_kernel, kernel
from xfeldask.physics.orientations import even_directions

_SMALL = 1e-2
"""Turns of the phase below which a power series has more digits left than the closed form."""
_TAU = 2 * pi
_ROUNDING = 1 + 1e-9


@dataclass(frozen=True)
class Spheroid:
    """A spheroid around z.

    Attributes
    ----------
    across, along : float, semi-axes in the plane of x and y, and along z [m]
    density : float [electron/m^3]

    Examples
    --------
    >>> round(Spheroid(10e-9, 10e-9, 3.343e29).electrons)
    1400313
    """

    across: float
    along: float
    density: float

    @property
    def electrons(self) -> float:
        """Electrons of it at its nominal size."""
        return 4 / 3 * pi * self.across * self.across * self.along * self.density

    @property
    def radius(self) -> float:
        """Largest distance of its surface from its centre [m]."""
        return max(self.across, self.along)

    def points(self, n: int) -> NDArray[np.float64]:
        """Return points spread evenly over its inside, float64 (n, 3) [m]."""
        shell = np.cbrt(((np.arange(n) * INVERSE_PLASTIC) % 1 * n + 0.5) / n)
        return even_directions(n) * shell[:, None] * [self.across, self.across, self.along]


def spheroid_amplitude(spheroid: Spheroid, s: NDArray[np.float64]) -> NDArray[np.complex64]:
    """Form factor ``electrons x 3 (sin u - u cos u) / u^3``, u = 2 pi sqrt(across^2 (sx^2 + sy^2) + along^2 sz^2).

    Parameters
    ----------
    spheroid : Spheroid
    s : (..., 3) [1/m], in the particle's frame

    Returns
    -------
    complex64 (...) [electrons]

    Notes
    -----
    Guinier, X-ray Diffraction (1963), section 10.1.

    Examples
    --------
    >>> ball = Spheroid(10e-9, 10e-9, 1e29)
    >>> abs(spheroid_amplitude(ball, np.array([[0, 0, 0], [4.4934095 / (2 * np.pi * 10e-9), 0, 0]])).round(1)).tolist()
    [418879.0, 0.0]
    """
    flat = np.ascontiguousarray(s, np.float64).reshape(-1, 3)
    out = np.empty(len(flat))
    _amplitudes(spheroid.electrons, spheroid.across, spheroid.along, flat, out)
    return out.reshape(s.shape[:-1]).astype(np.complex64)


@inner_inline_kernel
def turns_of(across: float, along: float, x: float, y: float, z: float) -> float:
    """Return u / (2 pi) at a scattering vector in the particle's frame."""
    return sqrt(across * across * (x * x + y * y) + along * along * z * z)


@inline_kernel
def spheroid_at(turns: float) -> float:
    """Return the amplitude of one electron, ``3 (sin u - u cos u) / u^3`` at u = 2 pi turns."""
    u = _TAU * turns
    square = u * u
    if turns < _SMALL:
        return 1.0 - square * (0.1 - square * (1.0 / 280.0 - square / 15120.0))
    cosine, sine = cosine_sine(turns)
    return 3.0 * (sine - u * cosine) / (square * u)


@inline_kernel
def spheroid_bound(turns: float) -> float:
    """Return what the modulus of `spheroid_at` stays below at `turns` and beyond; 1 below 0.

    ``abs(sin u - u cos u) <= sqrt(1 + u^2)``, and the quotient falls with u.
    """
    u = _TAU * max(turns, 0.0)
    square = u * u
    if square < 1.0:
        return _ROUNDING
    return min(1.0, 3.0 * sqrt(1.0 + square) / (square * u)) * _ROUNDING


@kernel
def _amplitudes(
    electrons: float, across: float, along: float, s: NDArray[np.float64], out: NDArray[np.float64]
) -> None:
    for p in range(len(s)):
        out[p] = electrons * spheroid_at(turns_of(across, along, s[p, 0], s[p, 1], s[p, 2]))
