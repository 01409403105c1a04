"""Shots of one, two or three particles, made from nothing but the shots that were measured."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xfeldask.errors import InputError
from xfeldask.sorting.pairs.batches import BATCH, Array, Images, flat_rows
from xfeldask.sorting.pairs.measuring import FINEST_FRINGE
from xfeldask.sorting.pairs.patterns import Patterns

DRAWN = 8
"""Shots drawn at a time, so that they stay in the cache."""
SPARSE = 0.3
"""Photons a bin below which it takes less time to place photons than to draw a number for each bin."""


@dataclass(frozen=True)
class Synthesis:
    """Draws shots of several particles from measured shots that most likely hold one.

    The pattern of a bright shot, freed of counting noise, gives abs(F)^2 of one particle in one orientation; any
    other shot gives how many photons a particle scatters. Amplitudes are the square roots, their phases those of
    the particles' places; the phases of the particles themselves are not measured and are left out.

    Attributes
    ----------
    shapes : float32 (shape, 2 half, 2 half), share of a particle's photons in each bin
    signal : float32 (shot,), photons of a particle
    background : float32 (shot,), photons of the background in a full bin
    good : float32 (2 half, 2 half), part of a bin's pixels that are good
    step : float, width of a bin [1/m]
    steady : float32 (2 half, 2 half), photons of a shot, on average, that come whatever the particles do
    amount : float32 (shot,), of these, in units of their mean

    Examples
    --------
    >>> flat, level = np.full((1, 8, 8), 1 / 64, np.float32), np.zeros(1, np.float32)
    >>> good = np.ones((8, 8), np.float32)
    >>> synthesis = Synthesis(flat, level + 6400, level, good, 1e7, steady=0 * good, amount=level)
    >>> bool(abs(synthesis.draw(1, 10, np.random.default_rng(0)).mean() - 100) < 2)
    True
    """

    shapes: Array
    signal: Array
    background: Array
    good: Array
    step: float
    steady: Array
    amount: Array

    def draw(self, n_particles: int, shots: int, rng: np.random.Generator) -> Array:
        """Draw cropped images of shots of `n_particles`, up to the farthest lag from one another as seen.

        Returns
        -------
        float32 (shot, 2 half, 2 half), whole photons

        Raises
        ------
        InputError
            Fewer than one particle.
        """
        if n_particles < 1:
            raise InputError(f"a synthetic shot holds 1 particle or more, got {n_particles}")
        out = np.empty((shots, *self.good.shape), np.float32)
        for start in range(0, shots, DRAWN):
            part = out[start : start + DRAWN]
            part[:] = _poisson(self._mean(n_particles, len(part), rng), rng)
        return out

    def _mean(self, n_particles: int, shots: int, rng: np.random.Generator) -> Array:
        """Photons to expect (shot, 2 half, 2 half)."""
        real, imaginary = np.zeros((2, shots, *self.good.shape), np.float32)
        under = np.zeros((), np.float32)
        for particle in range(n_particles):
            shape, strength = (rng.integers(0, len(pool), shots) for pool in (self.shapes, self.signal))
            root = np.sqrt(self.shapes[shape] * self.signal[strength][:, None, None])
            if particle:
                cosine, sine = self._phase(shots, rng)
                real += root * cosine
                imaginary += root * sine
            else:
                real, under = root, self._under(strength)
        return np.asarray(real**2 + imaginary**2 + under, np.float32)

    def _under(self, shot: NDArray[np.int64]) -> Array:
        """Photons to expect of what lies under the particles, (shot, 2 half, 2 half)."""
        flat = self.background[shot][:, None, None] * self.good
        if not self.steady.any():
            return flat
        return np.asarray(flat + self.amount[shot][:, None, None] * self.steady)

    def _phase(self, shots: int, rng: np.random.Generator) -> tuple[Array, Array]:
        """Cosine and sine of the phase that a particle's place gives each bin."""
        distance = FINEST_FRINGE / self.step * rng.random(shots)
        azimuth = 2 * np.pi * rng.random(shots)
        side = np.arange(len(self.good)) - (len(self.good) - 1) / 2
        row, column = (2 * np.pi * (distance * turn(azimuth) * self.step)[:, None] * side for turn in (np.cos, np.sin))
        (a, b), (c, d) = ([part(angle).astype(np.float32) for part in (np.cos, np.sin)] for angle in (row, column))
        a, b, c, d = a[:, :, None], b[:, :, None], c[:, None, :], d[:, None, :]
        return a * c - b * d, b * c + a * d


