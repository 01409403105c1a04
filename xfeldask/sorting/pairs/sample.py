"""Which shots the pair rule learns from."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from xfeldask.sorting.pairs.networks import HIT, MOST_HITS
from xfeldask.sorting.pairs.window import excess, find_window
from xfeldask.sorting.protocol import Shots

TOGETHER = 16
"""Shots drawn together: a store reads as many at once."""
ENOUGH = 0.8
"""Fraction of the hits that a rule takes at most with which a sample is large enough."""


def sample_hits(shots: Shots, seed: int) -> tuple[NDArray[np.int64], NDArray[np.uint16]]:
    """Draw shots until there are hits enough.

    Blanks are taken too at first, and passed over once it is known what a hit looks like.

    Returns
    -------
    index : int64 (sample,), ascending within each draw
    images : uint16 (sample, y, x), their `low_q`
    """
    blocks = np.random.default_rng(seed).permutation(-(-len(shots) // TOGETHER))
    per_round = -(-MOST_HITS // TOGETHER)
    chosen: list[NDArray[np.int64]] = []
    taken: list[NDArray[np.uint16]] = []
    window, hits = None, 0
    for start in range(0, len(blocks), per_round):
        every = (np.sort(blocks[start : start + per_round])[:, None] * TOGETHER + np.arange(TOGETHER)).ravel()
        index = every[every < len(shots)]
        images = shots.read("low_q", index)
        wanted = np.ones(len(index), bool) if window is None else excess(images, window) > HIT
        chosen.append(index[wanted])
        taken.append(images[wanted])
        if window is None:
            window = find_window(images, shots.low_q_grid, shots.background)
            wanted = excess(images, window) > HIT
        hits += int(wanted.sum())
        if hits >= ENOUGH * MOST_HITS:
            break
    return np.concatenate(chosen), np.concatenate(taken)
