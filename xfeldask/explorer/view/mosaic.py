"""Many small images in one figure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import panel as pn
from bokeh.events import PointEvent
from bokeh.models import ColumnDataSource, LinearColorMapper, Range1d
from bokeh.palettes import Viridis256, interp_palette
from bokeh.plotting import figure
from numpy.typing import NDArray

from xfeldask.explorer.model.group import ONE_MORE, RUN
from xfeldask.explorer.view.cards import GAP, LEAST
from xfeldask.explorer.view.taps import hear_taps
from xfeldask.explorer.view.theme import describe

TILE = 1.06
"""From one image to the next, in widths of an image."""
LABEL = 0.22
"""Room for a line of a label, in heights of an image."""
WHOLE = ":host { flex: 0 0 auto !important; height: auto !important; max-height: none !important; }"
"""Of images, which are scrolled and not squeezed where they are higher than their place."""
GREY = "#808080"
MARK, PICKED = "#e69f00", "#56b4e9"
SIGNED = tuple(interp_palette(("#0072b2", "#ffffff", "#d55e00"), 255))
STEPS = 255


class Mosaic:
    """Images side by side with a label each, all in one contrast or each in its own.

    Parameters
    ----------
    columns, rows : int, the most images
    on_tap : called with the place of the image that was tapped
    on_pick : called with the place of the image that was tapped while a key was held, and `RUN` for shift or `ONE_MORE`
        for Ctrl and Alt
    signed : bool, images of either sign, each in its own contrast about zero; else photons on a logarithmic scale
        that all share
    lines : int, of a label
    """

    def __init__(
        self,
        columns: int,
        rows: int = 1,
        on_tap: Callable[[int], Any] | None = None,
        signed: bool = False,
        lines: int = 1,
        on_pick: Callable[[int, str], Any] | None = None,
    ) -> None:
        self._columns, self._rows, self._on_tap, self._signed = columns, rows, on_tap, signed
        self._on_pick = on_pick
        self._label = LABEL * lines
        self.source = ColumnDataSource({"image": [], "x": [], "y": [], "label": []})
        self.marked = ColumnDataSource({"x": [], "y": []})
        self.picked = ColumnDataSource({"x": [], "y": []})
        palette = (GAP, *(SIGNED if signed else Viridis256[1:]))
        width, height = columns * TILE, rows * (TILE + self._label)
        self.figure = figure(
            x_range=Range1d(0, width), y_range=Range1d(-self._label, height - self._label),
            tools="", toolbar_location=None, sizing_mode="scale_width", width=1000, height=round(1000 * height / width),
            aspect_ratio=width / height, outline_line_color=None, min_border=0,
            background_fill_alpha=0, border_fill_alpha=0, stylesheets=[WHOLE],
        )  # fmt: skip
        describe(self.figure, "images of components" if signed else "patterns of shots")
        self.figure.axis.visible = False
        self.figure.grid.visible = False
        mapper = LinearColorMapper(palette=palette, low=0, high=STEPS)
        self.figure.image("image", "x", "y", 1, 1, source=self.source, color_mapper=mapper)
        # under an image and its label, so that all of both can be seen
        self.figure.rect("x", "y", TILE, TILE + self._label, source=self.picked, fill_color=PICKED,
                         fill_alpha=0.25, line_color=PICKED, line_width=4, level="underlay")  # fmt: skip
        self.figure.rect(
            "x", "y", 1, 1, source=self.marked, fill_alpha=0, line_color=MARK, line_width=3, level="overlay"
        )
        self.figure.text("x", "y", "label", source=self.source, text_font_size="11px", text_color=GREY,
                         text_baseline="top", y_offset=2)  # fmt: skip
        hear_taps(self.figure, self._tapped)
        self.pane = pn.Column(
            pn.pane.Bokeh(self.figure, sizing_mode="scale_width", aspect_ratio=width / height, stylesheets=[WHOLE]),
            sizing_mode="stretch_width", margin=(5, 10), stylesheets=[WHOLE],
        )  # fmt: skip

    def show(self, images: Sequence[NDArray[Any]], labels: Sequence[str]) -> float:
        """Show images (y, x), the first row of each at the bottom.

        Parameters
        ----------
        images : NaN where nothing is known
        labels : one for each

        Returns
        -------
        float, photons of the brightest colour, where images share a scale; else 1
        """
        at = [self.place(i) for i in range(len(images))]
        top = 1.0 if self._signed else max((float(np.nanmax(image, initial=1)) for image in images), default=1.0)
        scaled = [_signed(image) if self._signed else _photons(image, top) for image in images]
        self.marked.data = self.picked.data = {"x": [], "y": []}
        self.source.data = {"image": scaled, "x": [x for x, _ in at], "y": [y for _, y in at], "label": list(labels)}
        return top

    def mark(self, place: int | None) -> None:
        """Frame one image, or none."""
        self.marked.data = self._middles([] if place is None else [place])

    def pick(self, places: Iterable[int]) -> None:
        """Show that some images are picked."""
        middles = self._middles(places)
        self.picked.data = middles | {"y": [y - self._label / 2 for y in middles["y"]]}

    def _middles(self, places: Iterable[int]) -> dict[str, list[float]]:
        at = [self.place(place) for place in places]
        return {"x": [x + 0.5 for x, _ in at], "y": [y + 0.5 for _, y in at]}

    def place(self, i: int) -> tuple[float, float]:
        """Return the left lower corner of an image."""
        return i % self._columns * TILE, (self._rows - 1 - i // self._columns) * (TILE + self._label)

    def found(self, x: float, y: float) -> int | None:
        """Find the image at a point, if any."""
        for i in range(len(self.source.data["label"])):
            left, bottom = self.place(i)
            if 0 <= x - left <= 1 and -self._label <= y - bottom <= 1:
                return i
        return None

    def _tapped(self, event: PointEvent) -> None:
        place = None if event.x is None or event.y is None else self.found(event.x, event.y)
        held = {key for key, is_held in (event.modifiers or {}).items() if is_held}
        if place is None:
            return
        if held and self._on_pick is not None:
            self._on_pick(place, RUN if "shift" in held else ONE_MORE)
        elif self._on_tap is not None:
            self._on_tap(place)


def _photons(image: NDArray[Any], top: float) -> NDArray[np.uint8]:
    """Map photons to steps of a logarithmic scale from `LEAST` to `top`, 0 where nothing is known."""
    with np.errstate(invalid="ignore"):
        part = np.log(np.maximum(image, LEAST) / LEAST) / np.log(max(top, 1.0) / LEAST)
    return _steps(part, np.isnan(image))


def _signed(image: NDArray[Any]) -> NDArray[np.uint8]:
    """Map values to steps about zero, to the 99.5 percentile on either side; 0 where nothing is known."""
    there = np.abs(image[np.isfinite(image)])
    top = (float(np.quantile(there, 0.995)) or float(there.max())) if len(there) else 1.0
    return _steps((image / (top or 1.0) + 1) / 2, np.isnan(image))


def _steps(part: NDArray[Any], unknown: NDArray[np.bool_]) -> NDArray[np.uint8]:
    steps = 1 + np.clip(np.nan_to_num(part), 0, 1) * (STEPS - 1)
    return np.where(unknown, 0, np.round(steps)).astype(np.uint8)
