"""Shots of nothing that have all that a reconstruction could mistake for a particle, but for its speckles."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from xfeldask.orient.sparse import Pixels, SparseFrames

RINGS = 4
"""Rings within a bin: an intensity falls steeply around the beam, and what it falls within a ring would be told."""


def scrambled(frames: SparseFrames, pixels: Pixels, seed: int) -> SparseFrames:
    """Move what was counted in each bin to another one as far from the beam, by chance.

    Each shot keeps its photons, how they fall off from the beam, and bins that counted too many: whatever makes
    shots differ from their mean profile other than where in a ring photons are.

    Parameters
    ----------
    frames, pixels : of all shots
    seed : int

    Returns
    -------
    SparseFrames, in which a pixel of a shot may be listed twice

    Examples
    --------
    >>> from xfeldask.orient.sparse import pixels_of
    >>> from xfeldask.physics.detectors import square
    >>> pixels = pixels_of(square(64, 1.2e-3, 0.15), 2.7e-10)
    >>> frames = SparseFrames.of(np.random.default_rng(0).poisson(0.5, (30, 64, 64)), pixels.index)
    >>> moved = scrambled(frames, pixels, seed=0)
    >>> far = np.linalg.norm(pixels.s, axis=1) / pixels.step
    >>> bool(np.abs(far[moved.pixel].mean() - far[frames.pixel].mean()) < 0.01)
    True
    """
    ring = np.rint(RINGS * np.linalg.norm(pixels.s, axis=1) / pixels.step).astype(np.int64)[frames.pixel]
    bounds = np.searchsorted(np.rint(RINGS * np.linalg.norm(pixels.s, axis=1) / pixels.step), [ring, ring + 1])
    seen = np.concatenate([[0.0], np.cumsum(pixels.factor)])
    low, high = seen[bounds]
    at = low + np.random.default_rng(seed).random(len(ring)) * (high - low)
    moved = np.clip(np.searchsorted(seen, at, "right") - 1, bounds[0], bounds[1] - 1)
    shot = np.repeat(np.arange(len(frames)), np.diff(frames.start))
    order = np.lexsort((moved, shot))
    return replace(frames, pixel=moved[order].astype(frames.pixel.dtype), count=frames.count[order])
