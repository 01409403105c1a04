"""Many small images in one figure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import panel as pn
from bokeh.events import Tap
from bokeh.models import ColumnDataSource, LinearColorMapper, Range1d
from bokeh.plotting import figure
from numpy.typing import NDArray

from xfeldask.explorer.cards import GAP
from xfeldask.explorer.palette import NUMBERS

TILE = 1.08
"""From one image to the next, in widths of an image."""
SIGNED = ("#0072b2", "#ffffff", "#d55e00")
LABEL = 0.13


class Mosaic:
    """Images side by side with a label each.

    Parameters
    ----------
    columns : int, images in a row
    on_tap : called with the place of the image that was tapped
    palette : colours from low to high
    each : bool, every image has its own scale, from its 0.5 to its 99.5 percentile
    """

    def __init__(
        self,
        columns: int,
        on_tap: Callable[[int], None] | None = None,
        palette: Sequence[str] | str = NUMBERS[0],
        symmetric: bool = False,
    ) -> None:
        self._columns, self._n, self._on_tap, self._symmetric = columns, 0, on_tap, symmetric
        self.source = ColumnDataSource({"image": [], "x": [], "y": [], "label": []})
        self._mapper = LinearColorMapper(palette=palette, low=-1 if symmetric else 0, high=1, nan_color=GAP)
        self.figure = figure(
            x_range=Range1d(0, 1), y_range=Range1d(0, 1), tools="", toolbar_location=None, match_aspect=True,
            sizing_mode="stretch_width", height=100, outline_line_color=None,
        )  # fmt: skip
        self.figure.axis.visible = False
        self.figure.grid.visible = False
        self.figure.image("image", "x", "y", 1, 1, source=self.source, color_mapper=self._mapper)
        self.figure.text("x", "y", "label", source=self.source, text_font_size="11px", text_baseline="top", y_offset=2)
        self.figure.on_event(Tap, self._tapped)
        self.pane = pn.pane.Bokeh(self.figure, sizing_mode="stretch_width")

    def show(self, images: Sequence[NDArray[Any]], labels: Sequence[str], width: int) -> None:
        """Show images (y, x), each in its own contrast.

        Parameters
        ----------
        images : of any range, NaN where nothing is known
        labels : one for each
        width : of the figure [CSS pixels]
        """
        self._n = len(images)
        rows = max(1, -(-self._n // self._columns))
        at = [(i % self._columns * TILE, (rows - 1 - i // self._columns) * (TILE + LABEL)) for i in range(self._n)]
        scaled = [_scaled(image, self._symmetric) for image in images]
        self.figure.x_range.update(start=0, end=self._columns * TILE)
        self.figure.y_range.update(start=-LABEL, end=rows * (TILE + LABEL) - LABEL)
        self.figure.height = self.pane.height = max(100, round(width / (self._columns * TILE) * rows * (TILE + LABEL)))
        self.source.data = {"image": scaled, "x": [x for x, _ in at], "y": [y for _, y in at], "label": list(labels)}

    def _tapped(self, event: Tap) -> None:
        if event.x is None or event.y is None or self._on_tap is None:
            return
        for i, (x, y) in enumerate(zip(self.source.data["x"], self.source.data["y"], strict=True)):
            if 0 <= event.x - x <= 1 and 0 <= event.y - y <= 1:
                self._on_tap(i)


def _scaled(image: NDArray[Any], symmetric: bool) -> NDArray[np.float32]:
    there = image[np.isfinite(image)]
    if not len(there):
        return np.asarray(image, np.float32)
    if symmetric:
        top = float(np.quantile(np.abs(there), 0.995)) or 1.0
        return np.asarray(image / top, np.float32)
    low, high = np.quantile(there, [0.005, 0.995])
    if high <= low:
        low, high = float(there.min()), max(float(there.max()), float(there.min()) + 1)
    return np.asarray((image - low) / (high - low), np.float32)
