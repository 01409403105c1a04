"""Shots of particles of a few atoms, whose orientations are known."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from xfeldask.orient.sparse import Pixels, SparseFrames, pixels_of
from xfeldask.physics.detectors import square
from xfeldask.physics.orientations import rotation_matrix, uniform_quaternion

LAMBDA = 2.7e-10
PIXELS = pixels_of(square(64, 1.2e-3, 0.15), LAMBDA)
RADIUS = 8.0
SIZE = 4e-9


class Shots(NamedTuple):
    frames: SparseFrames
    orientation: np.ndarray
    atoms: np.ndarray


def atoms_of(seed: int, size: float = SIZE, count: int = 12) -> np.ndarray:
    """Places on a sphere [m]."""
    found = np.random.default_rng(seed).normal(size=(count, 3))
    return found / np.linalg.norm(found, axis=1, keepdims=True) * size


def intensity(atoms: np.ndarray, s: np.ndarray) -> np.ndarray:
    """Of atoms of one electron; NumPy's exponential of complex numbers would take several times as long."""
    phase = 2 * np.pi * (s @ atoms.T)
    return np.asarray(np.cos(phase).sum(axis=-1) ** 2 + np.sin(phase).sum(axis=-1) ** 2)


def shots(
    count: int, photons: float, seed: int, pixels: Pixels = PIXELS, size: float = SIZE, atoms: np.ndarray | None = None
) -> Shots:
    """Shots of a particle, of fluences that differ by a factor."""
    rng, atoms = np.random.default_rng(seed), atoms_of(seed, size) if atoms is None else atoms
    orientation = uniform_quaternion(rng.random((count, 3)))
    near = pixels.within(RADIUS)
    images = np.zeros((count, len(pixels.s)), np.uint16)
    for shot, turn in enumerate(rotation_matrix(orientation)):
        w = intensity(atoms, pixels.s[:near] @ turn) * pixels.factor[:near]
        images[shot, :near] = rng.poisson(w / w.sum() * photons * np.exp(0.5 * rng.normal()))
    return Shots(SparseFrames.of(images, np.arange(len(pixels.s))), orientation, atoms)
