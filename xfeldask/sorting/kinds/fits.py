"""How well shots fit an intensity, against others as bright."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

GROUP = 200
"""Shots of like brightness that are compared, about."""
NORMAL = 1.4826
"""Standard deviation of a normal distribution over its median absolute deviation."""


def misfits(log_likelihood: ArrayLike, photons: ArrayLike) -> NDArray[np.float64]:
    """Measure how much worse each shot fits than shots of like brightness do.

    Parameters
    ----------
    log_likelihood : (shot,), under an intensity, without ``log n!``
    photons : (shot,), that it was computed from

    Returns
    -------
    float64 (shot,), log likelihood a photon below the median of such shots, in their robust standard deviations;
    0 where a shot has no photons

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> photons = rng.integers(50, 500, 1000)
    >>> fit = -7 * photons + np.sqrt(photons) * rng.normal(size=1000)
    >>> fit[3] -= photons[3]
    >>> bool(misfits(fit, photons)[3] > 6)
    True
    """
    n = np.asarray(photons, np.float64)
    out = np.zeros(len(n))
    lit = np.flatnonzero(n > 0)
    if not lit.size:
        return out
    each = np.asarray(log_likelihood, np.float64)[lit] / n[lit]
    order = np.argsort(n[lit], kind="stable")
    parts = np.array_split(order, max(1, lit.size // GROUP))
    middle = np.array([np.median(each[part]) for part in parts])
    # the spread of the mean of n photons' terms goes as the root of n
    spread = np.array([NORMAL * np.median(np.abs(each[part] - m)) for part, m in zip(parts, middle, strict=True)])
    at = np.array([np.median(np.log(n[lit][part])) for part in parts])
    light = np.log(n[lit])
    out[lit] = (np.interp(light, at, middle) - each) / np.maximum(np.interp(light, at, spread), 1e-12)
    return out
