"""Where particles scatter, what lies under them, and which shots are hits."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from xfeldask.errors import InputError
from xfeldask.latent.sent import FieldsOnly
from xfeldask.physics.binning import ImageGrid
from xfeldask.sorting.pairs.batches import BATCH, Array, Images, flat_rows
from xfeldask.sorting.pairs.steady import make_gauge, steady_photons

RIM = 0.85
"""Fraction of the half-width beyond which a `low_q` image is taken for background."""
LEAST_SHARE = 0.1
"""Least part that particles have in the photons of a bin for the image to be used so far out."""
LEAST_HALF = 4
"""Least half side of the square that is used, in bins: below, no lag would be left to look at."""
FAULT, BRIGHT, LEAST_BRIGHT = 20, 30, 1000
"""A shot of so many times the photons of a bright one is a fault of the detector; the bright one's place, and least."""


@dataclass(frozen=True)
class Window(FieldsOnly):
    """The part of an image that particles scatter into, and how far each bin can be trusted there.

    Attributes
    ----------
    weight : float32 (y, x), part of a bin's photons that particles scattered, on average; 0 outside
    good : float32 (y, x), part of a bin's pixels that are good
    background : float, photons of a full bin at the rim for each photon of the image: of a flat background, and of the
        particles' own halo, which cannot be told from one there
    half : int, half the side of the square that is used, in bins about the middle of the image
    steady : float32 (y, x), photons of a shot, on average, that neither particles scattered nor are a flat background
    gauge : float32 (y, x), what an image is multiplied by for how much of these it holds; 0 outside the square
    known : float32 (y, x), of the steady photons, those that were known beforehand

    Examples
    --------
    >>> window = Window.plain(np.ones((12, 12), np.float32), np.ones((12, 12), np.float32), 0.0, 4)
    >>> window.crop(np.ones((3, 12, 12), np.uint16)).shape
    (3, 8, 8)
    """

    weight: Array
    good: Array
    background: float
    half: int
    steady: Array
    gauge: Array
    known: Array

    @classmethod
    def plain(cls, weight: Array, good: Array, background: float, half: int) -> Window:
        """Return a window without steady photons."""
        none = np.zeros(weight.shape, np.float32)
        return cls(weight, good, background, half, steady=none, gauge=none, known=none)

    @cached_property
    def sums(self) -> Array:
        """What images are multiplied by for the photons of particles and those of the background (bin, 2).

        Where some photons are steady, also for the amount of these and its variance (bin, 4).
        """
        weight, steady, gauge = (image.ravel() for image in (self.weight, self.steady, self.gauge))
        columns = [weight, (weight < LEAST_SHARE) & (self.good.ravel() > 0) & (steady == self.known.ravel())]
        if steady.any():
            columns += [gauge, gauge**2]
        return np.stack(columns, axis=1).astype(np.float32)

    @cached_property
    def areas(self) -> tuple[float, float, float]:
        """Good bins where the background is measured, weighted ones, and those weighted twice."""
        weight, good = self.weight.ravel().astype(np.float64), self.good.ravel().astype(np.float64)
        return float(good @ self.sums[:, 1]), float(good @ weight), float(good @ weight**2)

    @cached_property
    def steady_areas(self) -> tuple[float, float, float]:
        """Steady photons of a shot on average, where the background is measured, weighted, and weighted twice."""
        weight, steady = self.weight.ravel().astype(np.float64), self.steady.ravel().astype(np.float64)
        return float(steady @ self.sums[:, 1]), float(steady @ weight), float(steady @ weight**2)

    @property
    def inner(self) -> tuple[slice, slice, slice]:
        """All shots, the square that is used."""
        y, x = (n // 2 for n in self.weight.shape)
        return slice(None), slice(y - self.half, y + self.half), slice(x - self.half, x + self.half)

    def with_steady(self, steady: Array, known: Array, mean: NDArray[np.float64]) -> Window:
        """Return a window with steady photons (y, x), some of them known, gauged by the mean of all shots (y, x)."""
        gauge, inner = np.zeros_like(steady), self.inner[1:]
        gauge[inner] = make_gauge(mean[inner], steady[inner], self.good[inner])
        return replace(self, steady=steady, gauge=gauge, known=known)

    def crop(self, images: Images) -> Array:
        """Return the square that is used, float32 (shot, 2 half, 2 half)."""
        return np.ascontiguousarray(images[self.inner], np.float32)


def checked(images: Images, shape: tuple[int, ...]) -> Images:
    """Photon counts (shot, y, x) of images of a shape (y, x), as they are.

    Raises
    ------
    InputError
        Another shape, or values that are no counts of photons: NaN, infinite, negative, complex.

    Examples
    --------
    >>> checked(np.zeros((2, 4, 4), np.uint8), (4, 4)).shape
    (2, 4, 4)
    """
    images = np.asarray(images)
    if images.ndim != 3 or images.shape[1:] != tuple(shape):
        raise InputError(f"images are (shot, {shape[0]}, {shape[1]}) as their grid is, got {images.shape}")
    if images.dtype.kind not in "uif":
        raise InputError(f"images hold photons as numbers, got {images.dtype}")
    # NaN fails every comparison
    if images.dtype.kind != "u" and images.size and not (images.min() >= 0 and images.max() < np.inf):
        raise InputError("images hold NaN, infinity or negative values; mask such bins in the grid and set them to 0")
    return images


def too_bright(photons: NDArray[Any]) -> NDArray[np.bool_]:
    """Tell which shots (shot,) are so bright that they would dominate the fit.

    Examples
    --------
    >>> too_bright(np.array([500, 900, 1100, 1e9])).tolist()
    [False, False, False, True]
    """
    rank = min(BRIGHT, (len(photons) + 1) // 2)
    bright = np.partition(photons, -rank)[-rank] if rank else 0
    return np.asarray(photons > FAULT * max(bright, LEAST_BRIGHT))


def find_window(images: Images, grid: ImageGrid, known: NDArray[Any] | None = None) -> Window:
    """Find where particles scatter, from the mean of any shots, blanks among them or not.

    Parameters
    ----------
    images : (shot, y, x), `low_q`
    grid : ImageGrid, of `low_q`
    known : (y, x), optional, photons of the background of a shot, on average

    Raises
    ------
    InputError
        Images or a background that do not fit the grid, no photons, or no more of them near the beam than elsewhere.

    Notes
    -----
    The weight is that of a Wiener filter, signal / (signal + background): under Poisson noise it makes the sum over
    bins the most significant one for a signal of that shape.

    Examples
    --------
    >>> from xfeldask.physics.binning import low_q_grid
    >>> from xfeldask.physics.detectors import square
    >>> grid = low_q_grid(square(32, 1e-3, 0.1), 1e-10)
    >>> near = np.hypot(*(np.indices(grid.shape) - 15.5)) < 8
    >>> find_window(np.where(near, 9, 1)[None], grid).half
    12
    """
    images = checked(images, grid.shape)
    photons = images.sum(axis=(1, 2), dtype=np.float64)
    fault = too_bright(photons)
    total = (images.sum(axis=0, dtype=np.float64) - images[fault].sum(axis=0, dtype=np.float64)) * (grid.weight > 0)
    if not total.sum():
        raise InputError("the shots hold no photons near the beam; there is nothing to sort")
    share = total / total.sum()
    y, x = (np.arange(n) - c for n, c in zip(grid.shape, grid.center, strict=True))
    radius = np.hypot(y[:, None], x)
    reach = min(grid.shape) / 2
    near = (radius < reach) & (grid.weight > 0)
    rim = near & (radius > RIM * reach)
    mean = total / (~fault).sum()
    given = _checked_background(known, grid)
    beyond = max(0.0, float((share - given / mean.sum())[rim].sum()))
    background = beyond / float(grid.weight[rim].sum()) if rim.any() else 0.0
    flat = np.asarray(background * mean.sum() * grid.weight + given, np.float32)
    steady = given + steady_photons(images, ~fault, flat, near, grid.center)
    under = background * grid.weight + steady / mean.sum()
    signal = np.maximum(gaussian_filter(share - under, 1.0), 0)
    weight = np.where(near, signal / (signal + under + 1e-12), 0)
    if not (weight > LEAST_SHARE).any():
        raise InputError(
            "no more photons near the beam than elsewhere: there are no hits to sort; look at where the beam is, "
            "and at the mask"
        )
    if reach < LEAST_HALF:
        raise InputError(f"low_q of {grid.shape} bins is too small to sort by; it takes {2 * LEAST_HALF} a side")
    half = int(np.ceil(max(LEAST_HALF, radius[weight > LEAST_SHARE].max())))
    half = min(half + half % 2, min(grid.shape) // 2)
    plain = Window.plain(weight.astype(np.float32), grid.weight, background, half)
    return plain.with_steady(steady, given, mean) if steady.any() else plain


def _checked_background(known: NDArray[Any] | None, grid: ImageGrid) -> Array:
    """Photons of a background (y, x) in the good bins; zeros where none is known."""
    if known is None:
        return np.zeros(grid.shape, np.float32)
    if known.shape != grid.shape or not (known >= 0).all() or not np.isfinite(known).all():
        raise InputError(f"a background of low_q is {grid.shape} numbers from 0 on, got {known.dtype} {known.shape}")
    return np.asarray(np.where(grid.weight > 0, known, 0), np.float32)


def excess(images: Images, window: Window) -> NDArray[np.float64]:
    """How far the weighted photons of each shot lie above its background, in standard deviations, (shot,).

    The background of a shot is measured where particles hardly scatter, and its steady photons by their gauge.

    Raises
    ------
    InputError
        Images of another shape than the window's, NaN.

    Examples
    --------
    >>> weight = np.pad(np.ones((8, 8), np.float32), 4)
    >>> window = Window.plain(weight, np.ones_like(weight), 0.0, 4)
    >>> flat = np.full((1, 16, 16), 9)
    >>> excess(np.concatenate([flat, flat + (weight > 0)]), window).round(1).tolist()
    [0.0, 2.3]
    """
    images = checked(images, window.weight.shape)
    parts = [flat_rows(images, i) @ window.sums for i in range(0, len(images), BATCH)]
    signal, rest, *steady = np.concatenate(parts or [window.sums[:0]]).T.astype(np.float64)
    outside, weighted, twice = window.areas
    area, least = max(outside, 1.0), 1e-3
    amount, spread = (np.maximum(steady[0], 0), steady[1]) if steady else (np.zeros(1), np.zeros(1))
    beside, once, steady_twice = window.steady_areas
    level = (rest - amount * beside) / area
    expected = level * weighted + amount * once
    variance = np.maximum(level, 0) * twice + weighted**2 * rest / area**2 + amount * steady_twice + once**2 * spread
    # a bin or two of a single photon is no hit where there is no background either
    return np.asarray((signal - expected) / np.sqrt(np.maximum(variance, least) + 1.0))
