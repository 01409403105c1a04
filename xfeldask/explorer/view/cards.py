"""Images of a shot as Bokeh figures: what is drawn changes by the array alone, contrast by the browser alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import panel as pn
from bokeh.models import (
    BasicTicker,
    BasicTickFormatter,
    ColorBar,
    ColumnDataSource,
    CustomJSHover,
    DataRange1d,
    EqHistColorMapper,
    GlyphRenderer,
    HoverTool,
    LinearColorMapper,
    LogColorMapper,
    LogTicker,
    Ticker,
    Title,
)
from bokeh.palettes import all_palettes
from bokeh.plotting import figure
from numpy.typing import NDArray

from xfeldask.explorer.model.palette import NUMBERS
from xfeldask.explorer.model.pictures import Picture
from xfeldask.explorer.model.session import Session
from xfeldask.explorer.view.fields import choice
from xfeldask.explorer.view.rings import Rings
from xfeldask.explorer.view.theme import describe, dress

GAP = "#c9ced6"
"""Colour of pixels that hold no measurement."""
LEAST = 0.5
"""Where a logarithmic scale of photons begins."""
COUNTED = (np.uint8, np.uint16)
"""Kinds of whole numbers in which counts are sent, a quarter or half as many bytes as numbers that can be unknown."""
NARROW = (0, 2)
TICKS = 4
"""Numbers along x of a card, about."""
TYPED = ".bk-spin-btn { display: none !important; }"
"""Of fields in which a number is typed: a step up or down from nothing means little."""
PARTS = ("image", "x", "y", "dw", "dh")
EMPTY = (np.ones((1, 1), np.float32), 0.0, 0.0, 1.0, 1.0)
SCALES = {"linear": LinearColorMapper, "log": LogColorMapper, "equalised": EqHistColorMapper}
RESOLUTION = "const s = Math.hypot(special_vars.x, special_vars.y); return s > 0 ? (1 / s).toFixed(2) + ' nm' : '';"
MEASURED = """
const {image: [dark], x: [left], y: [bottom], dw: [width], dh: [height]} = unknown.data;
const [rows, columns] = dark.shape;
const column = Math.floor((special_vars.x - left) / width * columns);
const row = Math.floor((special_vars.y - bottom) / height * rows);
return dark[row * columns + column] ? 'not measured' : String(value);
"""

LIMIT = """
for (const m of [linear, log, equalised]) {
  const value = m == log && cb_obj.value <= 0 ? null : cb_obj.value;   // of 0 there is no logarithm
  m[end] = value ?? (m == log ? least : null);
}
"""


class Card:
    """An image with axes, a scale and a readout.

    Parameters
    ----------
    title : str
    quantity : str, what a pixel holds, with its unit
    axes : (str, str), labels
    reciprocal : bool, axes are s, so that a place has a resolution
    scale : str, one of `SCALES`, at first
    counts : bool, pictures are large and hold counts: these are sent as whole numbers, and what is unknown once
    """

    def __init__(
        self,
        title: str,
        quantity: str,
        axes: tuple[str, str],
        reciprocal: bool,
        scale: str = "log",
        counts: bool = False,
    ) -> None:
        self.source = ColumnDataSource({name: [part] for name, part in zip(PARTS, EMPTY, strict=True)})
        palette = NUMBERS[0]
        self.scale = scale
        self.mappers = {name: kind(palette=palette, nan_color=GAP) for name, kind in SCALES.items()}
        self.mappers["log"].update(low=LEAST, high=1.0)
        self.figure = figure(
            title=title,
            x_axis_label=axes[0],
            y_axis_label=axes[1],
            # follows the image, square, until somebody zooms
            x_range=DataRange1d(range_padding=0),
            y_range=DataRange1d(range_padding=0),
            match_aspect=True,
            tools="pan,wheel_zoom,box_zoom,reset,save",
            sizing_mode="stretch_both",
            min_width=150,
            min_height=150,
            toolbar_location="right",
        )
        self.figure.toolbar.logo = None
        self.figure.toolbar.autohide = True
        self.figure.grid.grid_line_color = None
        self.image = self.figure.image("image", "x", "y", "dw", "dh", source=self.source, level="image",
                                       color_mapper=self.mappers[scale])  # fmt: skip
        self.image.visible = False
        self.cover = self._cover() if counts else None
        for axis in (self.figure.x_range, self.figure.y_range):
            axis.renderers = [self.image]
        self._reciprocal = reciprocal
        self.rings: Rings | None = None
        self._ringed, self._reach = False, 0.0
        self.tickers = {name: ticker(name) for name in SCALES}
        self.bar = ColorBar(
            color_mapper=self.mappers[scale],
            width=8,
            padding=2,
            ticker=self.tickers[scale],
            formatter=BasicTickFormatter(power_limit_low=-5),
        )
        self.figure.add_layout(self.bar, "right")
        # a bar's own title stands at its lower end, between it and the picture
        self.quantity = Title(text=quantity, align="center")
        self.figure.add_layout(self.quantity, "right")
        # in a narrow window more numbers than these would lie over each other
        self.figure.xaxis.ticker.desired_num_ticks = TICKS
        dress(self.figure)
        describe(self.figure, f"{title}, {quantity}")
        formatters: dict[str, Any] = {"$x": CustomJSHover(code=RESOLUTION)}
        if self.cover is not None:
            formatters["@image"] = CustomJSHover(args={"unknown": self.cover.data_source}, code=MEASURED)
        tips = [(quantity, "@image{custom}" if "@image" in formatters else "@image"), ("x, y", "$x{0.000}, $y{0.000}")]
        tips += [("resolution", "$x{custom}")] if reciprocal else []
        self.figure.add_tools(HoverTool(tooltips=tips, formatters=formatters, renderers=[self.image]))

    def show(self, picture: Picture | None) -> None:
        """Show a picture, or nothing; the axes keep their place while pictures of the same extent follow each other."""
        self.image.visible = picture is not None
        if self.cover is not None:
            self.cover.visible = picture is not None
        if picture is not None:
            # of a blank there is no logarithm
            self.mappers["log"].high = None if np.nanmax(picture.values) > 0 else 1.0
            values = picture.values if self.cover is None else _counted(picture, self.cover.data_source)
            self.source.data = _sent(values, picture)
            left, bottom, width, height = picture.extent
            reach = max(-left, -bottom, left + width, bottom + height)
            if reach != self._reach:
                self._reach = reach
                self.ring(self._ringed)

    def _cover(self) -> GlyphRenderer[Any]:
        """Draw what is unknown over the counts, which have no number for it."""
        parts = (np.zeros((1, 1), np.uint8), *EMPTY[1:])
        source = ColumnDataSource({name: [part] for name, part in zip(PARTS, parts, strict=True)})
        mapper = LinearColorMapper(palette=[GAP], low=1, high=1, low_color="rgba(0, 0, 0, 0)")
        cover: GlyphRenderer[Any] = self.figure.image("image", "x", "y", "dw", "dh", source=source, level="image",
                                                      color_mapper=mapper)  # fmt: skip
        return cover

    def ring(self, wanted: bool) -> None:
        """Show rings of equal resolution or none; a card that is not of reciprocal space has none."""
        if self._reciprocal and (wanted or self._ringed):
            # made when they are first wished for: few wish for them, and a page has them made and drawn sooner without
            self.rings = self.rings or Rings(self.figure)
            self.rings.show(self._reach if wanted else 0.0)
        self._ringed = wanted

    def view(self, height: float = 1.0) -> pn.viewable.Viewable:
        """Return the card as a pane, so many times as high as others beside or below it."""
        pane = pn.pane.Bokeh(self.figure, sizing_mode="stretch_both")
        return pn.Column(pane, sizing_mode="stretch_both", margin=0, styles={"flex": f"{height} {height} 0"})


def _sent(values: NDArray[Any], picture: Picture) -> dict[str, list[Any]]:
    """Return the data of a source that shows values (y, x) in the place of a picture."""
    return {name: [part] for name, part in zip(PARTS, (values, *picture.extent), strict=True)}


def _counted(picture: Picture, unknown: Any) -> NDArray[Any]:
    """Return a picture's counts as whole numbers, and let a source tell what is unknown; as they are if they are none.

    >>> unknown = ColumnDataSource(_sent(np.zeros((1, 1), np.uint8), Picture(np.zeros((1, 1)), (0.0, 0.0, 1.0, 1.0))))
    >>> _counted(Picture(np.array([[np.nan, 7.0]], np.float32), (0.0, 0.0, 1.0, 1.0)), unknown)
    array([[0, 7]], dtype=uint8)
    >>> unknown.data["image"][0]
    array([[1, 0]], dtype=uint8)
    """
    dark = np.isnan(picture.values)
    values = np.where(dark, 0, picture.values)
    kind = next((kind for kind in COUNTED if _holds(kind, values)), None)
    cover = (dark if kind is not None else np.zeros_like(dark)).astype(np.uint8)
    if not np.array_equal(cover, unknown.data["image"][0]) or unknown.data["dw"][0] != picture.extent[2]:
        unknown.data = _sent(cover, picture)
    return picture.values if kind is None else values.astype(kind)


def _holds(kind: Any, values: NDArray[Any]) -> bool:
    """Whether values, none of them negative, are whole numbers of a kind."""
    return bool(values.max(initial=0) <= np.iinfo(kind).max and (values == np.round(values)).all())


def follow_rings(session: Session, cards: Iterable[Card], watch: Callable[..., Any]) -> None:
    """Let cards show rings while the session wants them; `watch` is what tells of changes of the session."""
    cards = list(cards)

    def turn(*_: Any) -> None:
        for card in cards:
            card.ring(session.rings)

    watch(turn, ["rings"])
    turn()


def ticker(scale: str) -> Ticker:
    """Make the ticks of a colour bar: of a logarithmic one, powers of ten and what lies evenly between."""
    return LogTicker(desired_num_ticks=4, mantissas=[1, 3]) if scale == "log" else BasicTicker(desired_num_ticks=4)


def contrast(cards: Iterable[Card], recoloured: Iterable[Card] = ()) -> pn.viewable.Viewable:
    """Make controls that cards share, all done by the browser: scale, limits and colour map.

    Parameters
    ----------
    cards : that follow all controls
    recoloured : that follow the colour map only
    """
    cards = list(cards)
    scale = choice(options=list(SCALES), value=cards[0].scale, width=74, label="scale", margin=NARROW)
    palette = choice(
        options=[name.removesuffix("256") for name in NUMBERS], width=84, label="colour map", margin=NARROW
    )
    limits = [
        pn.widgets.FloatInput(value=None, placeholder="auto", width=58, label=name, margin=NARROW, stylesheets=[TYPED])
        for name in ("min", "max")
    ]
    palettes = {name: list(all_palettes[name][256]) for name in palette.options}
    for card in [*cards, *recoloured]:
        palette.jscallback(
            args={**card.mappers, "palettes": palettes},
            value="for (const m of [linear, log, equalised]) m.palette = palettes[cb_obj.value];",
        )
    for card in cards:
        scale.jscallback(
            args={"image": card.image, "bar": card.bar, "tickers": card.tickers, **card.mappers},
            value="const m = {linear, log, equalised}[cb_obj.value]; "
            "image.glyph.color_mapper = m; bar.color_mapper = m; bar.ticker = tickers[cb_obj.value];",
        )
        for widget, end in zip(limits, ("low", "high"), strict=True):
            widget.jscallback(
                args={**card.mappers, "least": LEAST if end == "low" else None, "end": end},
                value=LIMIT,
            )
    return pn.Row(scale, palette, *limits, margin=(6, 0, 2, 0))
