"""A million shots as a picture: every one of them counted into a pixel, none left out silently."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xfeldask.errors import InputError
from xfeldask.explorer.model import counting, hexagons
from xfeldask.explorer.model.masks import Mask
from xfeldask.explorer.model.shapes import DISC, offsets

Range = tuple[float, float]
Image = NDArray[np.uint8]
Index = NDArray[np.int64]
Coordinates = NDArray[np.floating[Any]]

QUANTILES = (0.0005, 0.9995)
"""Quantiles between which a view begins."""
MARGIN = 0.06
LEAST_ALPHA, LEAST_ALPHA_ON_DARK = 140, 220
"""Opacity of a pixel with a single shot, on a light page and on a dark one, where colours fade into black; the fullest
pixel has 255, those between by the logarithm of their shots."""
SPREAD = ((3_000, 2), (150_000, 1))
"""Up to how many points each is drawn larger, and by how many pixels around it."""
MOST_SPREAD = SPREAD[0][1]
"""How large dots are that have the shape of their class: smaller ones have none."""
UNKNOWN = "#c4c4c4"
"""Colour of points whose number is not known."""
FAINT, FAINT_ALPHA = "#808080", 90
"""Colour of points that are not selected, and opacity where there is one: as faint on black as on white."""
DENSITIES = ("#a6cbe8", "#3a7fc1", "#08306b")
"""Colours of pixels by how many shots they hold, each more of them further from the white of a light page."""
DENSITIES_ON_DARK = ("#2f6db0", "#7fb2dd", "#e6f1fb")
"""The same on a dark page, further from its black."""


@dataclass(frozen=True, eq=False)
class Points:
    """Shots to be drawn.

    Attributes
    ----------
    x, y : float (shot,), as of `coordinates`
    value : (shot,), or None for density
    colours : colour by value of a class, empty for numbers
    palette : colours of numbers, or where there is no value of how many points a pixel holds, from low to high
    span : lowest and highest number told by a colour
    shapes : shape of the dots of each of `colours`, as of `class_shapes`, where dots are few; empty for discs
    hexagons : bool, counted into hexagons, in the colours of the palette by the logarithm of the count
    least_alpha : int, opacity of a pixel with a single shot of a class

    Examples
    --------
    >>> Points(np.zeros(3, np.float32), np.ones(3, np.float32), None, {}, DENSITIES).span
    (0.0, 1.0)
    """

    x: Coordinates
    y: Coordinates
    value: NDArray[Any] | None
    colours: dict[int, str]
    palette: tuple[str, ...]
    span: Range = (0.0, 1.0)
    shapes: tuple[str, ...] = ()
    hexagons: bool = False
    least_alpha: int = LEAST_ALPHA

    @cached_property
    def codes(self) -> NDArray[np.uint16]:
        """Places of the classes of points among `colours`, (shot,)."""
        return np.zeros(0, np.uint16) if self.value is None else counting.codes(self.value, tuple(self.colours))

    @cached_property
    def numbers(self) -> NDArray[np.float64]:
        """Values as numbers, (shot,)."""
        return _fixed(np.zeros(0) if self.value is None else self.value, np.float64)


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


def coordinates(values: NDArray[Any]) -> Coordinates:
    """Return values of a quantity as they are drawn: as float64 where float32 could not tell them apart.

    Examples
    --------
    >>> coordinates(np.array([1_600_000_001])).tolist(), coordinates(np.array([3], np.int16)).dtype
    ([1600000001.0], dtype('float32'))
    """
    return np.asarray(values, np.result_type(values, np.float32))


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
    >>> points = Points(np.array([0.2, 0.7, 9.0]), np.array([0.5, 0.5, 0.5]), None, {}, DENSITIES)
    >>> shown = draw(points, np.ones(3, bool), np.zeros(3, bool), (0, 1), (0, 1), 20, 10)
    >>> shown.rgba.shape, shown.drawn, shown.shown
    ((10, 20, 4), 2, 3)
    """
    (x0, x1), (y0, y1) = x_range, y_range
    if not (x1 > x0 and y1 > y0 and width > 0 and height > 0):
        raise InputError(f"a view must be wider and higher than 0, got {x_range}, {y_range}, {width} x {height}")
    shown, n_pixels = int(visible.sum()), height * width
    some = selected & visible
    chosen = some if some.any() else visible
    view = np.array([x0, x1, y0, y1], np.float64)
    kind = np.result_type(points.x, points.y)
    x, y = _fixed(points.x, kind), _fixed(points.y, kind)
    pixel = counting.places(x, y, visible, view, width, height)
    if points.hexagons:
        return _hexagons(points, chosen, np.flatnonzero(pixel != counting.OUTSIDE), shown, view, width, height)
    rgba = np.zeros((height, width, 4), np.uint8)
    counts = counting.count(pixel, chosen, n_pixels)
    for number, coloured in zip(counts, (False, True), strict=True):
        if (where := np.flatnonzero(number)).size:
            colour = _shaded(points, pixel, chosen, number, where) if coloured else _faint(number[where])
            spread = _spread(int(number.sum()))
            if coloured and points.shapes and spread == MOST_SPREAD:
                _shape(rgba, where, colour, _shapes(points, pixel, chosen, where))
            else:
                _paint(rgba, where, colour, spread)
    return Drawing(rgba, int(counts.sum()), shown)


