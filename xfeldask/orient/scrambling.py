"""Shots of nothing that have all that a reconstruction could mistake for a particle, but for its speckles."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from xfeldask.orient.sparse import Pixels, SparseFrames

RINGS = 4
"""Rings within a bin: an intensity falls steeply around the beam, and what it falls within a ring would be told."""


def scrambled(frames: SparseFrames, pixels: Pixels, seed: int) -> SparseFrames:
    """Exchange what was counted in bins as far from the beam as each other, by chance.

    Each shot keeps its photons, how they fall off from the beam, and bins that counted too many: whatever makes
    shots differ from their mean profile other than where in a ring photons are.

    Parameters
    ----------
    frames, pixels : of all shots
    seed : int

    Returns
    -------
    SparseFrames

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
    ring = np.rint(RINGS * np.linalg.norm(pixels.s, axis=1) / pixels.step)
    rng, moved = np.random.default_rng(seed), np.empty(len(frames.pixel), frames.pixel.dtype)
    for first, last in zip(frames.start[:-1], frames.start[1:], strict=True):
        # pixels are in order of their rings, which stay apart
        moved[first:last] = np.argsort(ring + 0.9 * rng.random(len(ring)))[frames.pixel[first:last]]
    shot = np.repeat(np.arange(len(frames)), np.diff(frames.start))
    order = np.lexsort((moved, shot))
    return replace(frames, pixel=moved[order], count=frames.count[order])
