"""A million shots as a picture: every one of them counted into a pixel, none left out silently."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.colors import to_rgb
from numpy.typing import NDArray

from xfeldask.errors import InputError
from xfeldask.explorer.model import hexagons
from xfeldask.explorer.model.masks import Mask

Range = tuple[float, float]
Image = NDArray[np.uint8]

QUANTILES = (0.0005, 0.9995)
"""Quantiles between which a view begins."""
MARGIN = 0.06
LEAST_ALPHA = 140
"""Opacity of a pixel with a single shot; the fullest pixel has 255, those between by the logarithm of their shots."""
SPREAD = ((3_000, 2), (150_000, 1))
"""Up to how many points each is drawn larger, and by how many pixels around it."""
GREYS = ("#c4c4c4", "#7d7d7d")
DENSITIES = ("#a6cbe8", "#3a7fc1", "#08306b")


@dataclass(frozen=True, eq=False)
class Points:
    """Shots to be drawn.

    Attributes
    ----------
    x, y : float32 (shot,)
    value : (shot,), or None for density
    colours : colour by value of a class, empty for numbers
    palette : colours of numbers, from low to high
    span : lowest and highest number told by a colour
    hexagons : bool, counted into hexagons, in the colours of the palette by the logarithm of the count

    Examples
    --------
    >>> Points(np.zeros(3, np.float32), np.ones(3, np.float32), None, {}, ()).span
    (0.0, 1.0)
    """

    x: NDArray[np.float32]
    y: NDArray[np.float32]
    value: NDArray[Any] | None
    colours: dict[int, str]
    palette: tuple[str, ...]
    span: Range = (0.0, 1.0)
    hexagons: bool = False


@dataclass(frozen=True, eq=False)
class Drawing:
    """A picture of points.

    Attributes
    ----------
    rgba : uint8 (row, column, 4), the first row at the top
    drawn : int, points in it
    shown : int, points that were to be drawn, those outside the view counted
    counts : int (row, column), points in the hexagon of each pixel, or None where none were drawn

    Examples
    --------
    >>> Drawing(np.zeros((2, 2, 4), np.uint8), drawn=0, shown=3).counts is None
    True
    """

    rgba: Image
    drawn: int
    shown: int
    counts: NDArray[np.int64] | None = None


def first_range(values: NDArray[Any]) -> Range:
    """Choose a range that shows all but the most extreme points, with a margin.

    Examples
    --------
    >>> [round(float(v), 3) for v in first_range(np.array([0.0, 1.0, np.nan]))]
    [-0.059, 1.059]
    """
    there = values[np.isfinite(values)]
    if not len(there):
        return -1.0, 1.0
    low, high = np.quantile(there, QUANTILES)
    width = float(high - low) or max(1e-6, abs(float(low)) * 0.1)
    return float(low) - MARGIN * width, float(high) + MARGIN * width


def draw(
    points: Points, visible: Mask, selected: Mask, x_range: Range, y_range: Range, width: int, height: int
) -> Drawing:
    """Draw points; where some are selected, the others stay as grey ones behind them.

    Parameters
    ----------
    points : Points
    visible, selected : bool (shot,)
    x_range, y_range : of the view
    width, height : of the picture [pixels]

    Raises
    ------
    InputError
        A view or a picture without extent.

    Examples
    --------
    >>> points = Points(np.array([0.2, 0.7, 9.0]), np.array([0.5, 0.5, 0.5]), None, {}, ())
    >>> shown = draw(points, np.ones(3, bool), np.zeros(3, bool), (0, 1), (0, 1), 20, 10)
    >>> shown.rgba.shape, shown.drawn, shown.shown
    ((10, 20, 4), 2, 3)
    """
    (x0, x1), (y0, y1) = x_range, y_range
    if not (x1 > x0 and y1 > y0 and width > 0 and height > 0):
        raise InputError(f"a view must be wider and higher than 0, got {x_range}, {y_range}, {width} x {height}")
    # points that are not finite are in no range
    inside = visible & (points.x >= x0) & (points.x <= x1) & (points.y >= y0) & (points.y <= y1)
    at = np.flatnonzero(inside)
    column, row = (
        np.minimum((v[at].astype(np.float64) - low) * (n / (high - low)), np.nextafter(n, 0))
        for v, low, high, n in ((points.x, x0, x1, width), (points.y, y0, y1, height))
    )
    chosen = (selected & visible)[at] if (selected & visible).any() else np.ones(len(at), bool)
    if points.hexagons:
        counts = hexagons.count(column[chosen], height - row[chosen], width, height)
        others = hexagons.count(column[~chosen], height - row[~chosen], width, height)
        return Drawing(_tiled(points, counts, others), len(at), int(visible.sum()), counts)
    pixel = (height - 1 - row.astype(np.int64)) * width + column.astype(np.int64)
    rgba = np.zeros((height * width, 4), np.uint8)
    for layer, coloured in ((~chosen, False), (chosen, True)):
        if layer.any():
            where, colour = _shaded(points, pixel[layer], at[layer], coloured, height * width)
            _paint(rgba.reshape(height, width, 4), where, colour, _spread(int(layer.sum())))
    return Drawing(rgba.reshape(height, width, 4), len(at), int(visible.sum()))


def _shaded(
    points: Points, pixel: NDArray[np.int64], shot: NDArray[np.int64], coloured: bool, n_pixels: int
) -> tuple[NDArray[np.int64], Image]:
    """Return the pixels that hold points, and their colours."""
    count = np.bincount(pixel, minlength=n_pixels)
    where = np.flatnonzero(count)
    fullness = np.log(count[where]) / max(np.log(count[where].max()), 1e-9)
    alpha = LEAST_ALPHA + (255 - LEAST_ALPHA) * fullness
    if not coloured or points.value is None:
        ramp = _ramp(DENSITIES if coloured else GREYS)
        colour = ramp[(fullness * (len(ramp) - 1)).astype(int)]
        return where, np.column_stack([colour, np.full(len(where), 255)]).astype(np.uint8)
    value = points.value[shot]
    if points.colours:
        colour = sum(
            np.bincount(pixel[value == known], minlength=n_pixels)[where, None] * np.array(_rgb(name), float)
            for known, name in points.colours.items()
        ) / count[where, None]  # fmt: skip
    else:
        ramp, (low, high) = _ramp(points.palette), points.span
        known = np.isfinite(value)
        total = np.bincount(pixel[known], value[known].astype(float), minlength=n_pixels)[where]
        number = np.bincount(pixel[known], minlength=n_pixels)[where]
        part = np.clip((total / np.maximum(number, 1) - low) / (high - low), 0, 1)
        colour = np.where(number[:, None] > 0, ramp[(part * (len(ramp) - 1)).astype(int)], _rgb(GREYS[0]))
        alpha = np.full(len(where), 255.0)
    return where, np.column_stack([colour, alpha]).astype(np.uint8)


def _tiled(points: Points, counts: NDArray[np.int64], others: NDArray[np.int64]) -> Image:
    """Colour the hexagons where points that are chosen lie; those where only others do are grey."""
    rgba = np.zeros((*counts.shape, 4), np.uint8)
    for number, palette in ((others, GREYS), (counts, points.palette)):
        there, ramp = number > 0, _ramp(palette)
        fullness = np.log(number[there]) / max(np.log(number.max(initial=1)), 1e-9)
        rgba[there, :3] = ramp[(fullness * (len(ramp) - 1)).astype(int)]
        rgba[there, 3] = 255
    return rgba


def _paint(rgba: Image, where: NDArray[np.int64], colour: Image, spread: int) -> None:
    """Paint pixels as discs, their middles last, so that no point hides another's middle."""
    height, width = rgba.shape[:2]
    row, column = np.divmod(where, width)
    steps = range(-spread, spread + 1)
    disc = [(dy, dx) for dy in steps for dx in steps if dx * dx + dy * dy <= spread * spread + 0.5]
    for dy, dx in sorted(disc, key=lambda d: -(d[0] ** 2 + d[1] ** 2)):
        y, x = row + dy, column + dx
        there = (y >= 0) & (y < height) & (x >= 0) & (x < width)
        rgba[y[there], x[there]] = colour[there]


def _spread(n: int) -> int:
    return next((pixels for most, pixels in SPREAD if n <= most), 0)


def _rgb(name: str) -> tuple[int, int, int]:
    red, green, blue = (round(255 * part) for part in to_rgb(name))
    return red, green, blue


def _ramp(palette: tuple[str, ...], n: int = 256) -> NDArray[np.float64]:
    """Return `n` colours (n, 3) between those of a palette."""
    known = np.array([_rgb(name) for name in palette], float)
    at = np.linspace(0, len(known) - 1, n)
    return np.column_stack([np.interp(at, np.arange(len(known)), channel) for channel in known.T])
