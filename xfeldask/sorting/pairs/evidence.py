"""What a shot shows that speaks for one particle or for several."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from xfeldask.devices import CPU, Device
from xfeldask.latent.sent import FieldsOnly
from xfeldask.sorting.pairs.batches import BATCH, Array, Images, cut, side_by_side
from xfeldask.sorting.pairs.measuring import Lags, Measuring
from xfeldask.sorting.pairs.patterns import Patterns


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

    @property
    def lags(self) -> Lags:
        """Lags looked at."""
        return self.on(CPU).lags

    @property
    def peaks_in_bands(self) -> slice:
        """Which of the measures are peaks in bands of lags."""
        return slice(1, 1 + len(self.lags.bands))

    @cached_property
    def _measuring(self) -> dict[Device, Measuring]:
        return {}

    def on(self, device: Device) -> Measuring:
        """Return what measures on a device, where it keeps its tables."""
        if device not in self._measuring:
            self._measuring[device] = Measuring(self, device)
        return self._measuring[device]

    def measure(self, crops: Array, device: Device = CPU) -> tuple[Array, Array, NDArray[np.float64]]:
        """Measures of cropped images.

        Parameters
        ----------
        crops : float32 (shot, 2 half, 2 half), photons
        device : Device, that measures

        Returns
        -------
        measures : float32 (shot, measure): log of the photons; the highest peak in each band of lags; log of the
            distance from the mean pattern; log of the mean distance to the nearest neighbours, twice
        peak : float32 (shot,), the highest peak, in standard deviations
        separation : float64 (shot,), its lag [m]
        """
        return self.on(device).measure(crops)

    def noise_peaks(self, crops: Images, rng: np.random.Generator, device: Device = CPU) -> Array:
        """Peaks that counting noise alone gives: those of photons drawn from what one particle explains of each shot.

        Parameters
        ----------
        crops : (shot, 2 half, 2 half), photons
        rng : numpy.random.Generator
        device : Device, that measures

        Returns
        -------
        float32 (shot,), in standard deviations, as those of `measure`
        """
        basis = self.patterns.basis()

        def peaks(batch: tuple[slice, np.random.Generator]) -> Array:
            shots, rng = batch
            z, photons = self.patterns.coordinates(crops[shots])
            share = np.concatenate([np.ones((len(z), 1), np.float32), self.patterns.trusted(z, photons)], axis=1)
            mean = np.maximum(share @ basis.reshape(len(basis), -1), 0)
            mean *= photons[:, None] / np.maximum(mean.sum(axis=1, keepdims=True), 1e-9)
            drawn = rng.poisson(mean).reshape(-1, *basis.shape[1:]).astype(np.float32)
            return self.measure(drawn, device)[1]

        batches = cut(len(crops))
        found = side_by_side(peaks, list(zip(batches, rng.spawn(len(batches)), strict=True)), device)
        return np.concatenate([np.zeros(0, np.float32), *found])


def fit_evidence(
    crops: Images, patterns: Patterns, step: float, offset: tuple[float, float], device: Device = CPU
) -> Evidence:
    """Learn the noise at each lag, and a reference for neighbours, from cropped images of hits.

    Parameters
    ----------
    crops : (shot, 2 half, 2 half), photons
    patterns : Patterns
    step : float, width of a bin [1/m]
    offset : (row, column) of s = 0 in the cropped image, in bins
    device : Device, that measures

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
    bare = Measuring(Evidence(patterns, step, offset, none, none, none), device)
    some = crops[:: max(1, len(crops) // 4000)]
    # a GPU sizes its blocks itself, once for all of them
    parts = cut(len(some), BATCH if device is CPU else len(some))
    unexplained = np.concatenate(side_by_side(lambda shots: bare.unexplained(some[shots]), parts, device))
    lags = cut(unexplained.shape[1])
    levels = side_by_side(lambda part: np.percentile(unexplained[:, part], [16, 50, 84], axis=0), lags)
    low, middle, high = np.concatenate(levels, axis=1).astype(np.float32)
    reference, _ = patterns.coordinates(crops)
    return Evidence(patterns, step, offset, middle, np.maximum((high - low) / 2, 1e-3), reference)
