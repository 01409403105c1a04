"""Profiles of shots: photons, or their autocorrelation, over rings about the beam."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from xfeldask.errors import InputError
from xfeldask.features.autocorrelation import autocorrelation_lags, patterson_maps
from xfeldask.features.rows import Images, Rows, counts, good, normalised
from xfeldask.physics.binning import ImageGrid


def s_edges(grid: ImageGrid, n_rings: int) -> NDArray[np.float64]:
    """Radii between the rings of `radial_profile`, float64 (n_rings + 1,) [1/m].

    Raises
    ------
    InputError
        No ring.

    Examples
    --------
    >>> from xfeldask.physics.binning import image_grid
    >>> from xfeldask.physics.detectors import square
    >>> (s_edges(image_grid(square(9, 1e-3, 0.1), 1e-10, 1), 2) / 1e6).round().tolist()
    [0.0, 282.0, 565.0]
    """
    if n_rings < 1:
        raise InputError(f"a profile has at least 1 ring, got {n_rings}")
    return np.linspace(0, float(np.linalg.norm(grid.s[grid.weight > 0], axis=-1).max()), n_rings + 1)


def radial_profile(images: Images, grid: ImageGrid, n_rings: int) -> Rows:
    """Photons over `weight` of the bins in rings of abs(s) of equal width, (shot, n_rings) [count].

    Rings without good bins are 0.

    Examples
    --------
    >>> from xfeldask.physics.binning import image_grid
    >>> from xfeldask.physics.detectors import square
    >>> radial_profile(np.full((1, 9, 9), 7.0), image_grid(square(9, 1e-3, 0.1), 1e-10, 1), 2).tolist()
    [[7.0, 7.0]]
    """
    ring = rings(np.linalg.norm(grid.s, axis=-1).reshape(-1), s_edges(grid, n_rings)).clip(max=n_rings - 1)
    weight = np.bincount(ring, grid.weight.reshape(-1), n_rings)
    rows = counts(good(images, grid))
    out = np.empty((len(rows), n_rings), np.float32)
    for shot, row in enumerate(rows):
        out[shot] = np.bincount(ring, row, n_rings) / np.where(weight > 0, weight, 1)
    return out


def lag_edges(grid: ImageGrid, n_rings: int) -> NDArray[np.float64]:
    """Radii between the rings of `autocorrelation_profile`, float64 (n_rings + 1,) [m].

    Raises
    ------
    InputError
        Rings narrower than a lag, or none.

    Examples
    --------
    >>> from xfeldask.physics.binning import image_grid
    >>> from xfeldask.physics.detectors import square
    >>> (lag_edges(image_grid(square(100, 1e-3, 0.1), 1e-10, 1), 3) * 1e9).round(3).tolist()
    [0.0, 1.65, 3.3, 4.95]
    """
    if not 1 <= n_rings < min(grid.shape):
        raise InputError(f"the lags of {grid.shape} bins make 1 to {min(grid.shape) - 1} rings, got {n_rings}")
    lags = autocorrelation_lags(grid)
    return np.linspace(0, lags[-1, -1].min(), n_rings + 1)


def autocorrelation_profile(images: Images, grid: ImageGrid, n_rings: int) -> Rows:
    """Maximum, then mean, of `autocorrelation` over rings of equal width, (shot, 2 * n_rings).

    The rings fill the largest circle of lags; see `lag_edges`.

    Examples
    --------
    >>> from xfeldask.physics.binning import image_grid
    >>> from xfeldask.physics.detectors import square
    >>> autocorrelation_profile(np.ones((1, 9, 9)), image_grid(square(9, 1e-3, 0.1), 1e-10, 1), 2).shape
    (1, 4)
    """
    distance = np.linalg.norm(autocorrelation_lags(grid), axis=-1)
    ring = rings(distance.reshape(-1), lag_edges(grid, n_rings))
    order = np.argsort(ring, kind="stable")[: np.count_nonzero(ring < n_rings)]
    first, size = np.searchsorted(ring[order], np.arange(n_rings)), np.bincount(ring[order])
    rows = normalised(good(images, grid))
    out = np.empty((len(rows), 2, n_rings), np.float32)
    for shot, lags in enumerate(patterson_maps(rows, grid)):
        by_ring = lags.reshape(-1)[order]
        out[shot, 0] = np.maximum.reduceat(by_ring, first)
        out[shot, 1] = np.add.reduceat(by_ring, first, dtype=np.float64) / size
    return out.reshape(len(rows), 2 * n_rings)


def rings(radius: NDArray[np.float64], edges: NDArray[np.float64]) -> NDArray[np.int64]:
    """Ring of each radius; what lies outside gets the number of rings.

    Examples
    --------
    >>> rings(np.array([0.0, 0.5, 1.5, 2.0, 9.0]), np.array([0.0, 1.0, 2.0])).tolist()
    [0, 0, 1, 1, 2]
    """
    # rounding puts no radius on the wrong side of its edge
    inner, outer = edges[:-1] * (1 - 1e-9), edges[-1] * (1 + 1e-9)
    return np.where(radius > outer, len(inner), np.searchsorted(inner, radius, side="right") - 1)
