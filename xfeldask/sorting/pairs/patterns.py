"""Mean and components of patterns of one particle."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from xfeldask.errors import InputError
from xfeldask.latent.sent import FieldsOnly
from xfeldask.sorting.pairs.batches import BATCH, Array, Images, flat_rows
from xfeldask.sorting.pairs.window import Window

ABOVE = 1.05
"""Least variance of a component that stands above counting noise, in that of the strongest direction of noise."""
LEAST_PHOTONS = 30
"""Least photons of a bin, over all shots fitted, for it to enter the components."""


class Axes(NamedTuple):
    """How coordinates are worked out, in arrays of any library of the array API.

    Attributes
    ----------
    sums : float32 (bin, component + 1), what images are multiplied by for coordinates times photons, and for photons
    origin : float32 (component,), coordinates of no photons
    variance, noise : float32 (component,), as of `Patterns`
    """

    sums: Any
    origin: Any
    variance: Any
    noise: Any

    def coordinates(self, xp: Any, rows: Any) -> tuple[Any, Any]:
        """Coordinates (shot, component) and photons (shot,) of rows (shot, bin)."""
        found = xp.matmul(rows, self.sums)
        photons = xp.clip(found[:, -1], 1.0, None)
        return found[:, :-1] / photons[:, None] - self.origin, photons

    def trusted(self, coordinates: Any, photons: Any) -> Any:
        """Coordinates shrunk to what counting noise leaves of them."""
        return coordinates * (self.variance / (self.variance + self.noise / photons[:, None]))


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
    signal : int, the first so many of them stand above counting noise; the others lie along the noise of the very shots
        that they were fitted to

    Examples
    --------
    >>> window = Window.plain(np.ones((8, 8), np.float32), np.ones((8, 8), np.float32), 0.0, 4)
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
    signal: int

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
        starts = range(0, max(1, len(crops)), BATCH)
        z, photons = zip(*(self.axes.coordinates(np, flat_rows(crops, start)) for start in starts), strict=True)
        return np.concatenate(z), np.concatenate(photons)

    @cached_property
    def axes(self) -> Axes:
        """How coordinates are worked out."""
        side = self.window.half
        fine = (self.vectors * self.scale).reshape(-1, side, side).repeat(2, axis=1).repeat(2, axis=2)
        every = np.ones((1, 2 * side, 2 * side), np.float32)
        sums = np.ascontiguousarray(np.concatenate([fine, every]).reshape(len(fine) + 1, -1).T)
        return Axes(sums, self.vectors @ (self.mean * self.scale), self.variance, self.noise)

    def trusted(self, coordinates: Array, photons: Array) -> Array:
        """Coordinates shrunk to what counting noise leaves of them."""
        return np.asarray(self.axes.trusted(coordinates, photons))

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
    The decomposition is that of N. Halko, P. G. Martinsson and J. A. Tropp, SIAM Review 53, 217 (2011). Of n shots in m
    bins, noise alone gives the first component a variance of (1 + sqrt(m / n))^2 times that of the noise (V. A.
    Marchenko and L. A. Pastur, Mathematics of the USSR-Sbornik 1, 457 (1967)).

    Examples
    --------
    >>> window = Window.plain(np.ones((8, 8), np.float32), np.ones((8, 8), np.float32), 0.0, 4)
    >>> crops = np.random.default_rng(0).poisson(5, (100, 8, 8))
    >>> fit_patterns(crops, window, 3).vectors.shape
    (3, 16)
    """
    if crops.shape[1:] != (2 * window.half, 2 * window.half):
        raise InputError(f"crops are (shot, {2 * window.half}, {2 * window.half}) by their window, got {crops.shape}")
    total = _merge(crops.sum(axis=0, dtype=np.float64)[None])[0]
    weight = _merge(window.crop(window.weight[None]))[0] / 4
    from sklearn.utils.extmath import randomized_svd  # scikit-learn takes a second to import

    used = (total > LEAST_PHOTONS) & (weight > 0)
    if used.sum() < 2:
        raise InputError(
            f"{len(crops)} hits hold {int(total.sum())} photons in all, too few to learn patterns from; give more shots"
        )
    mean = total / total.sum()
    scale = np.where(used, np.sqrt(weight / np.where(used, mean, 1)), 0)
    bare = Patterns(window, mean, scale, mean[:0, None], mean[:0], mean[:0], 0)
    rows, photons = bare.rows(crops)
    rows *= np.sqrt(photons)[:, None]
    n_components = max(1, min(n_components, len(rows) // 10, int(used.sum()) // 2))
    _, singular, vectors = randomized_svd(rows, n_components, n_iter=2, random_state=seed)
    noise = vectors**2 @ (scale**2 * mean)
    power = singular**2 / len(rows)
    edge = ABOVE * noise * (1 + np.sqrt(used.sum() / len(rows))) ** 2
    variance = np.maximum((power - noise) / photons.mean(), 1e-9)
    signal = max(1, int((power > edge).sum()))
    return Patterns(window, mean, scale, np.ascontiguousarray(vectors), variance, noise, signal)


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
