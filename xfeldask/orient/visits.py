"""Who is compared with which rotations, and how that work is shared out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from xfeldask.orient import kernels
from xfeldask.orient.rotations import TILE, RotationGrid

BLOCKS = 32
"""Parts that the tiles of all models are shared out in; sums have the same order whoever works on them."""

MOST_VISITS = 1 << 22
"""Visits whose likelihoods are held at once, about; each has 128 bytes, and 128 more in the result of a task."""

AROUND = 20
"""Rotations around each likely one that a shot is compared with next, if the grid stays as it is."""


@dataclass(frozen=True, eq=False)
class Visits:
    """Which shots are compared with which tiles of rotations, tile by tile; tiles of all models are counted through.

    Attributes
    ----------
    start : int64 (tile + 1,), visits of each tile
    shot : int32 (visit,)
    tile : int32 (visit,)
    by_shot : int64 (shot + 1,), visits of each shot in `order`
    order : int64 (visit,)
    first : int, number of the first shot that `by_shot` tells of

    Examples
    --------
    >>> visits = Visits.everywhere(2, 3)
    >>> visits.shot.tolist()
    [0, 1, 2, 0, 1, 2]
    >>> [(block.shots, block.shot.tolist()) for block in visits.blocks(most=4)]
    [(slice(0, 1, None), [0, 0]), (slice(1, 3, None), [1, 2, 1, 2])]
    """

    start: NDArray[np.int64]
    shot: NDArray[np.int32]
    tile: NDArray[np.int32]
    by_shot: NDArray[np.int64]
    order: NDArray[np.int64]
    first: int = 0

    @property
    def shots(self) -> slice:
        """The shots that `by_shot` tells of."""
        return slice(self.first, self.first + len(self.by_shot) - 1)

    def blocks(self, most: int) -> Iterator[Self]:
        """Cut the shots into as few blocks as have about `most` visits each or fewer; where depends on visits alone."""
        count = -(-len(self.shot) // most)
        if count < 2:
            yield self
            return
        share = np.arange(1, count) * len(self.shot) // count
        cuts = np.searchsorted(self.by_shot, share, "right") - 1
        n_shots = len(self.by_shot) - 1
        for first, stop in pairwise(np.unique([0, *cuts, n_shots]).tolist()):
            own = (self.shot >= first) & (self.shot < stop)
            shot, tile = self.shot[own], self.tile[own]
            start = np.searchsorted(tile, np.arange(len(self.start)))
            by_shot = self.by_shot[first : stop + 1] - self.by_shot[first]
            yield type(self)(start, shot, tile, by_shot, np.argsort(shot, kind="stable"), first)

    @classmethod
    def of(cls, keys: NDArray[np.int64], n_tiles: int, n_shots: int) -> Self:
        """Sort visits, ``tile * n_shots + shot`` each."""
        keys = np.sort(keys)
        tile, shot = (part.astype(np.int32) for part in np.divmod(keys, n_shots))
        start = np.searchsorted(tile, np.arange(n_tiles + 1))
        order = np.argsort(shot, kind="stable")
        by_shot = np.concatenate([[0], np.cumsum(np.bincount(shot, minlength=n_shots))])
        return cls(start, shot, tile, by_shot, order)

    @classmethod
    def everywhere(cls, n_tiles: int, n_shots: int) -> Self:
        """Compare every shot with every tile."""
        return cls.of(np.arange(n_tiles * n_shots), n_tiles, n_shots)

    @classmethod
    def near(cls, rotation: NDArray[np.int32], before: RotationGrid, grid: RotationGrid, n_models: int) -> Self:
        """Compare each shot with the tiles around its likeliest rotations of the grid before.

        Parameters
        ----------
        rotation : int32 (shot, some), ``model * rotations + rotation`` of `before`, -1 for none
        before, grid : RotationGrid
        n_models : int
        """
        shots, tiles = len(rotation), n_models * grid.n_tiles
        around = _around(before, grid)
        keys = np.zeros(0, np.int64)
        for _ in range(2):  # first to count them
            seen = np.full(tiles, -1)
            found = kernels.visits(rotation, around, grid.n_tiles, len(before.quaternion), seen, keys)
            keys = keys if keys.size else np.empty(found, np.int64)
        return cls.of(keys, tiles, shots)


@lru_cache(maxsize=1)
def _around(before: RotationGrid, grid: RotationGrid) -> NDArray[np.int32]:
    """Return the tiles around each rotation of the grid before, int32 (rotation, some)."""
    count = int(np.ceil(AROUND * max(1.0, grid.n_rotations / before.n_rotations)))
    return (grid.nearest(before.quaternion, count) // TILE).astype(np.int32)


class Part(NamedTuple):
    """Tiles of one model that are worked on together, `start` to `stop` of those of all models.

    Examples
    --------
    >>> [(part.model, part.start, part.stop) for part in parts_of(n_tiles=2, n_models=2)][-1]
    (1, 3, 4)
    """

    model: int
    start: int
    stop: int
    n_tiles: int

    @property
    def tiles(self) -> slice:
        """Of all models."""
        return slice(self.start, self.stop)

    @property
    def rotations(self) -> slice:
        """Of the grid."""
        first = self.model * self.n_tiles
        return slice((self.start - first) * TILE, (self.stop - first) * TILE)

    def rows(self, visits: Visits) -> slice:
        """Visits of the tiles."""
        return slice(int(visits.start[self.start]), int(visits.start[self.stop]))

    def of(self, visits: Visits) -> tuple[NDArray[np.int64], NDArray[Any]]:
        """Return where the visits of each tile begin, and their shots."""
        start = visits.start[self.start : self.stop + 1]
        return start - start[0], visits.shot[self.rows(visits)]


def parts_of(n_tiles: int, n_models: int) -> list[Part]:
    """Share the tiles of all models out, about `BLOCKS` parts.

    Examples
    --------
    >>> parts = parts_of(n_tiles=3, n_models=2)
    >>> len(parts), sum(part.stop - part.start for part in parts)
    (6, 6)
    """
    length = -(-n_tiles * n_models // BLOCKS)
    return [
        Part(k, k * n_tiles + a, k * n_tiles + min(n_tiles, a + length), n_tiles)
        for k in range(n_models)
        for a in range(0, n_tiles, length)
    ]
