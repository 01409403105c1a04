"""Points counted into the pixels of a picture: a pass for where they lie, one for what is told of them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from xfeldask.physics.jit import kernel

OUTSIDE = -1
"""Place of a point that is not in the picture."""

Index = NDArray[np.int32]


@kernel
def places(
    x: NDArray[np.floating[Any]],
    y: NDArray[np.floating[Any]],
    visible: NDArray[np.bool_],
    view: NDArray[np.float64],
    width: int,
    height: int,
) -> Index:
    """Find the pixel of each point, counted along rows from the top; `OUTSIDE` for those that are not to be seen.

    Parameters
    ----------
    x, y : float32 or float64 (point,), both alike; points that are not finite are in no picture
    visible : bool (point,)
    view : float64 (4,), first and last x, first and last y
    width, height : of the picture [pixels]

    Returns
    -------
    int32 (point,)
    """
    pixel = np.empty(len(x), np.int32)
    x0, x1, y0, y1 = view
    across, up = width / (x1 - x0), height / (y1 - y0)
    for i in range(len(x)):
        pixel[i] = OUTSIDE
        # all of it, in one step: which of these is false is hard to foresee, and a wrong guess costs more than looking
        if visible[i] & (x[i] >= x0) & (x[i] <= x1) & (y[i] >= y0) & (y[i] <= y1):
            # the last place of the view is in the last pixel
            column = min(int((np.float64(x[i]) - x0) * across), width - 1)
            row = min(int((np.float64(y[i]) - y0) * up), height - 1)
            pixel[i] = (height - 1 - row) * width + column
    return pixel


@kernel
def count(pixel: Index, chosen: NDArray[np.bool_], n_pixels: int) -> NDArray[np.int64]:
    """Count the points of each pixel, those that are not chosen and those that are.

    Parameters
    ----------
    pixel : int32 (point,), as `places` gives them
    chosen : bool (point,)
    n_pixels : int

    Returns
    -------
    int64 (2, pixel)
    """
    out = np.zeros((2, n_pixels), np.int64)
    for i in range(len(pixel)):
        if pixel[i] != OUTSIDE:
            out[int(chosen[i]), pixel[i]] += 1
    return out


@kernel
def mix(
    pixel: Index, chosen: NDArray[np.bool_], place: Index, n: int, code: NDArray[np.uint16], colour: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Add up the colours of the chosen points of each pixel that holds any.

    Parameters
    ----------
    pixel, chosen : as `count` takes them
    place : int32 (pixel,), of each pixel that holds points that are chosen, among these
    n : how many those are
    code : uint16 (point,), row of `colour` of each point
    colour : float64 (code, 3)

    Returns
    -------
    float64 (n, 3)
    """
    out = np.zeros((n, 3))
    for i in range(len(pixel)):
        if (pixel[i] != OUTSIDE) & chosen[i]:
            for part in range(3):
                out[place[pixel[i]], part] += colour[code[i], part]
    return out


@kernel
def add_up(
    pixel: Index, chosen: NDArray[np.bool_], place: Index, n: int, value: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Add up the values of the chosen points of each pixel that holds any, and count them, but for those not finite.

    Parameters
    ----------
    pixel, chosen, place, n : as `mix` takes them
    value : float64 (point,)

    Returns
    -------
    total : float64 (n,)
    number : int64 (n,)
    """
    total, number = np.zeros(n), np.zeros(n, np.int64)
    for i in range(len(pixel)):
        if (pixel[i] != OUTSIDE) & chosen[i] & np.isfinite(value[i]):
            total[place[pixel[i]]] += value[i]
            number[place[pixel[i]]] += 1
    return total, number


@kernel
def paint(
    rgba: NDArray[np.uint8], where: NDArray[np.int64], colour: NDArray[np.uint8], offset: NDArray[np.int64]
) -> None:
    """Paint pixels and others at some distance from them; what is painted later hides what was before.

    Parameters
    ----------
    rgba : uint8 (row, column, 4), is changed
    where : int64 (n,), pixels, counted along rows
    colour : uint8 (n, 4)
    offset : int64 (m, 2), rows and columns by which pixels are moved, all of them by the first one first
    """
    height, width = rgba.shape[:2]
    for k in range(len(offset)):
        for i in range(len(where)):
            row = where[i] // width + offset[k, 0]
            column = where[i] % width + offset[k, 1]
            if (row >= 0) & (row < height) & (column >= 0) & (column < width):
                for part in range(4):
                    rgba[row, column, part] = colour[i, part]


def codes(value: NDArray[Any], classes: tuple[int, ...]) -> NDArray[np.uint16]:
    """Return the place of each value among some, (point,); where it is none of them, how many they are.

    Examples
    --------
    >>> codes(np.array([7, 5, 6]), (5, 7)).tolist()
    [1, 0, 2]
    """
    out = np.full(len(value), len(classes), np.uint16)
    for code, known in enumerate(classes):
        out[value == known] = code
    return out
