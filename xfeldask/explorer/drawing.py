"""A million shots as a picture: every one of them drawn, none left out silently."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import datashader as ds
import numpy as np
import pandas as pd
from datashader import transfer_functions as tf
from numpy.typing import NDArray

from xfeldask.explorer.selection import Mask

Range = tuple[float, float]

QUANTILES = (0.0005, 0.9995)
"""Between which a view begins."""
MARGIN = 0.06
LEAST_ALPHA = 90
SPREAD = ((3_000, 2), (150_000, 1))
"""Of so few points each is drawn larger, by so many pixels around it."""
GREYS = ("#d9d9d9", "#8a8a8a")


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
    """

    x: NDArray[np.float32]
    y: NDArray[np.float32]
    value: NDArray[Any] | None
    colours: dict[int, str]
    palette: tuple[str, ...]
    span: Range = (0.0, 1.0)


@dataclass(frozen=True, eq=False)
class Drawing:
    """A picture of points.

    Attributes
    ----------
    rgba : uint8 (row, column, 4), the first row at the top
    drawn : int, points in it
    shown : int, points that were to be drawn, those outside the view counted
    """

    rgba: NDArray[np.uint8]
    drawn: int
    shown: int


def first_range(values: NDArray[Any]) -> Range:
    """A range that shows all but the most extreme points, with a margin.

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
    """
    (x0, x1), (y0, y1) = x_range, y_range
    inside = visible & (points.x >= x0) & (points.x <= x1) & (points.y >= y0) & (points.y <= y1)
    canvas = ds.Canvas(plot_width=width, plot_height=height, x_range=x_range, y_range=y_range)
    chosen = selected & visible
    layers = []
    if chosen.any():
        layers.append(_shaded(canvas, points, inside & ~chosen, None, {}, GREYS, points.span))
        layers.append(
            _shaded(canvas, points, inside & chosen, points.value, points.colours, points.palette, points.span)
        )
    else:
        layers.append(_shaded(canvas, points, inside, points.value, points.colours, points.palette, points.span))
    image = tf.stack(*layers)
    rgba = np.ascontiguousarray(image.to_numpy()).view(np.uint8).reshape(height, width, 4)[::-1]
    return Drawing(np.ascontiguousarray(rgba), int(inside.sum()), int(visible.sum()))


def _shaded(
    canvas: ds.Canvas,
    points: Points,
    mask: Mask,
    value: NDArray[Any] | None,
    colours: dict[int, str],
    palette: tuple[str, ...],
    span: Range,
) -> tf.Image:
    at = slice(None) if mask.all() else np.flatnonzero(mask)
    frame = {"x": points.x[at], "y": points.y[at]}
    if value is None:
        image = tf.shade(canvas.points(pd.DataFrame(frame), "x", "y", ds.count()), cmap=list(palette), how="eq_hist")
    elif colours:
        known = sorted(colours)
        codes = np.searchsorted(known, value[at])
        frame["value"] = pd.Categorical.from_codes(codes, [str(v) for v in known])
        counts = canvas.points(pd.DataFrame(frame), "x", "y", ds.by("value", ds.count()))
        key = {str(v): colour for v, colour in colours.items()}
        image = tf.shade(counts, color_key=key, how="eq_hist", min_alpha=LEAST_ALPHA)
    else:
        frame["value"] = value[at].astype(np.float32, copy=False)
        means = canvas.points(pd.DataFrame(frame), "x", "y", ds.mean("value"))
        image = tf.shade(means, cmap=list(palette), how="linear", span=list(span))
    n = int(mask.sum())
    pixels = next((pixels for most, pixels in SPREAD if n <= most), 0)
    return tf.spread(image, px=pixels) if pixels else image


def warm() -> None:
    """Compile what drawing needs, so that nobody has to wait for it: all numba kernels, dense and sparse."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 200)).astype(np.float32)
    everything, none = np.ones(200, bool), np.zeros(200, bool)
    kinds: tuple[tuple[NDArray[Any] | None, dict[int, str]], ...] = (
        (None, {}),
        (rng.normal(size=200), {}),
        (rng.integers(0, 2, 200), {0: "#000000", 1: "#ffffff"}),
    )
    for value, colours in kinds:
        points = Points(x, y, value, colours, ("#000000", "#ffffff"))
        for selected in (none, x > 0):
            for reach in (3.0, 0.3):
                draw(points, everything, selected, (-reach, reach), (-reach, reach), 60, 60)
