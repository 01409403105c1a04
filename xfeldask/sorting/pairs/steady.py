"""Photons that come whatever the particles do: a bright spot of the detector, a streak to one side of the beam."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from xfeldask.sorting.pairs.batches import BATCH, Array, Images, flat_rows

SMOOTH = 1.5
"""Standard deviation of the filter, in bins, under which bins lend each other their photons."""
LEAST_SPREAD = 0.2
"""Relative spread of the photons of a shot, beyond counting noise, below which brightness tells nothing."""
LEAST_PART = 0.25
"""Fraction of the photons near a bin that has to be steady for it to count."""
LEAST_TOTAL = 0.01
"""Fraction of all photons of a shot below which steady ones are not worth a word: a few bins of many go astray."""
SURE = 5.0
"""Standard deviations by which a bin has to fail to follow the brightness of the shots."""


def steady_photons(
    images: Images, usable: NDArray[np.bool_], flat: Array, allowed: NDArray[np.bool_], center: tuple[float, float]
) -> Array:
    """Find the photons of a shot that do not grow with its brightness as those on the other side of the beam do.

    Parameters
    ----------
    images : (shot, y, x), photons
    usable : bool (shot,), shots that are looked at
    flat : float32 (y, x), photons of a flat background that is known, of a shot on average
    allowed : bool (y, x), bins in which anything may be found
    center : (row, column) of the beam, in bins

    Returns
    -------
    float32 (y, x), photons of a shot on average; 0 where bins follow the brightness

    Notes
    -----
    A particle's photons are proportional to the fluence that it meets, so a bin's covariance with the photons of the
    whole shot, less its counting noise, is in proportion to the mean that particles have there. The ratio of the two
    also depends on the particle's shape, which may be bright in one orientation where it is dim in another, and on
    where the detector has gaps; but near the beam a pattern is the same on both sides of it (Friedel). What the mean
    of a bin has beyond the ratio of the bin opposite is steady. What lies on both sides is not found: a ring, a streak
    through the beam. Nothing is found where all shots are about as bright.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> radius = np.hypot(*(np.indices((32, 32)) - 15.5))
    >>> near = np.exp(-(radius / 6) ** 2)
    >>> spot = np.zeros((32, 32)); spot[20:24, 20:24] = 1.0
    >>> images = rng.poisson(rng.gamma(3, 1, (2000, 1, 1)) * near + spot)
    >>> flat, everything = np.zeros((32, 32), np.float32), np.ones((32, 32), bool)
    >>> found = steady_photons(images, np.ones(2000, bool), flat, everything, (15.5, 15.5))
    >>> round(float(found.sum())), round(float(found[20:24, 20:24].sum()))
    (16, 16)
    """
    shots, shape = int(usable.sum()), images.shape[1:]
    none = np.zeros(shape, np.float32)
    photons = images.sum(axis=(1, 2), dtype=np.float64) * usable
    if shots < 2 or not photons.any():
        return none
    level = photons.sum() / shots
    away = ((photons - level) * usable).astype(np.float32)
    variance = float(away @ away) / shots
    if variance - level < (LEAST_SPREAD * level) ** 2:
        return none
    moments = np.zeros((2, images[0].size))
    for start in range(0, len(images), BATCH):
        part = slice(start, start + BATCH)
        both = np.stack([usable[part].astype(np.float32), away[part]])
        moments += both @ flat_rows(images, start)
    mean, covariance = (moments / shots).reshape(2, *shape)
    covariance -= mean
    over = mean - flat
    smooth, follows, known = (gaussian_filter(image, SMOOTH) for image in (over, covariance, flat))
    bright = allowed & (smooth > known)
    noise = np.sqrt(gaussian_filter(mean + 2 * mean**2, SMOOTH) * variance / shots / (4 * np.pi * SMOOTH**2))
    lit = np.where(bright, smooth, np.inf)
    ratio, doubt = (_opposite(image, center) for image in (follows / lit, noise / lit))
    rest = smooth * ratio - follows
    sure = bright & (ratio > 0) & (rest > SURE * np.hypot(noise, smooth * doubt)) & (rest > LEAST_PART * smooth * ratio)
    steady = np.where(sure, np.maximum(over - covariance / np.where(sure, ratio, 1), 0), 0)
    return steady.astype(np.float32) if steady.sum() > LEAST_TOTAL * level else none


def _opposite(image: NDArray[np.float64], center: tuple[float, float]) -> NDArray[np.float64]:
    """Return the values of an image (y, x) on the other side of the beam; 0 where it does not reach."""
    places = [round(2 * c) - np.arange(n) for n, c in zip(image.shape, center, strict=True)]
    inside = [(place >= 0) & (place < n) for place, n in zip(places, image.shape, strict=True)]
    out = np.zeros(image.shape)
    out[np.ix_(*inside)] = image[np.ix_(*(place[there] for place, there in zip(places, inside, strict=True)))]
    return out


def make_gauge(mean: NDArray[np.floating[Any]], steady: NDArray[np.floating[Any]], good: Array) -> Array:
    """Weigh bins so that their sum tells how much of the steady photons a shot holds, in units of their mean.

    Parameters
    ----------
    mean : float (y, x), photons of a shot on average
    steady : float32 (y, x), of these, the steady ones
    good : float32 (y, x), part of a bin's pixels that are good; a flat background lies there

    Returns
    -------
    float32 (y, x): the least-squares weights, each bin counted by its noise, beside the particles' mean pattern and a
    flat background

    Examples
    --------
    >>> mean, steady = np.array([[4.0, 2.0, 1.0, 3.0]]), np.array([[0.0, 0.0, 0.0, 2.0]])
    >>> gauge = make_gauge(mean, steady, np.ones((1, 4)))
    >>> bool(abs((gauge * (3 * steady + 5 * (mean - steady) + 7)).sum() - 3) < 1e-5)
    True
    """
    if not steady.any():
        return np.zeros(mean.shape, np.float32)
    parts = np.stack([steady, np.maximum(mean - steady, 0), good]).reshape(3, -1).astype(np.float64)
    noise = np.maximum(mean, mean.max() * 1e-5).ravel()
    weighted = np.where(good.ravel() > 0, parts / noise, 0)
    return np.asarray((np.linalg.pinv(weighted @ parts.T) @ weighted)[0].reshape(mean.shape), np.float32)
