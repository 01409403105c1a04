"""Detectors and shots that samplers are tried on."""

from __future__ import annotations

import numpy as np

from xfeldask.physics.detectors import R_E, make_geometry, square, wavelength
from xfeldask.physics.forward import Margins
from xfeldask.physics.orientations import rotation_matrix, uniform_quaternion
from xfeldask.physics.scattering import Shot

ENERGY = 4600.0
LAMBDA = wavelength(ENERGY)
FLUENCE = 3e24
MARGINS = Margins(center=2e-3, scale=1.15)
TURNS = rotation_matrix(uniform_quaternion(np.random.default_rng(5).random((3, 3))))

EVERYTHING = {
    "pulse_spread": 0.3,
    "focus": "gaussian",
    "energy_spread": 0.002,
    "center_spread": 1.5,
    "size_spread": 0.03,
    "background": 0.2,
}
"""All nuisances at once, as of `xfeldask.config.Nuisance`."""


def flat():
    """64 x 64 pixels with a dead stripe and a dead block."""
    geometry = square(64, 300e-6, 0.15)
    mask = np.ones(geometry.shape, bool)
    mask[0, 20:23] = False
    mask[0, 40:52, 30:37] = False
    return make_geometry(geometry.pixel_position, geometry.pixel_size, mask)


def bent():
    """Two panels of 41 x 30 pixels, tilted against the beam and at different distances."""
    size, tilt = 400e-6, np.deg2rad(20)
    ss, fs = np.meshgrid(np.arange(41) * size, np.arange(30) * size, indexing="ij")
    panel = np.stack([ss - 20 * size, fs * np.cos(tilt) + 1e-3, fs * np.sin(tilt) + 0.14], axis=-1)
    other = panel * [1, -1, 1] + [2e-3, 0, 0.01]
    mask = np.random.default_rng(1).random((2, 41, 30)) < 0.9
    return make_geometry(np.stack([panel, other]), size, mask)


def shot_of(geometry, particles, energy=ENERGY, center=(0.0, 0.0), background=0.0, key=1):
    """A shot of particles given as (rotation, place [m], fluence [1/m^2], size)."""
    rotation = np.array([p[0] for p in particles]).reshape(-1, 3, 3)
    place = np.array([p[1] for p in particles], float).reshape(-1, 3)
    strength = np.sqrt([p[2] for p in particles]) * geometry.pixel_size * R_E
    size = np.array([p[3] for p in particles], float)
    wavenumber, body = 1 / wavelength(energy), np.zeros(len(size), np.int64)
    return Shot(rotation, place, strength, size, wavenumber, np.array(center), background, np.uint64(key), body)


def single(turn=0, fluence=FLUENCE):
    return [(TURNS[turn], np.zeros(3), fluence, 1.0)]


TRIPLE = [
    (TURNS[0], np.zeros(3), FLUENCE / 3, 1.04),
    (TURNS[1], np.array([20e-9, 12e-9, -15e-9]), FLUENCE / 2, 0.97),
    (TURNS[2], np.array([-9e-9, 30e-9, 25e-9]), FLUENCE / 4, 1.0),
]