def make_synthesis(crops: Images, patterns: Patterns, step: float) -> Synthesis:
    """Prepare from cropped images of shots that most likely hold one particle; the brightest give the shapes.

    Parameters
    ----------
    crops : (shot, 2 half, 2 half), photons; one or more
    patterns : Patterns
    step : float, width of a bin [1/m]

    Examples
    --------
    >>> from xfeldask.sorting.pairs.patterns import fit_patterns
    >>> from xfeldask.sorting.pairs.window import Window
    >>> flat = np.ones((8, 8), np.float32)
    >>> window = Window.plain(flat, flat, 0.0, 4)
    >>> crops = np.random.default_rng(0).poisson(5, (100, 8, 8))
    >>> synthesis = make_synthesis(crops, fit_patterns(crops, window, 3), 1e7)
    >>> # two particles scatter about twice as much as one
    >>> one, two = (synthesis.draw(n, 200, np.random.default_rng(1)).sum() for n in (1, 2))
    >>> round(float(two / one))
    2
    """
    window = patterns.window
    good = window.crop(window.good[None])[0]
    z, photons = patterns.coordinates(crops)
    level = window.background * photons / max(1e-6, 1 - window.background * _outside(window.good, good))
    steady, gauge = (window.crop(image[None])[0] for image in (window.steady, window.gauge))
    amount = _amounts(crops, gauge)
    signal = np.maximum(photons - level * good.sum() - amount * steady.sum(), 1)
    bright = np.argsort(-photons, kind="stable")[: max(1, int(0.4 * len(photons)))]
    share = np.concatenate([np.ones((len(bright), 1), np.float32), patterns.trusted(z, photons)[bright]], axis=1)
    basis = patterns.basis()
    shapes = (share @ basis.reshape(len(basis), -1)).reshape(-1, *good.shape)
    shapes -= (level / photons)[bright, None, None] * good
    shapes -= (amount / photons)[bright, None, None] * steady
    np.maximum(shapes, 0, out=shapes)
    shapes *= good > 0
    shapes /= np.maximum(shapes.sum(axis=(1, 2), keepdims=True), 1e-9)
    return Synthesis(shapes, signal, level.astype(np.float32), good, step, steady, amount)


def _poisson(mean: Array, rng: np.random.Generator) -> NDArray[np.int64]:
    """Poisson variates of the mean: where photons are few, arrivals of a Poisson process along all bins in a row."""
    edges = mean.ravel().astype(np.float64)
    np.cumsum(edges, out=edges)
    if edges[-1] > SPARSE * mean.size:
        return rng.poisson(mean)
    gaps = np.cumsum(rng.standard_exponential(rng.poisson(edges[-1]) + 1))
    arrivals = gaps[:-1] * (edges[-1] / gaps[-1])
    return np.bincount(np.searchsorted(edges, arrivals, side="right"), minlength=mean.size).reshape(mean.shape)


def _amounts(crops: Images, gauge: Array) -> Array:
    """How much of the steady photons each shot holds, in units of their mean (shot,)."""
    if not gauge.any():
        return np.zeros(len(crops), np.float32)
    parts = [flat_rows(crops, i) @ gauge.ravel() for i in range(0, len(crops), BATCH)]
    return np.maximum(np.concatenate(parts), 0)


def _outside(good: Array, inner: Array) -> float:
    return float(good.sum() - inner.sum())
