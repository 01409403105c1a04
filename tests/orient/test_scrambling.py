"""Likenesses of shots: each keeps what it should."""

from __future__ import annotations

import numpy as np
import pytest

from tests.orient.shots import PIXELS
from xfeldask.orient.scrambling import mixed
from xfeldask.orient.sparse import SparseFrames

SIZE = len(PIXELS.s)
DIRECTION = np.arctan2(PIXELS.s[:, 1], PIXELS.s[:, 0]) % np.pi


def dense(frames: SparseFrames) -> np.ndarray:
    out = np.zeros((len(frames), SIZE), np.int64)
    out[np.repeat(np.arange(len(frames)), np.diff(frames.start)), frames.pixel] = frames.count
    return out


@pytest.mark.parametrize("count", [1, 2, 9, 24])
@pytest.mark.parametrize("seed", range(8))
def test_mixed__is_made_of_two_shots_half_of_the_directions_each(count, seed):
    # each pixel of a shot says whose it is, and shots lie in order of their brightness
    images = np.tile(100 + np.arange(count)[:, None], SIZE)
    frames = SparseFrames.of(images[::-1], np.arange(SIZE))
    found = dense(mixed(frames, PIXELS, seed)) - 100
    apart = 1 + seed // 2
    for shot, whose in zip(range(count)[::-1], found, strict=True):
        others = set(whose) - {shot}
        assert len(others) <= 1
        if others:
            assert abs(others.pop() - shot) == apart
            own = np.sort(DIRECTION[whose == shot])
            gap = np.diff(np.append(own, own[0] + np.pi)).max()
            assert gap == pytest.approx(np.pi / 2, abs=0.05)
    assert (np.sort(found, axis=0) == np.arange(count)[:, None]).all()
    alone = (found == np.arange(count)[::-1, None]).all(axis=1).sum()
    assert alone <= 2 * apart
