"""Shots counted into hexagons of the screen."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

ACROSS = 14
"""Width of a hexagon [pixels]."""
UP = ACROSS * np.sqrt(3)
"""From a row of hexagons to the next but one [pixels]; the rows between stand half a hexagon aside."""

Index = NDArray[np.int64]


def hexagon(x: NDArray[Any], y: NDArray[Any], width: int) -> Index:
    """Return the number of the hexagon that places of a picture lie in, no less than 0.

    Hexagons are the places that are nearer to one middle than to any other, of middles that stand on two rectangular
    lattices, each in the middle of the other's cells.

    Parameters
    ----------
    x, y : (...), places [pixels], from 0
    width : of the picture [pixels]

    Examples
    --------
    >>> hexagon(np.array([0.0, 6.9, 7.1]), np.array([0.0, 0.0, 0.0]), 100).tolist()
    [0, 0, 2]
    """
    a, b = x / ACROSS, y / UP
    even, odd = (np.round(a), np.round(b)), (np.floor(a), np.floor(b))
    to_even = ((a - even[0]) * ACROSS) ** 2 + ((b - even[1]) * UP) ** 2
    to_odd = ((a - odd[0] - 0.5) * ACROSS) ** 2 + ((b - odd[1] - 0.5) * UP) ** 2
    nearer = to_even <= to_odd
    column, row = (np.where(nearer, e, o).astype(np.int64) for e, o in zip(even, odd, strict=True))
    # one number for both lattices: those of the even one have even numbers
    return np.asarray(2 * (row * (width // ACROSS + 2) + column) + ~nearer, np.int64)


@lru_cache(4)
def tiles(width: int, height: int) -> Index:
    """Return the hexagon of each pixel of a picture (height, width).

    Examples
    --------
    >>> tiles(16, 1).tolist()
    [[0, 0, 0, 0, 0, 0, 0, 2, 2, 2, 2, 2, 2, 2, 2, 2]]
    """
    return hexagon(np.arange(width)[None] + 0.5, np.arange(height)[:, None] + 0.5, width)


def count(x: NDArray[Any], y: NDArray[Any], width: int, height: int) -> Index:
    """Count the places in the hexagon of each pixel, (height, width).

    Parameters
    ----------
    x, y : (place,), within the picture [pixels]
    width, height : of the picture [pixels]

    Examples
    --------
    >>> count(np.array([1.0, 2.0, 50.0]), np.array([1.0, 1.0, 50.0]), 64, 64)[[0, 50], [0, 50]].tolist()
    [2, 1]
    """
    tile = tiles(width, height)
    counts = np.bincount(hexagon(x, y, width), minlength=int(tile.max()) + 1)
    return np.asarray(counts[tile], np.int64)
