"""What a shot shows that speaks for one particle or for several."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from xfeldask.latent.patterns import Array, Patterns

FINEST_FRINGE = 0.3
"""Longest lag looked at, in parts of 1 / (width of a bin): finer fringes fade within the bins."""
BAND = 1.5
"""Each band of lags reaches this many times farther than the one before."""
NEIGHBOURS = 10
SPACES = (20, 40)
"""Components in which neighbours are looked for."""


@dataclass(frozen=True)
class Evidence:
    """Measures of each shot, from how it differs from patterns of one particle.

    Two particles interfere: fringes put a peak into the Fourier transform of the pattern at the lag between them as
    seen along the beam. What one particle can explain is taken off first, so that the peak stands out against
    counting noise even at lags shorter than the particle; each lag is measured in its own standard deviations.

    Attributes
    ----------
    patterns : Patterns
    step : float, width of a bin [1/m]
    offset : (row, column) of s = 0 in the cropped image, in bins
    middle, spread : float32 (lag,), median and standard deviation at each lag over shots of the fit
    reference : float32 (shot, component), coordinates of shots among which neighbours are looked for
    """

    patterns: Patterns
    step: float
    offset: tuple[float, float]
    middle: Array
    spread: Array
    reference: Array

    @cached_property
    def lags(self) -> Lags:
        """Lags looked at."""
        return Lags(2 * self.patterns.window.half, self.step, self.offset)

    @cached_property
    def _basis(self) -> Array:
        """Transforms of mean and components."""
        return self.lags.transform(self.patterns.basis() * self._weight)

    @cached_property
    def _weight(self) -> Array:
        weight: Array = self.patterns.window.crop(self.patterns.window.weight[None])[0]
        return weight

    def peaks(self, crops: Array) -> tuple[Array, Array, Array]:
        """Unexplained transform in units of counting noise (shot, lag), coordinates, photons."""
        z, photons = self.patterns.coordinates(crops)
        explained = np.concatenate([np.ones((len(z), 1), np.float32), self.patterns.trusted(z, photons)], axis=1)
        noise = np.einsum("nyx,yx->n", crops, self._weight**2) / 2
        unexplained = self.lags.transform(crops * self._weight)
        unexplained -= (explained * photons[:, None]) @ self._basis
        return unexplained / np.sqrt(np.maximum(noise, 0.5))[:, None], z, photons

    def measure(self, crops: Array) -> tuple[Array, Array, NDArray[np.float64]]:
        """Measures of cropped images.

        Returns
        -------
        measures : float32 (shot, measure): log of the photons; the highest peak in each band of lags; log of the
            distance from the mean pattern; log of the mean distance to the nearest neighbours, twice
        peak : float32 (shot,), the highest peak, in standard deviations
        separation : float64 (shot,), its lag [m]
        """
        unexplained, z, photons = self.peaks(crops)
        unexplained -= self.middle
        unexplained /= self.spread
        bands = [unexplained[:, part].max(axis=1) for part in self.lags.bands]
        expected = self.patterns.variance + self.patterns.noise / photons[:, None]
        away = np.log(np.maximum((z**2 / expected).sum(axis=1), 1e-6))
        near = [
            np.log(np.maximum(neighbour_distance(z[:, :k], self.reference[:, :k]) * np.sqrt(photons), 1e-6))
            for k in SPACES
        ]
        highest = unexplained.argmax(axis=1)
        measures = np.stack([np.log(photons), *bands, away, *near], axis=1).astype(np.float32)
        return measures, unexplained[np.arange(len(z)), highest], self.lags.length[highest]


class Lags:
    """Vectors between two particles that are looked at, ordered by length.

    Parameters
    ----------
    side : int, of a cropped image [bins]
    step : float, width of a bin [1/m]
    offset : (row, column) of s = 0, in bins

    Attributes
    ----------
    length : float64 (lag,) [m], ascending, from one resolution element
    bands : list of slices
    """

    def __init__(self, side: int, step: float, offset: tuple[float, float]) -> None:
        self._side = scipy.fft.next_fast_len(side, real=True)
        unit = 1 / (self._side * step)
        farthest = FINEST_FRINGE / step
        reach = min(int(farthest / unit), self._side // 2 - 1)
        row, column = np.arange(-reach, reach + 1), np.arange(reach + 1)
        length = np.hypot(row[:, None], column) * unit
        order = np.argsort(length, axis=None, kind="stable")
        order = order[(length.flat[order] >= 1 / (side * step)) & (length.flat[order] <= farthest)]
        self.length: NDArray[np.float64] = length.flat[order]
        self._rows, self._columns, self._order = row % self._side, reach + 1, order
        phase = (row[:, None] * offset[0] + column * offset[1]) / self._side
        self._phase = np.exp(2j * np.pi * phase).astype(np.complex64)
        edges = self.length[0] * BAND ** np.arange(1, np.log(self.length[-1] / self.length[0]) / np.log(BAND))
        cuts = [0, *np.searchsorted(self.length, edges).tolist(), len(self.length)]
        self.bands = [slice(a, b) for a, b in pairwise(cuts) if b > a]

    def transform(self, crops: Array) -> Array:
        """Real part of the Fourier transform about s = 0 at the lags, float32 (shot, lag)."""
        out = np.empty((len(crops), len(self.length)), np.float32)
        for i, crop in enumerate(crops):
            half = scipy.fft.rfft2(crop, (self._side, self._side), workers=1)
            seen = half[self._rows, : self._columns] * self._phase
            out[i] = seen.real.ravel()[self._order]
        return out


def neighbour_distance(z: Array, reference: Array, neighbours: int = NEIGHBOURS) -> NDArray[Any]:
    """Mean distance (shot,) to the nearest of the reference; a shot is not its own neighbour.

    Examples
    --------
    >>> line = np.arange(20, dtype=np.float32)[:, None] + 1
    >>> neighbour_distance(line[:1], line, 2).tolist()
    [1.5]
    """
    square = (z**2).sum(axis=1)
    squared = square[:, None] + (reference**2).sum(axis=1) - 2 * (z @ reference.T)
    kept = min(neighbours + 1, len(reference))
    nearest = np.sort(np.partition(squared, kept - 1, axis=1)[:, :kept], axis=1)
    own = nearest[:, 0] <= 1e-4 * square
    chosen = np.where(own[:, None], nearest[:, 1:], nearest[:, :-1])
    return np.asarray(np.sqrt(np.maximum(chosen, 0)).mean(axis=1))


def fit_evidence(crops: Array, patterns: Patterns, step: float, offset: tuple[float, float]) -> Evidence:
    """Learn the noise at each lag, and a reference for neighbours, from cropped images of hits."""
    none = np.zeros(0, np.float32)
    bare = Evidence(patterns, step, offset, none, none, none)
    unexplained, _, _ = bare.peaks(crops[:: max(1, len(crops) // 4000)])
    low, middle, high = np.percentile(unexplained, [16, 50, 84], axis=0).astype(np.float32)
    reference, _ = patterns.coordinates(crops)
    return Evidence(patterns, step, offset, middle, np.maximum((high - low) / 2, 1e-3), reference)
