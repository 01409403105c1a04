"""The detector cut into tiles that are small in reciprocal space."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xfeldask.physics.detectors import Geometry


@dataclass(frozen=True)
class Tiles:
    """Rectangles of pixels of one panel.

    Attributes
    ----------
    center : float64 (tile, 3), middle of the tile's bounding box [m]
    spread : float64 (tile,), largest distance of a pixel's centre from it [m]
    pixel : int64 (tile, 3), flat index of the first pixel, rows, columns
    level : int64 (tile,), which `Bound` holds for it

    Examples
    --------
    >>> from xfeldask.physics.detectors import square
    >>> tiles = cut(square(4, 1e-3, 0.1), 2, zoom_radius=0)
    >>> tiles.pixel.tolist()
    [[0, 2, 2], [2, 2, 2], [8, 2, 2], [10, 2, 2]]
    >>> tiles.center.round(4).tolist()
    [[-0.001, -0.001, 0.1], [0.001, -0.001, 0.1], [-0.001, 0.001, 0.1], [0.001, 0.001, 0.1]]
    """

    center: NDArray[np.float64]
    spread: NDArray[np.float64]
    pixel: NDArray[np.int64]
    level: NDArray[np.int64]


def cut(geometry: Geometry, side: int, zoom_radius: float) -> Tiles:
    """Cut every panel into tiles of `side` x `side` pixels, and into quarters of that near the beam.

    Parameters
    ----------
    geometry : Geometry
    side : int, pixels
    zoom_radius : float, tiles within this distance of the beam's axis are quartered and of level 1 [m]

    Returns
    -------
    Tiles, those with no good pixel left out, those of level 0 first

    Examples
    --------
    >>> from xfeldask.physics.detectors import square
    >>> [len(cut(square(8, 1e-3, 0.1), 4, radius).spread) for radius in (0.0, 1.0)]
    [4, 16]
    """
    half = (side + 1) // 2
    rows, columns = geometry.mask.shape[1:]
    coarse = _Grid(np.arange(0, rows, side), np.arange(0, columns, side))
    fine = _Grid(_halved(coarse.row, rows, half), _halved(coarse.column, columns, half))
    within = fine.row // side, fine.column // side
    parts: list[list[tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]]] = [[], []]
    for panel, (position, mask) in enumerate(zip(geometry.pixel_position, geometry.mask, strict=True)):
        x, y, _ = place = np.ascontiguousarray(np.moveaxis(position, -1, 0))
        far = coarse.reduced(np.maximum, np.sqrt(x * x + y * y)) > zoom_radius
        for level, grid, mine in ((0, coarse, far), (1, fine, ~far[np.ix_(*within)])):
            row, column = (mine & grid.reduced(np.logical_or, mask)).nonzero()
            if level == 1:
                # quarters of a tile follow one another
                order = np.lexsort((column, row, within[1][column], within[0][row]))
                row, column = row[order], column[order]
            if row.size:
                center, spread = grid.balls(place)
                height, width = grid.sizes(mask.shape)
                first = (panel * rows + grid.row[row]) * columns + grid.column[column]
                pixel = np.stack([first, height[row], width[column]], 1)
                parts[level].append((center[:, row, column].T, spread[row, column], pixel))
    center, spread, pixel = (np.concatenate(part) for part in zip(*parts[0], *parts[1], strict=True))
    return Tiles(center, spread, pixel, np.repeat([0, 1], [sum(len(part[1]) for part in level) for level in parts]))


def _halved(starts: NDArray[np.int64], length: int, half: int) -> NDArray[np.int64]:
    """Return starts of tiles along an axis, and those of the second halves of those that are longer than `half`."""
    ends = np.append(starts[1:], length)
    return np.sort(np.concatenate([starts, (starts + half)[starts + half < ends]]))


@dataclass(frozen=True)
class _Grid:
    """Rectangles of a panel's pixels, by their first rows and columns."""

    row: NDArray[np.int64]
    column: NDArray[np.int64]

    def sizes(self, shape: tuple[int, ...]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Rows and columns of each."""
        return np.diff(self.row, append=shape[0]), np.diff(self.column, append=shape[1])

    def reduced(self, function: np.ufunc, values: NDArray[Any]) -> NDArray[Any]:
        """Reduce the values (..., row, column) of each."""
        return np.asarray(function.reduceat(function.reduceat(values, self.column, axis=-1), self.row, axis=-2))

    def balls(self, place: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Middle (3, ...) of the bounding box of each, and the largest distance of a pixel's centre from it [m]."""
        center = (self.reduced(np.minimum, place) + self.reduced(np.maximum, place)) / 2
        height, width = self.sizes(place.shape[1:])
        x, y, z = place - np.repeat(np.repeat(center, height, axis=1), width, axis=2)
        return center, self.reduced(np.maximum, np.sqrt(x * x + y * y + z * z))
