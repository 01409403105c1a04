"""Photons that stay as the fluence on the particles goes to zero: no particle scattered them, wherever they lie."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from xfeldask.errors import InputError
from xfeldask.sorting.pairs.batches import BATCH, Images

CENTRAL = 0.15
"""Fraction of all photons, those nearest to the beam, that tell the fluence: how a particle lies matters least."""
LEAST_RADIUS = 1.5
"""Bins about the beam that tell the fluence at least."""
SMOOTH = 2.0
"""Standard deviation of the filter, in bins of `low_q`, under which bins lend each other their photons."""
LEAST_SPREAD = 0.2
"""Relative spread of the fluence below which shots tell nothing of what stays without it."""
LEAST_SHOTS = 300
SURE = 3.0
"""Standard deviations by which a bin must hold more than particles scatter for the rest to count as background."""
LIT = 0.02
"""Photons of particles in a bin, over those in the brightest, from which the bin tells of their pattern."""
LOWEST = 0.3
"""Fraction of the particles' photons that lies where there may be no background at all."""
MOSTLY, LEAST_TOTAL = 0.4, 0.05
"""Fraction of the photons of a bin from which they mostly do not grow, and of all photons, in such bins, from which
that is worth a word: particles of one kind whose sizes differ by some per cent do not reach either."""


@dataclass(frozen=True, eq=False)
class Moments:
    """Sums over shots, which add up over parts of a run.

    Attributes
    ----------
    shots : int
    level, squares : float, sums of the photons about the beam and of their squares
    photons : float64 (y, x), sum of the images
    products : float64 (y, x), sum of the images, each times its photons about the beam

    Examples
    --------
    >>> found = Moments.of(np.array([[[1, 2]], [[3, 0]]]), np.array([[True, False]]))
    >>> found.level, found.products.tolist(), (found + found).shots
    (4.0, [[10.0, 2.0]], 4)
    """

    shots: int
    level: float
    squares: float
    photons: NDArray[np.float64]
    products: NDArray[np.float64]

    @classmethod
    def of(cls, images: Images, central: NDArray[np.bool_]) -> Self:
        """Add up images (shot, y, x); `central`, bool (y, x), are the bins about the beam. Sums of counts are exact."""
        found = cls(0, 0.0, 0.0, np.zeros(central.shape), np.zeros(central.shape))
        for start in range(0, len(images), BATCH):
            batch = images[start : start + BATCH].astype(np.float64)
            level = batch[:, central].sum(axis=1)
            products = np.tensordot(level, batch, 1)
            found += cls(len(batch), float(level.sum()), float(level @ level), batch.sum(axis=0), products)
        return found

    def __add__(self, other: Self) -> Self:
        both = zip(vars(self).values(), vars(other).values(), strict=True)
        return type(self)(*(mine + theirs for mine, theirs in both))


def central_bins(photons: NDArray[Any], good: NDArray[Any], center: tuple[float, float]) -> NDArray[np.bool_]:
    """Return the bins, bool (y, x), whose photons tell the fluence of a shot.

    Parameters
    ----------
    photons : (y, x), mean or sum of shots
    good : (y, x), part of a bin's pixels that are good
    center : (row, column) of the beam, in bins

    Raises
    ------
    InputError
        There are no photons.
    """
    usable = np.where(good > 0, photons, 0.0)
    if not usable.any():
        raise InputError("the shots hold no photons near the beam; there is nothing to tell a background by")
    y, x = (np.arange(n) - c for n, c in zip(good.shape, center, strict=True))
    radius = np.hypot(y[:, None], x)
    order = np.argsort(radius, axis=None, kind="stable")
    place = np.searchsorted(np.cumsum(usable.ravel()[order]), CENTRAL * usable.sum())
    return np.asarray((radius <= max(LEAST_RADIUS, radius.ravel()[order[place]])) & (good > 0))


