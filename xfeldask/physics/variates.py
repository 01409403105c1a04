"""Normal and Gamma variates of whole arrays, as truth and detectors take them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from xfeldask.physics.draws import gamma, normal_quantile
from xfeldask.physics.jit import kernel

NORMAL_CUT = 4.0
"""Normal variates are cut at this many standard deviations, so that reciprocal space stays bounded."""
LEAST_SPREAD = 1e-100
"""Relative spread of Gamma variates; the square of one below has no inverse."""


def cut_normals(u: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return normal variates within `NORMAL_CUT`, of the shape of uniform ones.

    Examples
    --------
    >>> cut_normals(np.array([0.0, 0.5, 0.975])).round(2).tolist()
    [-4.0, 0.0, 1.96]
    """
    # the half step keeps u = 0 away from minus infinity
    out = np.ravel(u) + 2.0**-54
    _normal_quantiles(out)
    return np.clip(out.reshape(u.shape), -NORMAL_CUT, NORMAL_CUT)


@kernel
def _normal_quantiles(p: NDArray[np.float64]) -> None:
    for i in range(p.size):
        p[i] = normal_quantile(p[i])


def unit_gammas(key: NDArray[np.uint64], spread: float) -> NDArray[np.float64]:
    """Return Gamma variates of mean 1 and relative `spread`, one of each stream; ones where there is no spread.

    Examples
    --------
    >>> from xfeldask.physics.draws import Stream, stream_key
    >>> found = unit_gammas(stream_key(7, Stream.PULSE, np.arange(10_000)), 0.2)
    >>> round(float(found.mean()), 2), round(float(found.std()), 2)
    (1.0, 0.2)
    """
    out = np.ones(key.shape)
    if spread > LEAST_SPREAD:
        _gammas(key, 1 / (spread * spread), out)
    return out


@kernel
def _gammas(key: NDArray[np.uint64], shape: float, out: NDArray[np.float64]) -> None:
    for i in range(key.size):
        out[i] = gamma(key[i], shape) / shape
