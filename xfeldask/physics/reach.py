"""How far from the beam the photons of a pattern lie."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

HELD = 0.98
"""Fraction of the photons that a view of a pattern holds."""
LEAST = 0.05
"""Least half width of a view, in widths of the pattern."""


def reach(image: NDArray[Any], x: NDArray[Any], y: NDArray[Any], held: float = HELD) -> float:
    """Return half the width of the least square about the beam that holds a fraction of the photons.

    Parameters
    ----------
    image : (y, x), photons; NaN where nothing was measured
    x, y : (x,), (y,), middles of the bins, 0 at the beam, in any unit
    held : float, of the photons

    Returns
    -------
    float, in the unit of `x` and `y`, to the middles of the outermost bins; no less than a twentieth of the pattern

    Examples
    --------
    >>> image, at = np.zeros((41, 41)), np.arange(-20.0, 21)
    >>> image[15:26, 15:26] = 1
    >>> reach(image, at, at), reach(np.zeros((41, 41)), at, at)
    (5.0, 20.0)
    """
    away = np.maximum(np.abs(x), np.abs(y)[:, None])
    order = np.argsort(away, axis=None, kind="stable")
    photons = np.cumsum(np.nan_to_num(image).ravel()[order])
    if not photons[-1] > 0:
        return float(away.max())
    found = away.ravel()[order][min(np.searchsorted(photons, held * photons[-1]), len(photons) - 1)]
    return max(float(found), LEAST * float(x[-1] - x[0]))
