"""What patterns of one particle look like: their mean, what they differ by, and the background under them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from sklearn.utils.extmath import randomized_svd

from xfeldask.errors import InputError
from xfeldask.physics.binning import ImageGrid

Images = NDArray[Any]
Array = NDArray[np.float32]

RIM = 0.85
"""Part of the half-width beyond which a `low_q` image is taken for background."""
LEAST_SHARE = 0.1
"""Least part that particles have in the photons of a bin for the image to be used so far out."""
BATCH = 256
"""Shots converted to floating point at a time."""
LEAST_PHOTONS = 30
"""Least photons of a bin, over all shots fitted, for it to enter the components."""


@dataclass(frozen=True)
class Window:
    """The part of an image that particles scatter into, and how far each bin can be trusted there.

    Attributes
    ----------
    weight : float32 (y, x), part of a bin's photons that particles scattered, on average; 0 outside
    good : float32 (y, x), part of a bin's pixels that are good
    background : float, photons of the background in a full bin for each photon of the image
    half : int, half the side of the square that is used, in bins about the middle of the image
    """

    weight: Array
    good: Array
    background: float
    half: int

    @property
    def inner(self) -> tuple[slice, slice, slice]:
        """All shots, the square that is used."""
        y, x = (n // 2 for n in self.weight.shape)
        return slice(None), slice(y - self.half, y + self.half), slice(x - self.half, x + self.half)

    def crop(self, images: Images) -> Array:
        """The square that is used, float32 (shot, 2 half, 2 half)."""
        return np.ascontiguousarray(images[self.inner], np.float32)


def find_window(images: Images, grid: ImageGrid) -> Window:
    """Find where particles scatter, from the mean of any shots, blanks among them or not.

    Parameters
    ----------
    images : (shot, y, x), `low_q`
    grid : ImageGrid, of `low_q`

    Raises
    ------
    InputError
        No photons, or no more of them near the beam than elsewhere.

    Notes
    -----
    The weight is that of a Wiener filter, signal / (signal + background): under Poisson noise it makes the sum over
    bins the most significant one for a signal of that shape.
    """
    total = images.sum(axis=0, dtype=np.float64)
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
    half = min(int(np.ceil(radius[weight > LEAST_SHARE].max())), min(grid.shape) // 2)
    return Window(weight.astype(np.float32), grid.weight, background, half + half % 2 if half < reach else half)


def excess(images: Images, window: Window) -> NDArray[np.float64]:
    """How far the weighted photons of each shot lie above its background, in standard deviations, (shot,).

    The background of a shot is measured outside the square that particles scatter into.
    """
    weight, good = window.weight.ravel().astype(np.float64), window.good.ravel().astype(np.float64)
    outside = (weight < LEAST_SHARE) & (good > 0)
    sums = np.stack([weight, outside], axis=1).astype(np.float32)
    signal, rest = np.concatenate([_flat(images, i) @ sums for i in range(0, len(images), BATCH)] or [sums[:0]]).T
    area, least = good[outside].sum(), 1e-3
    level = rest / max(area, 1.0)
    expected = level * (good @ weight)
    variance = level * (good @ weight**2) + (good @ weight) ** 2 * level / max(area, 1.0)
    # a bin or two of a single photon is no hit where there is no background either
    return np.asarray((signal - expected) / np.sqrt(np.maximum(variance, least) + 1.0))


@dataclass(frozen=True)
class Patterns:
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
    """

    window: Window
    mean: Array
    scale: Array
    vectors: Array
    variance: Array
    noise: Array

    def rows(self, crops: Array) -> tuple[Array, Array]:
        """Whitened features (shot, feature), and photons (shot,) of cropped images."""
        merged = _merge(crops)
        photons = np.maximum(merged.sum(axis=1), 1)
        return (merged / photons[:, None] - self.mean) * self.scale, photons

    def coordinates(self, crops: Array) -> tuple[Array, Array]:
        """Coordinates (shot, component) and photons (shot,)."""
        rows, photons = self.rows(crops)
        return rows @ self.vectors.T, photons

    def trusted(self, coordinates: Array, photons: Array) -> Array:
        """Coordinates shrunk to what counting noise leaves of them."""
        return coordinates * (self.variance / (self.variance + self.noise / photons[:, None]))

    def basis(self) -> Array:
        """Mean and components as shares of photons in the bins of the image, (1 + component, 2 half, 2 half)."""
        inverse = np.divide(1, self.scale, out=np.zeros_like(self.scale), where=self.scale > 0)
        coarse = np.concatenate([np.where(self.scale > 0, self.mean, 0)[None], self.vectors * inverse])
        return _refine(coarse.reshape(-1, self.window.half, self.window.half))


def fit_patterns(crops: Array, window: Window, n_components: int = 40, seed: int = 0) -> Patterns:
    """Fit patterns of cropped images of hits (shot, 2 half, 2 half)."""
    merged = _merge(crops)
    photons = np.maximum(merged.sum(axis=1), 1)
    total = merged.sum(axis=0, dtype=np.float64)
    mean = (total / total.sum()).astype(np.float32)
    weight = _merge(window.crop(window.weight[None]))[0] / 4
    used = (total > LEAST_PHOTONS) & (weight > 0)
    scale = np.where(used, np.sqrt(weight / np.where(used, mean, 1)), 0).astype(np.float32)
    rows = (merged / photons[:, None] - mean) * scale
    rows *= np.sqrt(photons)[:, None]
    n_components = min(n_components, len(rows) // 10, int(used.sum()) // 2)
    _, singular, vectors = randomized_svd(rows, n_components, n_iter=2, random_state=seed)
    noise = vectors**2 @ (scale**2 * mean)
    variance = np.maximum((singular**2 / len(rows) - noise) / photons.mean(), 1e-9)
    return Patterns(window, mean, scale, vectors, variance.astype(np.float32), noise.astype(np.float32))


def _flat(images: Images, start: int) -> Array:
    part = images[start : start + BATCH]
    return part.reshape(len(part), -1).astype(np.float32)


def _merge(crops: Array) -> Array:
    """Sums over 2 x 2 bins, flattened (shot, feature)."""
    pairs = crops[:, ::2] + crops[:, 1::2]
    return np.asarray(pairs[:, :, ::2] + pairs[:, :, 1::2]).reshape(len(crops), -1)


def _refine(coarse: Array) -> Array:
    """Images with twice the bins a side, by linear interpolation; sums are kept but for the border."""
    for axis in (1, 2):
        before, after = (np.concatenate(parts, axis) for parts in _shifted(coarse, axis))
        pair = np.stack([0.75 * coarse + 0.25 * before, 0.75 * coarse + 0.25 * after], axis + 1)
        shape = list(coarse.shape)
        shape[axis] *= 2
        coarse = pair.reshape(shape) / 2
    return coarse


def _shifted(images: Array, axis: int) -> tuple[list[Array], list[Array]]:
    n = images.shape[axis]
    first, last = np.take(images, [0], axis), np.take(images, [n - 1], axis)
    return [first, np.take(images, range(n - 1), axis)], [np.take(images, range(1, n), axis), last]