def _hexagons(
    points: Points, chosen: Mask, at: Index, shown: int, view: NDArray[np.float64], width: int, height: int
) -> Drawing:
    x0, x1, y0, y1 = view
    column, row = (
        np.minimum((v[at].astype(np.float64) - low) * (n / (high - low)), np.nextafter(n, 0))
        for v, low, high, n in ((points.x, x0, x1, width), (points.y, y0, y1, height))
    )
    picked = chosen[at]
    counts, others = (hexagons.count(column[some], height - row[some], width, height) for some in (picked, ~picked))
    return Drawing(_tiled(points, counts, others), len(at), shown, counts)


def _shaded(points: Points, pixel: NDArray[np.int32], chosen: Mask, number: Index, where: Index) -> Image:
    """Return the colours of the pixels that hold points that are chosen."""
    if points.value is None:
        return _dense(points.palette, number[where])
    place = np.empty(len(number), np.int32)
    place[where] = np.arange(len(where))
    if points.colours:
        colour = np.array([*map(_rgb, points.colours.values()), (0, 0, 0)], float)
        mixed = counting.mix(pixel, chosen, place, len(where), points.codes, colour) / number[where, None]
        alpha = points.least_alpha + (255 - points.least_alpha) * _fullness(number[where])
        return np.column_stack([mixed, alpha]).astype(np.uint8)
    total, known = counting.add_up(pixel, chosen, place, len(where), points.numbers)
    ramp, (low, high) = _ramp(points.palette), points.span
    part = np.clip((total / np.maximum(known, 1) - low) / (high - low), 0, 1)
    told = np.where(known[:, None] > 0, ramp[(part * (len(ramp) - 1)).astype(int)], _rgb(UNKNOWN))
    return np.column_stack([told, np.full(len(where), 255.0)]).astype(np.uint8)


def _dense(palette: tuple[str, ...], number: Index) -> Image:
    """Return the colours of pixels by how many points they hold."""
    ramp = _ramp(palette)
    colour = ramp[(_fullness(number) * (len(ramp) - 1)).astype(int)]
    return np.column_stack([colour, np.full(len(number), 255)]).astype(np.uint8)


def _faint(number: Index) -> Image:
    """Return the colours of pixels that hold points which are not selected, by how many."""
    alpha = FAINT_ALPHA + (255 - FAINT_ALPHA) * _fullness(number)
    return np.column_stack([np.tile(_rgb(FAINT), (len(number), 1)), alpha]).astype(np.uint8)


def _fullness(number: Index) -> NDArray[np.float64]:
    """Tell how full pixels are, the fullest 1, by the logarithm of their points."""
    return np.asarray(np.log(number) / max(np.log(number.max(initial=1)), 1e-9))


def _fixed(values: NDArray[Any], kind: Any) -> NDArray[Any]:
    """Return values as kernels take them, which are compiled anew for arrays that can be written to."""
    out = np.ascontiguousarray(values, kind).view()
    out.flags.writeable = False
    return out


def _tiled(points: Points, counts: NDArray[np.int64], others: NDArray[np.int64]) -> Image:
    """Colour the hexagons where points that are chosen lie; those where only others do are grey."""
    rgba = np.zeros((*counts.shape, 4), np.uint8)
    for number, colour in ((others, _faint), (counts, partial(_dense, points.palette))):
        there = number > 0
        rgba[there] = colour(number[there])
    return rgba


def _paint(rgba: Image, where: Index, colour: Image, spread: int) -> None:
    """Paint pixels as discs, their middles last, so that no point hides another's middle."""
    steps = range(-spread, spread + 1)
    disc = [(dy, dx) for dy in steps for dx in steps if dx * dx + dy * dy <= spread * spread + 0.5]
    disc.sort(key=lambda d: -(d[0] ** 2 + d[1] ** 2))
    counting.paint(rgba, where, colour, np.array(disc))


def _shape(rgba: Image, where: Index, colour: Image, shape: NDArray[np.str_]) -> None:
    """Paint pixels as the shapes that they have, the middles of all last."""
    for kind in np.unique(shape):
        some = shape == kind
        counting.paint(rgba, where[some], colour[some], offsets(str(kind))[:-1])
    counting.paint(rgba, where, colour, np.zeros((1, 2), np.int64))


def _shapes(points: Points, pixel: NDArray[np.int32], chosen: Mask, where: Index) -> NDArray[np.str_]:
    """Return the shapes of the pixels that hold few points which are chosen; discs where these are of several classes.

    All points are gone through once, and what comes after is in proportion to those few.
    """
    at = np.flatnonzero(chosen & (pixel != counting.OUTSIDE))
    place, code = np.searchsorted(where, pixel[at]), points.codes[at]
    low, high = np.full(len(where), len(points.shapes), np.uint16), np.zeros(len(where), np.uint16)
    np.minimum.at(low, place, code)
    np.maximum.at(high, place, code)
    return np.where(low == high, np.array([*points.shapes, DISC])[high], DISC)


def _spread(n: int) -> int:
    return next((pixels for most, pixels in SPREAD if n <= most), 0)


def _rgb(name: str) -> tuple[int, int, int]:
    """Return red, green and blue of a colour written ``#rrggbb``."""
    red, green, blue = bytes.fromhex(name.removeprefix("#"))
    return red, green, blue


@lru_cache(16)
def _ramp(palette: tuple[str, ...], n: int = 256) -> NDArray[np.float64]:
    """Return `n` colours (n, 3) between those of a palette."""
    known = np.array([_rgb(name) for name in palette], float)
    at = np.linspace(0, len(known) - 1, n)
    return np.column_stack([np.interp(at, np.arange(len(known)), channel) for channel in known.T])