def at_zero_fluence(
    moments: Moments, central: NDArray[np.bool_], good: NDArray[Any], smooth: float = SMOOTH
) -> NDArray[np.float64]:
    """Estimate the photons of a shot that do not come from particles, whatever their shape.

    Parameters
    ----------
    moments : Moments, of single hits; blanks may be among them
    central : bool (y, x), as of `central_bins`
    good : (y, x), part of a bin's pixels that are good
    smooth : float, standard deviation in bins of the filter under which bins lend each other their photons

    Returns
    -------
    float64 (y, x), photons of a shot on average

    Raises
    ------
    InputError
        Too few shots, or all of them in about the same fluence.

    Notes
    -----
    The photons of a bin are regressed on those about the beam, whose counting noise is taken off their variance. What
    particles scatter is in proportion to the fluence, so the intercept is background, but for a part of the particles'
    pattern, as there may be background about the beam as well. That part is taken to be the one with which the `LOWEST`
    of the particles' photons are without background. It is the place in the focus that tells: light in proportion to
    the energy of the pulse is found as far as fluences differ by more than that. Multiple hits must be few: their
    fringes lie about the beam, too, and vary without the fluence. So do sizes: of spheres whose diameters differ by a
    tenth, a seventh of the photons is taken for background, at high angles.

    Examples
    --------
    >>> radius, good = np.hypot(*(np.indices((32, 32)) - 15.5)), np.ones((32, 32))
    >>> rng = np.random.default_rng(0)
    >>> ring, particle = 0.5 * np.exp(-((radius - 9) ** 2) / 4), 3 * np.exp(-((radius / 5) ** 2))
    >>> images = rng.poisson(rng.gamma(4, 0.25, (2000, 1, 1)) * ring + rng.gamma(3, 0.3, (2000, 1, 1)) * particle)
    >>> central = central_bins(images.sum(axis=0), good, (15.5, 15.5))
    >>> found = at_zero_fluence(Moments.of(images, central), central, good, smooth=1.0)
    >>> print(round(ring.sum()), round(found.sum(), -1), np.corrcoef(found.ravel(), ring.ravel())[0, 1] > 0.95)
    100 100.0 True
    """
    mean, scattered, noise = _parted(moments, central, good, smooth)
    sure = mean - scattered > SURE * noise
    share = np.divide(scattered, mean, out=np.ones(mean.shape), where=sure)
    # of the photons as they are: smoothed, those of a sharp spot would lie beside it
    return np.asarray(np.clip(1 - share, 0, 1) * moments.photons / moments.shots)


def light_beside(
    images: Images, good: NDArray[Any], center: tuple[float, float], known: NDArray[Any] | None = None
) -> float:
    """Return the photons of a shot that do not grow with its brightness, where many bins hold mostly such; else 0.

    Parameters
    ----------
    images : (shot, y, x), single hits, as far as is known
    good : (y, x), part of a bin's pixels that are good
    center : (row, column) of the beam, in bins
    known : (y, x), optional, photons of the background that is known, which do not count

    Examples
    --------
    >>> radius, rng = np.hypot(*(np.indices((32, 32)) - 15.5)), np.random.default_rng(0)
    >>> ring, particle = np.exp(-((radius - 9) ** 2) / 4), 3 * np.exp(-((radius / 5) ** 2))
    >>> alone = rng.gamma(3, 0.3, (2000, 1, 1)) * particle
    >>> good, center = np.ones((32, 32)), (15.5, 15.5)
    >>> light_beside(rng.poisson(alone), good, center), round(light_beside(rng.poisson(alone + ring), good, center), -1)
    (0.0, 180.0)
    """
    try:
        central = central_bins(images.sum(axis=0, dtype=np.float64), good, center)
        moments = Moments.of(images, central)
        mean, scattered, noise = _parted(moments, central, good, SMOOTH)
    except InputError:  # the shots tell nothing
        return 0.0
    told = np.zeros(mean.shape) if known is None else np.asarray(known, np.float64)
    light = mean - scattered - gaussian_filter(told, SMOOTH)
    mostly = (good > 0) & (light > np.maximum(MOSTLY * mean, SURE * noise))
    if mean[mostly].sum() < LEAST_TOTAL * mean.sum():
        return 0.0
    return max(0.0, float((at_zero_fluence(moments, central, good) - told).sum()))


def _parted(
    moments: Moments, central: NDArray[np.bool_], good: NDArray[Any], smooth: float
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Smoothed photons of a shot, of these, those of particles, and their standard error; each (y, x)."""
    n = moments.shots
    if n < LEAST_SHOTS:
        raise InputError(f"{n} shots are too few to tell what stays without fluence; give {LEAST_SHOTS} or more")
    mean, level = moments.photons / n, moments.level / n
    whole = moments.squares / n - level**2
    variance = whole - level
    if not variance > (LEAST_SPREAD * level) ** 2:
        raise InputError(
            "all shots have about the same fluence, so nothing tells what stays without it; say which shots are blank "
            "(--where), or give the background as a file"
        )
    covariance = moments.products / n - level * mean - np.where(central, mean, 0)
    slope = gaussian_filter(covariance, smooth) * level / variance
    smoothed = gaussian_filter(mean, smooth)
    noise = gaussian_filter(mean + 2 * mean**2, smooth) * whole / n / (4 * np.pi * smooth**2)
    lit = (good > 0) & (slope > LIT * max(float(slope.max()), 0.0))
    if not lit.any():
        raise InputError("no photons of the shots grow with those about the beam; name single hits (--where)")
    over = (smoothed / np.where(lit, slope, 1))[lit]
    order = np.argsort(over)
    reached = np.searchsorted(np.cumsum(slope[lit][order]), LOWEST * slope[lit].sum())
    scale = float(over[order[reached]])
    return smoothed, scale * slope, scale * np.sqrt(noise) * level / variance
