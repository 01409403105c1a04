"""Small detectors, and images of few photons."""

from __future__ import annotations

import numpy as np

from xfeldask.physics.detectors import make_geometry, wavelength

LAMBDA = wavelength(4600)


def two_panels(seed=None, height=9, width=7):
    """Two panels with a gap, off the beam, a third of the pixels masked when there is a seed."""
    row, column = np.meshgrid(np.arange(height), np.arange(width), indexing="ij")
    position = np.stack([row - 3.2, column - 4.7, np.full(row.shape, 200.0)], axis=-1)
    panels = np.stack([position, position + np.array([0.3, width + 3, 0])]) * 75e-6
    mask = None if seed is None else np.random.default_rng(seed).random(panels.shape[:3]) < 2 / 3
    if mask is not None:
        mask[0, 0, 0] = True
    return make_geometry(panels, 75e-6, mask)


def shots(seed, n, shape, kind="poisson"):
    """Images of few photons; of `kind` float, any finite numbers."""
    rng = np.random.default_rng(seed)
    if kind == "float":
        return rng.gamma(0.3, 2.0, (n, *shape))
    return rng.poisson(0.3, (n, *shape)).astype(np.uint16)
