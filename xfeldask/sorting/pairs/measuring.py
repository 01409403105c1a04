"""How shots are measured, on any device: written against the Python array API, for NumPy, CuPy and others."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from xfeldask.devices import ON_CPU, Device, in_blocks
from xfeldask.errors import InputError
from xfeldask.sorting.pairs.batches import BATCH, Array, Images
from xfeldask.sorting.pairs.patterns import Axes

if TYPE_CHECKING:
    from xfeldask.sorting.pairs.evidence import Evidence

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
LEAST_NOISE = 0.5
"""Variance of the counting noise of a transform, at least."""


class Measuring:
    """Measures cropped images by what was learned, of which tables lie on a device.

    Parameters
    ----------
    evidence : Evidence
    device : Device

    Attributes
    ----------
    lags : Lags

    Notes
    -----
    Where the memory of the device runs out, fewer images are measured at a time.
    """

    def __init__(self, evidence: Evidence, device: Device) -> None:
        patterns = evidence.patterns
        weight = np.asarray(patterns.window.crop(patterns.window.weight[None])[0])
        self._evidence, self._device = evidence, device
        self.lags = Lags(2 * patterns.window.half, evidence.step, evidence.offset, device)
        self._axes = Axes(*map(device.array, patterns.axes))
        self._weight, self._squared = device.array(weight), device.array((weight**2).ravel())
        self._basis = self.lags.transform(device.array(patterns.basis() * weight))

    @cached_property
    def _noise(self) -> tuple[Any, Any]:
        return self._device.array(self._evidence.middle), self._device.array(self._evidence.spread)

    @cached_property
    def _neighbours(self) -> dict[int, Neighbours]:
        # along the others shots that were learned from lie farther out than any that were not
        spaces = [min(k, self._evidence.patterns.signal) for k in SPACES]
        return {k: Neighbours(self._evidence.reference[:, :k], self._device) for k in spaces}

    def peaks(self, crops: Any) -> tuple[Any, Any, Any]:
        """Unexplained transform in units of counting noise (shot, lag), coordinates, photons; all on the device."""
        xp, rows = self._device.xp, self._device.xp.reshape(crops, (crops.shape[0], -1))
        z, photons = self._axes.coordinates(xp, rows)
        one = xp.ones((z.shape[0], 1), dtype=xp.float32)
        explained = xp.concat([one, self._axes.trusted(z, photons)], axis=1)
        noise = xp.matmul(rows, self._squared) / 2
        unexplained = self.lags.transform(crops * self._weight)
        unexplained -= xp.matmul(explained * photons[:, None], self._basis)
        unexplained /= xp.sqrt(xp.clip(noise, LEAST_NOISE, None))[:, None]
        return unexplained, z, photons

    def unexplained(self, crops: Images) -> Array:
        """Unexplained transform of cropped images, float32 (shot, lag); see `peaks`."""
        out = np.empty((len(crops), len(self.lags.length)), np.float32)

        def work(rows: slice) -> None:
            images = self._device.array(crops[rows].astype(np.float32))
            out[rows] = self._device.host(self.peaks(images)[0])

        self._in_blocks(len(crops), work)
        return out

    def measure(self, crops: Array) -> tuple[Array, Array, NDArray[np.float64]]:
        """Measure cropped images; see `Evidence.measure`."""
        shots = len(crops)
        measures = np.empty((shots, 2 + len(self.lags.bands) + len(SPACES)), np.float32)
        peak, separation = np.empty(shots, np.float32), np.empty(shots)

        def work(rows: slice) -> None:
            measures[rows], peak[rows], separation[rows] = self._measured(crops[rows])

        self._in_blocks(shots, work)
        return measures, peak, separation

    def _in_blocks(self, shots: int, work: Callable[[slice], None]) -> None:
        # images and what they are explained by, their transforms, distances to the reference
        row = 4 * (3 * self._squared.shape[0] + 4 * len(self.lags.length) + 2 * len(self._evidence.reference))
        in_blocks(self._device, shots, row, BATCH, work, "measuring a shot", f"end what else uses it, or {ON_CPU}")

    def _measured(self, crops: Array) -> tuple[Array, Array, NDArray[np.float64]]:
        xp, host, signal = self._device.xp, self._device.host, self._evidence.patterns.signal
        unexplained, z, photons = self.peaks(self._device.array(crops))
        middle, spread = self._noise
        unexplained -= middle
        unexplained /= spread
        bands = [xp.max(unexplained[:, part], axis=1) for part in self.lags.bands]
        expected = self._axes.variance + self._axes.noise / photons[:, None]
        away = xp.sum((z**2 / expected)[:, :signal], axis=1)
        near = [self._neighbours[min(k, signal)].distance(z[:, : min(k, signal)]) * xp.sqrt(photons) for k in SPACES]
        logs = [xp.log(xp.clip(each, 1e-6, None)) for each in (away, *near)]
        highest = xp.argmax(unexplained, axis=1)
        peak = xp.take_along_axis(unexplained, highest[:, None], axis=1)[:, 0]
        measures = xp.stack([xp.log(photons), *bands, *logs], axis=1)
        return host(measures), host(peak), self.lags.length[host(highest)]


class Lags:
    """Vectors between two particles that are looked at, ordered by length.

    Parameters
    ----------
    side : int, of a cropped image [bins]
    step : float, width of a bin [1/m]
    offset : (row, column) of s = 0, in bins
    device : Device, that transforms

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
    >>> lags = Lags(32, 1e7, (15.5, 15.5), Device())
    >>> (lags.length[[0, -1]] * 1e9).round(1).tolist()
    [3.1, 29.6]
    """

    def __init__(self, side: int, step: float, offset: tuple[float, float], device: Device) -> None:
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
        self._device = device
        self._place = device.array(row % self._side * (self._side // 2 + 1) + column)
        turn = 2 * np.pi * (row * offset[0] + column * offset[1]) / self._side
        self._phase = device.array(np.exp(1j * turn).astype(np.complex64))
        edges = self.length[0] * BAND ** np.arange(1, np.log(self.length[-1] / self.length[0]) / np.log(BAND))
        cuts = [0, *np.searchsorted(self.length, edges).tolist(), len(self.length)]
        self.bands = [slice(a, b) for a, b in pairwise(cuts) if b > a]

    def transform(self, crops: Any) -> Any:
        """Real part of the Fourier transform about s = 0 at the lags, float32 (shot, lag), on the device."""
        xp, fft, shots = self._device.xp, self._device.fft, crops.shape[0]
        out = xp.empty((shots, len(self.length)), dtype=xp.float32)
        for start in range(0, shots, TRANSFORMED):
            part = slice(start, min(shots, start + TRANSFORMED))
            half = fft.rfftn(crops[part, ...], s=(self._side, self._side), axes=(1, 2))
            found = xp.take(xp.reshape(half, (half.shape[0], -1)), self._place, axis=1)
            out[part, :] = xp.real(found * self._phase)
        return out


class Neighbours:
    """Shots among which the nearest are looked for.

    Parameters
    ----------
    reference : float32 (other shot, component)
    device : Device, that looks

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
    >>> Neighbours(places, Device()).distance(np.array([[2.0], [6.0]], np.float32), neighbours=1).tolist()
    [1.0, 2.0]
    """

    def __init__(self, reference: Array, device: Device) -> None:
        self._device, self._n = device, len(reference)
        if self._n < 2:
            raise InputError(f"neighbours are looked for among 2 shots or more, got {self._n}")
        self._groups = -(-self._n // GROUP)
        # columns of ones and of squares make one product of what would be three passes over all distances
        table = np.full((reference.shape[1] + 1, self._groups * GROUP), np.inf, np.float32)
        table[:-1] = 0
        table[:, : self._n] = np.concatenate([-2 * reference.T, (reference**2).sum(axis=1)[None]])
        self._table = device.array(table)

    def distance(self, z: Any, neighbours: int = NEIGHBOURS) -> Any:
        """Mean distance (shot,) to the nearest of the reference; a shot is not its own neighbour.

        What is nearer than a hundredth of a shot's distance from the mean is taken for the shot itself.

        Parameters
        ----------
        z : float32 (shot, component)
        neighbours : int; all of the reference, less one, where it is no larger

        Examples
        --------
        >>> line = np.arange(20, dtype=np.float32)[:, None] + 1
        >>> Neighbours(line, Device()).distance(line[:1], 2).tolist()
        [1.5]
        """
        xp, shots = self._device.xp, z.shape[0]
        square, kept = xp.sum(z**2, axis=1)[:, None], min(neighbours + 1, self._n)
        with_one = xp.concat([z, xp.ones((shots, 1), dtype=xp.float32)], axis=1)
        squared = xp.reshape(xp.matmul(with_one, self._table), (shots, GROUP, self._groups))
        close = xp.argsort(xp.min(squared, axis=1), axis=1)[:, : min(kept, self._groups)]
        candidates = xp.reshape(xp.take_along_axis(squared, close[:, None, :], axis=2), (shots, -1))
        nearest = xp.sort(candidates, axis=1)[:, :kept] + square
        own = nearest[:, :1] <= 1e-4 * square
        chosen = xp.where(own, nearest[:, 1:], nearest[:, :-1])
        return xp.mean(xp.sqrt(xp.clip(chosen, 0.0, None)), axis=1)
