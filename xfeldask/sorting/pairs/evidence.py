"""What a shot shows that speaks for one particle or for several."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from xfeldask.errors import InputError
from xfeldask.latent.sent import FieldsOnly
from xfeldask.sorting.pairs.batches import BATCH, Array, Images
from xfeldask.sorting.pairs.patterns import Patterns

FINEST_FRINGE = 0.3
"""Longest lag looked at, in parts of 1 / (width of a bin): finer fringes fade within the bins."""
BAND = 1.5
"""Each band of lags reaches this many times farther than the one before."""
NEIGHBOURS = 10
SPACES = (20, 40)
"""Components in which neighbours are looked for."""
GROUP = 16
"""Shots of the reference whose least distance is looked at first."""
TRANSFORMED = 16
"""Images transformed at a time, so that they stay in the cache."""


@dataclass(frozen=True)
class Evidence(FieldsOnly):
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

    @property
    def peaks_in_bands(self) -> slice:
        """Which of the measures are peaks in bands of lags."""
        return slice(1, 1 + len(self.lags.bands))

    @cached_property
    def _neighbours(self) -> list[Neighbours]:
        return [Neighbours(self.reference[:, :k]) for k in self._spaces]

    @cached_property
    def _spaces(self) -> list[int]:
        # along the others shots that were learned from lie farther out than any that were not
        return [min(k, self.patterns.signal) for k in SPACES]

    @cached_property
    def _basis(self) -> Array:
        """Transforms of mean and components."""
        return self.lags.transform(self.patterns.basis() * self._weight)

    @cached_property
    def _weight(self) -> Array:
        return np.asarray(self.patterns.window.crop(self.patterns.window.weight[None])[0])

    def peaks(self, crops: Array) -> tuple[Array, Array, Array]:
        """Unexplained transform in units of counting noise (shot, lag), coordinates, photons."""
        z, photons = self.patterns.coordinates(crops)
        explained = np.concatenate([np.ones((len(z), 1), np.float32), self.patterns.trusted(z, photons)], axis=1)
        noise = crops.reshape(len(crops), -1) @ (self._weight**2).ravel() / 2
        unexplained = self.lags.transform(crops * self._weight)
        unexplained -= (explained * photons[:, None]) @ self._basis
        unexplained /= np.sqrt(np.maximum(noise, 0.5))[:, None]
        return unexplained, z, photons

    def measure(self, crops: Array) -> tuple[Array, Array, NDArray[np.float64]]:
        """Measures of cropped images.

        Parameters
        ----------
        crops : float32 (shot, 2 half, 2 half), photons

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
        away = np.log(np.maximum((z**2 / expected)[:, : self.patterns.signal].sum(axis=1), 1e-6))
        near = [
            np.log(np.maximum(space.distance(z[:, :k]) * np.sqrt(photons), 1e-6))
            for k, space in zip(self._spaces, self._neighbours, strict=True)
        ]
        highest = unexplained.argmax(axis=1)
        measures = np.stack([np.log(photons), *bands, away, *near], axis=1).astype(np.float32)
        return measures, unexplained[np.arange(len(z)), highest], self.lags.length[highest]

    def noise_peaks(self, crops: Images, rng: np.random.Generator) -> Array:
        """Peaks that counting noise alone gives: those of photons drawn from what one particle explains of each shot.

        Parameters
        ----------
        crops : (shot, 2 half, 2 half), photons

        Returns
        -------
        float32 (shot,), in standard deviations, as those of `measure`
        """
        basis = self.patterns.basis()
        out = [np.zeros(0, np.float32)]
        for start in range(0, len(crops), BATCH):
            z, photons = self.patterns.coordinates(crops[start : start + BATCH])
            share = np.concatenate([np.ones((len(z), 1), np.float32), self.patterns.trusted(z, photons)], axis=1)
            mean = np.maximum(share @ basis.reshape(len(basis), -1), 0)
            mean *= photons[:, None] / np.maximum(mean.sum(axis=1, keepdims=True), 1e-9)
            out.append(self.measure(rng.poisson(mean).reshape(-1, *basis.shape[1:]).astype(np.float32))[1])
        return np.concatenate(out)


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

    Raises
    ------
    InputError
        An image too small for any lag.

    Examples
    --------
    >>> lags = Lags(32, 1e7, (15.5, 15.5))
    >>> (lags.length[[0, -1]] * 1e9).round(1).tolist()
    [3.1, 29.6]
    """

    def __init__(self, side: int, step: float, offset: tuple[float, float]) -> None:
        self._side = scipy.fft.next_fast_len(side, real=True)
        unit = 1 / (self._side * step)
        farthest = FINEST_FRINGE / step
        reach = min(int(farthest / unit), self._side // 2 - 1)
        row, column = (
            part.ravel() for part in np.meshgrid(np.arange(-reach, reach + 1), np.arange(reach + 1), indexing="ij")
        )
        length = np.hypot(row, column) * unit
        order = np.argsort(length, kind="stable")
        order = order[(length[order] >= 1 / (side * step)) & (length[order] <= farthest)]
        if not len(order):
            raise InputError(f"an image of {side} bins a side is too small for lags between particles; it takes 8")
        self.length: NDArray[np.float64] = length[order]
        row, column = row[order], column[order]
        self._place = row % self._side * (self._side // 2 + 1) + column
        turn = 2 * np.pi * (row * offset[0] + column * offset[1]) / self._side
        self._phase = np.exp(1j * turn).astype(np.complex64)
        edges = self.length[0] * BAND ** np.arange(1, np.log(self.length[-1] / self.length[0]) / np.log(BAND))
        cuts = [0, *np.searchsorted(self.length, edges).tolist(), len(self.length)]
        self.bands = [slice(a, b) for a, b in pairwise(cuts) if b > a]

    def transform(self, crops: Array) -> Array:
        """Real part of the Fourier transform about s = 0 at the lags, float32 (shot, lag)."""
        out = np.empty((len(crops), len(self.length)), np.float32)
        for start in range(0, len(crops), TRANSFORMED):
            part = slice(start, start + TRANSFORMED)
            half = scipy.fft.rfft2(crops[part], (self._side, self._side), workers=1)
            out[part] = (half.reshape(len(half), -1)[:, self._place] * self._phase).real
        return out


class Neighbours:
    """Shots among which the nearest are looked for.

    Parameters
    ----------
    reference : float32 (other shot, component)

    Raises
    ------
    InputError
        A reference of fewer than 2 shots.

    Notes
    -----
    The k nearest lie in the k groups that come nearest, so that only these are looked through.

    Examples
    --------
    >>> places = np.array([[1.0], [2.0], [4.0]], np.float32)
    >>> Neighbours(places).distance(np.array([[2.0], [6.0]], np.float32), neighbours=1).tolist()
    [1.0, 2.0]
    """

    def __init__(self, reference: Array) -> None:
        self._n = len(reference)
        if self._n < 2:
            raise InputError(f"neighbours are looked for among 2 shots or more, got {self._n}")
        self._groups = -(-self._n // GROUP)
        # columns of ones and of squares make one product of what would be three passes over all distances
        table = np.full((reference.shape[1] + 1, self._groups * GROUP), np.inf, np.float32)
        table[:-1] = 0
        table[:, : self._n] = np.concatenate([-2 * reference.T, (reference**2).sum(axis=1)[None]])
        self._table = table

    def distance(self, z: Array, neighbours: int = NEIGHBOURS) -> NDArray[Any]:
        """Mean distance (shot,) to the nearest of the reference; a shot is not its own neighbour.

        What is nearer than a hundredth of a shot's distance from the mean is taken for the shot itself.

        Parameters
        ----------
        z : float32 (shot, component)
        neighbours : int; all of the reference, less one, where it is no larger

        Examples
        --------
        >>> line = np.arange(20, dtype=np.float32)[:, None] + 1
        >>> Neighbours(line).distance(line[:1], 2).tolist()
        [1.5]
        """
        square, kept = (z**2).sum(axis=1), min(neighbours + 1, self._n)
        squared = np.concatenate([z, np.ones((len(z), 1), np.float32)], axis=1) @ self._table
        squared = squared.reshape(len(z), GROUP, self._groups)
        close = np.argpartition(squared.min(axis=1), min(kept, self._groups) - 1, axis=1)[:, :kept]
        candidates = np.take_along_axis(squared, close[:, None], axis=2).reshape(len(z), -1)
        nearest = np.sort(np.partition(candidates, kept - 1, axis=1)[:, :kept], axis=1) + square[:, None]
        own = nearest[:, 0] <= 1e-4 * square
        chosen = np.where(own[:, None], nearest[:, 1:], nearest[:, :-1])
        return np.asarray(np.sqrt(np.maximum(chosen, 0)).mean(axis=1))


def fit_evidence(crops: Images, patterns: Patterns, step: float, offset: tuple[float, float]) -> Evidence:
    """Learn the noise at each lag, and a reference for neighbours, from cropped images of hits.

    Parameters
    ----------
    crops : (shot, 2 half, 2 half), photons
    patterns : Patterns
    step : float, width of a bin [1/m]
    offset : (row, column) of s = 0 in the cropped image, in bins

    Examples
    --------
    >>> from xfeldask.sorting.pairs.patterns import fit_patterns
    >>> from xfeldask.sorting.pairs.window import Window
    >>> flat = np.ones((32, 32), np.float32)
    >>> crops = np.random.default_rng(0).poisson(1, (60, 32, 32))
    >>> evidence = fit_evidence(crops, fit_patterns(crops, Window.plain(flat, flat, 0.0, 16), 3), 1e7, (15.5, 15.5))
    >>> # fringes of two points 25 nm apart along x
    >>> fringes = np.tile(4 * np.cos(np.pi * 25e-9 * 1e7 * (np.arange(32) - 15.5)) ** 2, (32, 1))
    >>> _, peak, separation = evidence.measure(fringes[None].astype(np.float32))
    >>> bool(peak[0] > 10), f"{separation[0] * 1e9:.0f} nm"
    (True, '25 nm')
    """
    none = np.zeros(0, np.float32)
    bare = Evidence(patterns, step, offset, none, none, none)
    some = crops[:: max(1, len(crops) // 4000)]
    unexplained = [bare.peaks(some[i : i + BATCH].astype(np.float32))[0] for i in range(0, len(some), BATCH)]
    low, middle, high = np.percentile(np.concatenate(unexplained), [16, 50, 84], axis=0).astype(np.float32)
    reference, _ = patterns.coordinates(crops)
    return Evidence(patterns, step, offset, middle, np.maximum((high - low) / 2, 1e-3), reference)
