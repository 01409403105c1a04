"""The figure of a scatter: a picture that the server draws, marks over it, and what a hand does."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any, Protocol

import holoviews as hv
import numpy as np
from bokeh.events import MouseLeave, MouseMove, SelectionGeometry
from bokeh.models import ColorBar, ColumnDataSource, LinearColorMapper, LogColorMapper, Scatter, WheelZoomTool
from bokeh.palettes import interp_palette
from holoviews.plotting.bokeh.renderer import BokehRenderer
from numpy.typing import NDArray

from xfeldask.explorer.model.drawing import DENSITIES, Image, Range
from xfeldask.explorer.model.outline import BOX, LASSO
from xfeldask.explorer.model.palette import NUMBERS
from xfeldask.explorer.view.taps import hear_taps
from xfeldask.explorer.view.theme import describe, dress

View = tuple[Range, Range]
STROKES = (("#ffffff", 5), ("#000000", 2))
"""Colours and widths of lines over each other, seen on any colour."""
KINDS = {"poly": LASSO, "rect": BOX}
SIDES = ("inner_width", "inner_height")
LARGEST = 8192
"""Pixels a side that are drawn for a browser, whatever it asks for."""
# without a graphics card the marks alone would cost 40 ms a frame; the theme is that of the page
RENDERER = BokehRenderer.instance(webgl=False, theme=None)


@cache
def _element() -> hv.RGB:
    """Return an empty picture with the tools of a scatter; one for all pages, as HoloViews keeps options for ever."""
    return hv.RGB(np.zeros((1, 1, 4), np.uint8), kdims=["plane_x", "plane_y"], bounds=(0, 0, 1, 1)).opts(
        hv.Options(
            "RGB", backend="bokeh", responsive=True, min_width=240, min_height=200, toolbar="above",
            default_tools=["wheel_zoom", "pan", "box_zoom", "reset"], tools=["lasso_select", "box_select", "tap"],
            active_tools=["wheel_zoom", "lasso_select"], xlabel="", ylabel="", shared_axes=False,
        )
    )  # fmt: skip


class Watcher(Protocol):
    """Who is told of what a hand does."""

    def looked(self) -> None:
        """Hear that other ranges are looked at, or that the figure has another size."""

    def pointed(self, x: float | None, y: float | None) -> None:
        """Hear where the pointer is."""

    def tapped(self, x: float, y: float) -> None:
        """Hear of a tap."""

    def outlined(self, kind: str, vertices: NDArray[Any]) -> None:
        """Hear of a lasso or a box, (vertex, 2)."""


class Canvas:
    """A figure with a picture, two marks, and two colour bars; sizes and ranges are those of the browser.

    Parameters
    ----------
    watcher : Watcher
    """

    def __init__(self, watcher: Watcher) -> None:
        self.pin, self.ring = (ColumnDataSource({"x": [], "y": []}) for _ in range(2))
        self.mapper = LinearColorMapper(palette=NUMBERS[0], low=0, high=1)
        self.counts = LogColorMapper(palette=interp_palette(DENSITIES, 256), low=1, high=10)
        # both from the start: a browser that is told of a change must know what is changed
        self.bars = [ColorBar(color_mapper=mapper, width=10, visible=False) for mapper in (self.mapper, self.counts)]
        # HoloViews makes the figure; what it would hear of through streams of its own, the figure itself tells sooner
        plot = RENDERER.get_plot(_element())
        self.figure, self.picture = plot.state, plot.handles["source"]
        plot.cleanup()
        self.figure.min_border, self.figure.toolbar.logo = 10, None
        # over an axis the wheel zooms that axis alone
        self.figure.select_one(WheelZoomTool).zoom_together = "none"
        for source, size in ((self.pin, 18), (self.ring, 12)):
            for colour, width in STROKES:
                self.figure.add_glyph(
                    source, Scatter(x="x", y="y", size=size, fill_alpha=0, line_color=colour, line_width=width)
                )
        for bar in self.bars:
            self.figure.add_layout(bar, "right")
        dress(self.figure)
        self._watcher = watcher
        self._sides: dict[str, int] = {}
        self._hear()

    def _hear(self) -> None:
        fig, watcher = self.figure, self._watcher
        for axis in (fig.x_range, fig.y_range):
            for end in ("start", "end"):
                axis.on_change(end, self._looked)
        for side in SIDES:
            fig.on_change(side, self._sized)
        fig.on_event(MouseMove, self._pointed)
        fig.on_event(MouseLeave, lambda _: watcher.pointed(None, None))
        hear_taps(fig, lambda event: watcher.tapped(event.x, event.y))
        fig.on_event(SelectionGeometry, self._outlined)

    @property
    def view(self) -> View:
        """Ranges of x and of y that are looked at."""
        x, y = self.figure.x_range, self.figure.y_range
        return (x.start, x.end), (y.start, y.end)

    @property
    def size(self) -> tuple[int, int] | None:
        """Width and height of what is within the axes [pixels]; None before a browser has told."""
        width, height = (self._sides.get(side) for side in SIDES)
        return (width, height) if width and height else None

    def look(self, view: View, first: View) -> None:
        """Look at some ranges; `first` are those that one comes back to."""
        for axis, (low, high), (start, end) in zip(
            (self.figure.x_range, self.figure.y_range), view, first, strict=True
        ):
            axis.update(start=low, end=high, reset_start=start, reset_end=end)

    def label(self, labels: Sequence[str]) -> None:
        """Label the axes."""
        self.figure.xaxis.axis_label, self.figure.yaxis.axis_label = labels
        describe(self.figure, f"{labels[1]} over {labels[0]}, a dot a shot")

    def show(self, rgba: Image, view: View) -> None:
        """Show a picture (row, column, 4), its first row at the top, in the place of some ranges."""
        (x0, x1), (y0, y1) = view
        image = np.ascontiguousarray(rgba[::-1]).view(np.uint32)[..., 0]
        self.picture.data = {"image": [image], "x": [x0], "y": [y0], "dw": [x1 - x0], "dh": [y1 - y0]}

    def _looked(self, attr: str, old: Any, new: Any) -> None:
        del attr, old, new
        self._watcher.looked()

    def _sized(self, attr: str, old: Any, new: int) -> None:
        del old
        self._sides[attr] = min(new, LARGEST)
        self._watcher.looked()

    def _pointed(self, event: MouseMove) -> None:
        # beside the axes it points at what is next to it
        x, y = (min(max(at, min(ends)), max(ends)) for at, ends in zip((event.x, event.y), self.view, strict=True))
        self._watcher.pointed(x, y)

    def _outlined(self, event: SelectionGeometry) -> None:
        kind = KINDS.get(event.geometry["type"])
        if kind is None or not event.final:
            return
        told = event.geometry
        vertices = (
            np.column_stack([told["x"], told["y"]])
            if kind == LASSO
            else np.array([[told["x0"], told["y0"]], [told["x1"], told["y1"]]])
        )
        self._watcher.outlined(kind, vertices)
