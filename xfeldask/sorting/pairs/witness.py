"""How many of the accepted shots can be single, by their peaks alone: a witness that no lesson taught."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

LEVELS = np.array([0.5, 0.75, 0.9, 0.99])
"""Fractions of the peaks of counting noise that lie below the values by which it is known."""
FEW = 0.6
"""Fraction of shots taken for singles that can be single, below which they are not believed, whatever was found."""
SURE = 2.0
"""Standard deviations of chance that are allowed for."""


def noise_levels(peaks: ArrayLike) -> NDArray[np.float64]:
    """Return the values that `LEVELS` of the peaks of counting noise lie below.

    Examples
    --------
    >>> noise_levels(np.linspace(2, 4, 101)).round(2).tolist()
    [3.0, 3.5, 3.8, 3.98]
    """
    return np.asarray(np.quantile(np.asarray(peaks, np.float64), LEVELS))


def most_singles(peaks: ArrayLike, noise: NDArray[np.float64]) -> float:
    """Bound the fraction of single hits among some shots.

    What one particle does not explain of a single hit is counting noise, so that half of the singles have a peak below
    the middle of those of noise, and so on; multiples have fringes, and fewer of them have.

    Parameters
    ----------
    peaks : (shot,), in standard deviations, one at least
    noise : (level,), as of `noise_levels`

    Returns
    -------
    float, at most 1

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> noise = noise_levels(rng.normal(3, 0.3, 10_000))
    >>> single, multiple = rng.normal(3, 0.3, 3000), rng.normal(7, 1, 1000)
    >>> round(most_singles(np.concatenate([single, multiple]), noise), 1), most_singles(single, noise)
    (0.8, 1.0)
    """
    found = np.asarray(peaks, np.float64)
    below = (found[:, None] <= noise).mean(axis=0)
    chance = np.sqrt(below * (1 - below) / len(found))
    return float(min(1.0, ((below + SURE * chance) / LEVELS).min()))
