"""Shots of one, two or three particles, made from nothing but the shots that were measured."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xfeldask.latent.evidence import FINEST_FRINGE
from xfeldask.latent.patterns import Array, Patterns

BATCH = 128


@dataclass(frozen=True)
class Synthesis:
    """Draws shots of several particles from measured shots that most likely hold one.

    The pattern of a bright shot, freed of counting noise, gives abs(F)^2 of one particle in one orientation; any
    other shot gives how many photons a particle scatters. Amplitudes are the square roots, their phases those of
    the particles' places; the phases of the particles themselves are not measured and are left out.

    Attributes
    ----------
    shapes : float32 (shot, 2 half, 2 half), share of a particle's photons in each bin
    signal : float32 (shot,), photons of a particle
    background : float32 (shot,), photons of the background in a full bin
    good : float32 (2 half, 2 half), part of a bin's pixels that are good
    step : float, width of a bin [1/m]
    """

    shapes: Array
    signal: Array
    background: Array
    good: Array
    step: float

    def draw(self, n_particles: int, shots: int, rng: np.random.Generator) -> Array:
        """Cropped images of shots of `n_particles`, up to the farthest lag from one another as seen."""
        parts = [self._batch(n_particles, min(BATCH, shots - start), rng) for start in range(0, shots, BATCH)]
        return np.concatenate(parts)

    def _batch(self, n_particles: int, shots: int, rng: np.random.Generator) -> Array:
        amplitude: NDArray[np.complex64] = np.zeros((shots, *self.good.shape), np.complex64)
        level: Array = np.zeros(shots, np.float32)
        for particle in range(n_particles):
            shape, strength = (rng.integers(0, len(pool), shots) for pool in (self.shapes, self.signal))
            root = np.sqrt(self.shapes[shape] * self.signal[strength][:, None, None])
            amplitude += root * self._phase(shots, rng) if particle else root
            level = level if particle else self.background[strength]
        mean = np.abs(amplitude) ** 2 + level[:, None, None] * self.good
        return rng.poisson(mean).astype(np.float32)

    def _phase(self, shots: int, rng: np.random.Generator) -> NDArray[np.complex64]:
        distance = FINEST_FRINGE / self.step * rng.random(shots)
        azimuth = 2 * np.pi * rng.random(shots)
        side = np.arange(len(self.good)) - (len(self.good) - 1) / 2
        row, column = (
            np.exp(2j * np.pi * (distance * turn(azimuth) * self.step)[:, None] * side).astype(np.complex64)
            for turn in (np.cos, np.sin)
        )
        return row[:, :, None] * column[:, None, :]


def make_synthesis(crops: Array, patterns: Patterns, step: float) -> Synthesis:
    """Prepare from cropped images of shots that most likely hold one particle; the brightest give the shapes."""
    window = patterns.window
    good = window.crop(window.good[None])[0]
    z, photons = patterns.coordinates(crops)
    level = window.background * photons / max(1e-6, 1 - window.background * _outside(window.good, good))
    signal = np.maximum(photons - level * good.sum(), 1)
    bright = np.argsort(-photons, kind="stable")[: max(1, int(0.4 * len(photons)))]
    share = np.concatenate([np.ones((len(bright), 1), np.float32), patterns.trusted(z, photons)[bright]], axis=1)
    basis = patterns.basis()
    shapes = (share @ basis.reshape(len(basis), -1)).reshape(-1, *good.shape) * photons[bright, None, None]
    shapes = np.maximum(shapes - level[bright, None, None] * good, 0) * (good > 0)
    total = np.maximum(shapes.sum(axis=(1, 2), keepdims=True), 1e-6)
    return Synthesis((shapes / total).astype(np.float32), signal, level.astype(np.float32), good, step)


def _outside(good: Array, inner: Array) -> float:
    return float(good.sum() - inner.sum())
