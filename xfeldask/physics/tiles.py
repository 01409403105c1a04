"""The detector cut into tiles that are small in reciprocal space."""

from __future__ import annotations

from dataclasses import dataclass

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
    panels, rows, columns = geometry.mask.shape
    boxes = [
        (p, i, j, min(side, rows - i), min(side, columns - j))
        for p in range(panels)
        for i in range(0, rows, side)
        for j in range(0, columns, side)
    ]
    chosen: list[tuple[int, int, int, int, int, int]] = []
    for p, i, j, h, w in boxes:
        block = geometry.pixel_position[p, i : i + h, j : j + w, :2]
        if np.linalg.norm(block, axis=-1).max() > zoom_radius:
            chosen.append((p, i, j, h, w, 0))
            continue
        half = (side + 1) // 2
        for di in range(0, h, half):
            for dj in range(0, w, half):
                chosen.append((p, i + di, j + dj, min(half, h - di), min(half, w - dj), 1))
    chosen.sort(key=lambda tile: tile[5])
    kept = [b for b in chosen if geometry.mask[b[0], b[1] : b[1] + b[3], b[2] : b[2] + b[4]].any()]
    center = np.empty((len(kept), 3))
    spread = np.empty(len(kept))
    for index, (p, i, j, h, w, _) in enumerate(kept):
        block = geometry.pixel_position[p, i : i + h, j : j + w].reshape(-1, 3)
        center[index] = (block.min(0) + block.max(0)) / 2
        spread[index] = np.linalg.norm(block - center[index], axis=1).max()
    table = np.asarray(kept, dtype=np.int64)
    first = (table[:, 0] * rows + table[:, 1]) * columns + table[:, 2]
    return Tiles(center, spread, np.stack([first, table[:, 3], table[:, 4]], 1), table[:, 5].copy())
