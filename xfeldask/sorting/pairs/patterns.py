"""What patterns of one particle look like: their mean, what they differ by, and the background under them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from sklearn.utils.extmath import randomized_svd

from xfeldask.errors import InputError
from xfeldask.latent.sent import FieldsOnly
from xfeldask.physics.binning import ImageGrid

Images = NDArray[Any]
Array = NDArray[np.float32]

RIM = 0.85
"""Fraction of the half-width beyond which a `low_q` image is taken for background."""
LEAST_SHARE = 0.1
"""Least part that particles have in the photons of a bin for the image to be used so far out."""
LEAST_HALF = 4
"""Least half side of the square that is used, in bins: below, no lag would be left to look at."""
BATCH = 256
"""Shots converted to floating point at a time."""
LEAST_PHOTONS = 30
"""Least photons of a bin, over all shots fitted, for it to enter the components."""
FAULT, BRIGHT, LEAST_BRIGHT = 20, 30, 1000
"""A shot of so many times the photons of a bright one is a fault of the detector; the bright one's place, and least."""


@dataclass(frozen=True)
class Window(FieldsOnly):
    """The part of an image that particles scatter into, and how far each bin can be trusted there.

    Attributes
    ----------
    weight : float32 (y, x), part of a bin's photons that particles scattered, on average; 0 outside
    good : float32 (y, x), part of a bin's pixels that are good
    background : float, photons of the background in a full bin for each photon of the image
    half : int, half the side of the square that is used, in bins about the middle of the image

    Examples
    --------
    >>> window = Window(np.ones((12, 12), np.float32), np.ones((12, 12), np.float32), 0.0, 4)
    >>> window.crop(np.ones((3, 12, 12), np.uint16)).shape
    (3, 8, 8)
    """

    weight: Array
    good: Array
    background: float
    half: int

    @cached_property
    def sums(self) -> Array:
        """What images are multiplied by for the photons of particles, and for those of the background (bin, 2)."""
        weight = self.weight.ravel()
        return np.stack([weight, (weight < LEAST_SHARE) & (self.good.ravel() > 0)], axis=1).astype(np.float32)

    @cached_property
    def areas(self) -> tuple[float, float, float]:
        """Good bins where the background is measured, weighted ones, and those weighted twice."""
        weight, good = self.weight.ravel().astype(np.float64), self.good.ravel().astype(np.float64)
        return float(good @ self.sums[:, 1]), float(good @ weight), float(good @ weight**2)

    @property
    def inner(self) -> tuple[slice, slice, slice]:
        """All shots, the square that is used."""
        y, x = (n // 2 for n in self.weight.shape)
        return slice(None), slice(y - self.half, y + self.half), slice(x - self.half, x + self.half)

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
    """Shots (shot,) so much brighter than other bright ones that they would outweigh all that is to be learned.

    Examples
    --------
    >>> too_bright(np.array([500, 900, 1100, 1e9])).tolist()
    [False, False, False, True]
    """
    rank = min(BRIGHT, (len(photons) + 1) // 2)
    bright = np.partition(photons, -rank)[-rank] if rank else 0
    return np.asarray(photons > FAULT * max(bright, LEAST_BRIGHT))


def find_window(images: Images, grid: ImageGrid) -> Window:
    """Find where particles scatter, from the mean of any shots, blanks among them or not.

    Parameters
    ----------
    images : (shot, y, x), `low_q`
    grid : ImageGrid, of `low_q`

    Raises
    ------
    InputError
        Images that do not fit the grid, no photons, or no more of them near the beam than elsewhere.

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
    rim = (radius > RIM * reach) & (radius < reach) & (grid.weight > 0)
    background = float(share[rim].sum() / grid.weight[rim].sum()) if rim.any() else 0.0
    signal = np.maximum(gaussian_filter(share - background * grid.weight, 1.0), 0)
    weight = np.where((radius < reach) & (grid.weight > 0), signal / (signal + background * grid.weight + 1e-12), 0)
    if not (weight > LEAST_SHARE).any():
        raise InputError("no more photons near the beam than elsewhere; there are no hits to sort")
    if reach < LEAST_HALF:
        raise InputError(f"low_q of {grid.shape} bins is too small to sort by; it takes {2 * LEAST_HALF} a side")
    half = int(np.ceil(max(LEAST_HALF, radius[weight > LEAST_SHARE].max())))
    half = min(half + half % 2, min(grid.shape) // 2)
    return Window(weight.astype(np.float32), grid.weight, background, half)


def excess(images: Images, window: Window) -> NDArray[np.float64]:
    """How far the weighted photons of each shot lie above its background, in standard deviations, (shot,).

    The background of a shot is measured where particles hardly scatter.

    Raises
    ------
    InputError
        Images of another shape than the window's, NaN.

    Examples
    --------
    >>> weight = np.pad(np.ones((8, 8), np.float32), 4)
    >>> window = Window(weight, np.ones_like(weight), 0.0, 4)
    >>> flat = np.full((1, 16, 16), 9)
    >>> excess(np.concatenate([flat, flat + (weight > 0)]), window).round(1).tolist()
    [0.0, 2.3]
    """
    images = checked(images, window.weight.shape)
    parts = [_flat(images, i) @ window.sums for i in range(0, len(images), BATCH)]
    signal, rest = np.concatenate(parts or [window.sums[:0]]).T.astype(np.float64)
    outside, weighted, twice = window.areas
    area, least = max(outside, 1.0), 1e-3
    level = rest / area
    expected = level * weighted
    variance = level * twice + weighted**2 * level / area
    # a bin or two of a single photon is no hit where there is no background either
    return np.asarray((signal - expected) / np.sqrt(np.maximum(variance, least) + 1.0))


@dataclass(frozen=True)
class Patterns(FieldsOnly):
    """Mean and principal components of patterns, in a metric in which counting noise is the same everywhere.

    Counts are divided by their sum, centred, and divided by the square root of the mean, as in correspondence
    analysis: for a shot of N photons the noise along any direction then has a variance of about 1 / N.

    Attributes
    ----------
    window : Window
    mean : float32 (feature,), share of the photons in each bin; bins are 2 x 2 of the image's
    scale : float32 (feature,), what shares are multiplied by
    vectors : float32 (component, feature), orthonormal
    variance : float32 (component,), of patterns along them
    noise : float32 (component,), variance of the noise along them, times N

    Examples
    --------
    >>> window = Window(np.ones((8, 8), np.float32), np.ones((8, 8), np.float32), 0.0, 4)
    >>> patterns = fit_patterns(np.random.default_rng(0).poisson(5, (100, 8, 8)), window, 3)
    >>> # the mean pattern lies at the origin, however bright it is
    >>> mean = patterns.basis()[:1] * 1000
    >>> z, photons = patterns.coordinates(mean)
    >>> bool(np.abs(z).max() < 0.01), photons.round().tolist()
    (True, [1000.0])
    """

    window: Window
    mean: Array
    scale: Array
    vectors: Array
    variance: Array
    noise: Array

    def rows(self, crops: Images) -> tuple[Array, Array]:
        """Whitened features (shot, feature), and photons (shot,) of cropped images."""
        rows = _merge(crops)
        photons = np.maximum(rows.sum(axis=1), 1)
        rows /= photons[:, None]
        rows -= self.mean
        rows *= self.scale
        return rows, photons

    def coordinates(self, crops: Images) -> tuple[Array, Array]:
        """Coordinates (shot, component) and photons (shot,)."""
        sums = np.concatenate([_flat(crops, i) @ self._sums for i in range(0, len(crops), BATCH)] or [self._sums[:0]])
        photons = np.maximum(sums[:, -1], 1)
        return sums[:, :-1] / photons[:, None] - self._origin, photons

    @cached_property
    def _origin(self) -> Array:
        return self.vectors @ (self.mean * self.scale)

    @cached_property
    def _sums(self) -> Array:
        """What cropped images are multiplied by for coordinates times photons, and photons, (bin, component + 1)."""
        side = self.window.half
        fine = (self.vectors * self.scale).reshape(-1, side, side).repeat(2, axis=1).repeat(2, axis=2)
        every = np.ones((1, 2 * side, 2 * side), np.float32)
        return np.ascontiguousarray(np.concatenate([fine, every]).reshape(len(fine) + 1, -1).T)

    def trusted(self, coordinates: Array, photons: Array) -> Array:
        """Coordinates shrunk to what counting noise leaves of them."""
        return np.asarray(coordinates * (self.variance / (self.variance + self.noise / photons[:, None])))

    def basis(self) -> Array:
        """Mean and components as shares of photons in the bins of the image, (1 + component, 2 half, 2 half)."""
        inverse = np.divide(1, self.scale, out=np.zeros_like(self.scale), where=self.scale > 0)
        coarse = np.concatenate([np.where(self.scale > 0, self.mean, 0)[None], self.vectors * inverse])
        return _refine(np.asarray(coarse, np.float32).reshape(-1, self.window.half, self.window.half))


def fit_patterns(crops: Images, window: Window, n_components: int = 40, seed: int = 0) -> Patterns:
    """Fit patterns of cropped images of hits.

    Parameters
    ----------
    crops : (shot, 2 half, 2 half), photons
    window : Window, that they were cropped by
    n_components : int, at most; a tenth of the shots at most, too
    seed : int, of the randomized decomposition

    Raises
    ------
    InputError
        Crops of another shape, or too few photons in them.

    Notes
    -----
    N. Halko, P. G. Martinsson and J. A. Tropp, SIAM Review 53, 217 (2011).

    Examples
    --------
    >>> window = Window(np.ones((8, 8), np.float32), np.ones((8, 8), np.float32), 0.0, 4)
    >>> crops = np.random.default_rng(0).poisson(5, (100, 8, 8))
    >>> fit_patterns(crops, window, 3).vectors.shape
    (3, 16)
    """
    if crops.shape[1:] != (2 * window.half, 2 * window.half):
        raise InputError(f"crops are (shot, {2 * window.half}, {2 * window.half}) by their window, got {crops.shape}")
    total = _merge(crops.sum(axis=0, dtype=np.float64)[None])[0]
    weight = _merge(window.crop(window.weight[None]))[0] / 4
    used = (total > LEAST_PHOTONS) & (weight > 0)
    if used.sum() < 2:
        raise InputError(
            f"{len(crops)} hits hold {int(total.sum())} photons in all, too few to learn patterns from; give more shots"
        )
    mean = total / total.sum()
    scale = np.where(used, np.sqrt(weight / np.where(used, mean, 1)), 0)
    bare = Patterns(window, mean, scale, mean[:0, None], mean[:0], mean[:0])
    rows, photons = bare.rows(crops)
    rows *= np.sqrt(photons)[:, None]
    n_components = max(1, min(n_components, len(rows) // 10, int(used.sum()) // 2))
    _, singular, vectors = randomized_svd(rows, n_components, n_iter=2, random_state=seed)
    noise = vectors**2 @ (scale**2 * mean)
    variance = np.maximum((singular**2 / len(rows) - noise) / photons.mean(), 1e-9)
    return Patterns(window, mean, scale, np.ascontiguousarray(vectors), variance, noise)


def _flat(images: Images, start: int) -> Array:
    part = images[start : start + BATCH]
    return part.reshape(len(part), -1).astype(np.float32, copy=False)


def _merge(crops: Images) -> Array:
    """Compute sums over 2 x 2 bins, flattened, float32 (shot, feature)."""
    half = crops.shape[1] // 2
    merged = np.empty((len(crops), half, half), np.float32)
    for start in range(0, len(crops), BATCH):
        part = crops[start : start + BATCH].astype(np.float32, copy=False)
        pairs = part[:, ::2] + part[:, 1::2]
        np.add(pairs[:, :, ::2], pairs[:, :, 1::2], out=merged[start : start + BATCH])
    return merged.reshape(len(crops), -1)


def _refine(coarse: Array) -> Array:
    """Images with twice the bins a side, by linear interpolation; sums are kept but for the border."""
    for axis in (1, 2):
        n = coarse.shape[axis]
        before, after = coarse.take([0, *range(n - 1)], axis), coarse.take([*range(1, n), n - 1], axis)
        pair = np.stack([0.75 * coarse + 0.25 * before, 0.75 * coarse + 0.25 * after], axis + 1)
        shape = list(coarse.shape)
        shape[axis] *= 2
        coarse = np.asarray(pair.reshape(shape) / 2, np.float32)
    return coarse
