"""The latent plot: every shot drawn at every zoom, hovered, tapped, and selected by lasso and box."""

from __future__ import annotations

import html
from collections.abc import Callable
from functools import cached_property
from typing import Any
from weakref import WeakMethod

import holoviews as hv
import numpy as np
import panel as pn
from bokeh.models import ColorBar, ColumnDataSource, LinearColorMapper, LogColorMapper
from bokeh.palettes import all_palettes, interp_palette
from holoviews.plotting.bokeh import BokehRenderer
from holoviews.plotting.bokeh.callbacks import PlotSizeCallback, RangeXYCallback
from numpy.typing import NDArray
from panel.io.state import set_curdoc

from xfeldask.explorer.model.drawing import DENSITIES, Points, draw, first_range
from xfeldask.explorer.model.nearest import Nearest
from xfeldask.explorer.model.outline import BOX, LASSO, Outline
from xfeldask.explorer.model.palette import CIRCLE, CYCLIC, NUMBERS
from xfeldask.explorer.model.session import COUNTS, HEXAGONS, Session
from xfeldask.store.columns import Column

# without a graphics card the rings alone would cost 40 ms a frame
RENDERER = BokehRenderer.instance(webgl=False)
PAUSE = 20
"""After how long a change of the view is asked for [ms]; the server draws faster than the pause that is usual."""

Found = Callable[[int | None], None]
Redraw = hv.streams.Stream.define("Redraw", n=0)
RING = ("#000000", "#ffffff")
HEXAGON_TITLE = "shots in a hexagon"


class Plane:
    """A scatter of two quantities of all shots.

    Parameters
    ----------
    session : Session
    axes : names of two quantities, or None for those of the session
    on_hover : called with the shot under the pointer, or None
    watch : called with a function and names of parameters of the session that it is to hear of
    """

    def __init__(
        self,
        session: Session,
        axes: tuple[str, str] | None = None,
        on_hover: Found | None = None,
        watch: Callable[..., Any] | None = None,
    ) -> None:
        self.session, self._axes, self._on_hover = session, axes, on_hover
        self._colour: str | None = None
        self.caption = pn.pane.HTML("", styles={"font-size": "12px"}, margin=(0, 10))
        self._ring, self._pin = (ColumnDataSource({"x": [], "y": []}) for _ in range(2))
        self._mapper = LinearColorMapper(palette=NUMBERS[0], low=0, high=1)
        self._counts = LogColorMapper(palette=interp_palette(DENSITIES, 256), low=1, high=10)
        # both from the start: a browser that is told of a change must know what is changed
        self._bars = [ColorBar(color_mapper=mapper, width=10, visible=False) for mapper in (self._mapper, self._counts)]
        self._figure: Any = None
        self._hovered: int | None = None
        self._counted: NDArray[np.int64] | None = None
        self._range = hv.streams.RangeXY()
        self._size = hv.streams.PlotSize()
        self._redraw = Redraw()
        self._take()
        self._mark(self._pin, session.shot)
        dress = WeakMethod(self._dress)

        def hook(plot: Any, element: Any) -> None:
            # HoloViews keeps options, hooks among them, for ever: they must not keep the page
            if (here := dress()) is not None:
                here(plot, element)

        self.dynamic = hv.DynamicMap(self._draw, streams=[self._range, self._size, self._redraw]).opts(
            hv.Options(
                "RGB", backend="bokeh", responsive=True, min_width=240, min_height=200, hooks=[hook], toolbar="above",
                tools=["lasso_select", "box_select", "tap"], active_tools=["wheel_zoom", "lasso_select"],
                default_tools=["pan", "wheel_zoom", "box_zoom", "reset"], xlabel="", ylabel="", shared_axes=False,
                # after how long the browser tells of the ranges that a turn of the wheel has made [ms]
                lod={"timeout": PAUSE},
            )
        )  # fmt: skip
        self._pointer = hv.streams.PointerXY(source=self.dynamic)
        self._leave = hv.streams.MouseLeave(source=self.dynamic)
        self._tap = hv.streams.SingleTap(source=self.dynamic)
        self._lasso = hv.streams.Lasso(source=self.dynamic)
        self._box = hv.streams.BoundsXY(source=self.dynamic)
        self._pointer.add_subscriber(self._pointed)
        self._leave.add_subscriber(lambda **_: self._hover(None))
        self._tap.add_subscriber(self._tapped)
        self._lasso.add_subscriber(self._lassoed)
        self._box.add_subscriber(self._boxed)
        watch = watch or session.param.watch
        watch(self._changed, ["x", "y", "embedding", "checkpoint", "colour", "hidden", "selected"])
        watch(lambda _: self._mark(self._pin, session.shot), ["shot"])

    @property
    def colour(self) -> str:
        """Name of the quantity that colours tell."""
        return self._colour or self.session.colour

    def recolour(self, name: str | None) -> None:
        """Let colours tell another quantity, or that of the session."""
        self._colour = name
        self._recolour()
        self._redraw.event(n=self._redraw.n + 1)

    @property
    def axes(self) -> tuple[str, str]:
        """Names of the quantities along x and y."""
        return self._axes or (self.session.x, self.session.y)

    @cached_property
    def pane(self) -> pn.viewable.Viewable:
        """The plot with its caption."""
        plot = pn.pane.HoloViews(
            self.dynamic, backend="bokeh", renderer=RENDERER, sizing_mode="stretch_both", linked_axes=False
        )
        return pn.Column(plot, self.caption, sizing_mode="stretch_both")

    def _take(self) -> None:
        """Take from the session what is drawn."""
        session, (x, y) = self.session, self.axes
        columns = [session.column(name) for name in (x, y)]
        self._labels = [named(column) for column in columns]
        self.x, self.y = (np.asarray(c.values, np.float32) for c in columns)
        # a range of the latent space itself: at earlier checkpoints one sees where shots come from
        self._first = session.shots.kept(first_range, x), session.shots.kept(first_range, y)
        # a view that the address tells of is that of the axes that it tells of
        self._start = _ranges(session.view) if self._figure is None and self._axes is None else None
        self._reset = True
        past = session.checkpoint >= 0
        self.nearest = Nearest(self.x, self.y) if past else session.shots.kept(Nearest, x, y)
        self._recolour()

    def _recolour(self) -> None:
        session, name = self.session, self.colour
        self.points = points_of(session, self.x, self.y, name)
        self._title = HEXAGON_TITLE if name in COUNTS else named(session.shots.shown(name))
        self._alike = "" if name in COUNTS else session.all_alike(name)

    def _draw(
        self,
        x_range: tuple[float, float] | None,
        y_range: tuple[float, float] | None,
        width: int | None,
        height: int | None,
        scale: float,
        n: int,
    ) -> hv.RGB:
        del scale, n
        if self._reset or x_range is None or y_range is None:
            x_range, y_range = self._start or self._first
        self._view = x_range, y_range
        self._pixels = int(width or 500), int(height or 500)
        self._look()
        session = self.session
        drawing = draw(self.points, session.visible, session.selected, x_range, y_range, *self._pixels)
        self._counted = drawing.counts
        self._tell(drawing.drawn, drawing.shown)
        (x0, x1), (y0, y1) = x_range, y_range
        # of the latent plot one sees something at once; elsewhere, a picture of another size would be seen stretched
        rgba = drawing.rgba if width or self._axes is None else np.zeros_like(drawing.rgba)
        return hv.RGB(rgba, kdims=["plane_x", "plane_y"], bounds=(x0, y0, x1, y1))

    def _tell(self, drawn: int, shown: int) -> None:
        total, chosen = self.session.shots.n_shots, int(self.session.selected.sum())
        there = self.session.shots.n_done
        parts = [f"drawn {drawn:,} of {total:,}"]
        parts += [f"{shown - drawn:,} outside the view"] if shown > drawn else []
        parts += [f"{there - shown:,} hidden"] if there > shown else []
        parts += [f"{total - there:,} not yet written"] if total > there else []
        parts += [f"<b>{chosen:,} selected</b>"] if chosen else []
        parts += [html.escape(self._alike)] if self._alike else []
        self._told = parts
        self.caption.object = " · ".join(parts)

    def _dress(self, plot: Any, element: Any) -> None:
        """Add to the figure what HoloViews does not: rings, a colour bar, labels, and ranges after a change of axes."""
        del element
        fig = plot.state
        if self._figure is not fig:
            self._figure = fig
            fig.toolbar.logo = None
            for callback in plot.callbacks:
                if isinstance(callback, RangeXYCallback | PlotSizeCallback):
                    callback.debounce = PAUSE
            if pn.state.curdoc is not None and pn.state.curdoc.session_context:
                # HoloViews keeps the callbacks of a plot, and so everything, until it is told that the plot is gone
                pn.state.on_session_destroyed(lambda _: plot.cleanup())
            for source, size in ((self._pin, 18), (self._ring, 12)):
                for colour, width in zip(RING[::-1], (5, 2), strict=True):
                    fig.scatter("x", "y", source=source, size=size, fill_alpha=0, line_color=colour, line_width=width)
            for bar in self._bars:
                fig.add_layout(bar, "right")
        fig.xaxis.axis_label, fig.yaxis.axis_label = self._labels
        self._explain()
        if self._reset:
            self._reset = False
            axes = zip((fig.x_range, fig.y_range), self._start or self._first, self._first, strict=True)
            for axis, (low, high), (first, last) in axes:
                axis.update(start=low, end=high, reset_start=first, reset_end=last)
            self._start = None

    def _explain(self) -> None:
        """Let the colour bar tell what the picture shows; sent with the picture, so that none tells of another."""
        (low, high), (numbers, counts) = self.points.span, self._bars
        numbers.visible = self.colour not in COUNTS and not self.points.colours and not self._alike
        counts.visible = self.colour == HEXAGONS
        if numbers.visible:
            self._mapper.update(low=low, high=high, palette=list(self.points.palette))
            numbers.title = self._title
        if self._counted is not None:
            self._counts.high = max(2, int(self._counted.max()))
            counts.title = self._title

    def _changed(self, *events: Any) -> None:
        changed = {event.name for event in events}
        if changed & {"x", "y", "embedding", "checkpoint"} or len(self.x) != self.session.shots.n_shots:
            self._take()
            self._mark(self._pin, self.session.shot)
        elif "colour" in changed:
            self._recolour()
        self._redraw.event(n=self._redraw.n + 1)

    def _mark(self, source: ColumnDataSource, shot: int | None) -> None:
        at = [] if shot is None else [shot]
        with pn.io.unlocked():
            source.data = {"x": self.x[at].tolist(), "y": self.y[at].tolist()}

    def under(self, x: float | None, y: float | None) -> int | None:
        """Find the shot under a place of the plot, if one is near."""
        if x is None or y is None:
            return None
        return self.nearest.find(x, y, *self._pixel, among=self.session.visible)

    @property
    def _pixel(self) -> tuple[float, float]:
        """Width and height of a pixel of the screen, in units of x and y."""
        (x0, x1), (y0, y1) = self._view
        width, height = self._pixels
        return (x1 - x0) / width, (y1 - y0) / height

    def _look(self) -> None:
        """Tell the session what is looked at, if it is not all of what the axes of the session have."""
        if self._axes is None and self._figure is not None:
            now = [float(f"{v:.6g}") for low, high in self._view for v in (low, high)]
            told = [] if np.allclose(self._view, self._first, rtol=0, atol=[[size] for size in self._pixel]) else now
            if told != self.session.view:
                locked(lambda: self.session.param.update(view=told))

    def _pointed(self, x: float | None, y: float | None) -> None:
        self._hover(self.under(x, y))
        if self._counted is not None and x is not None and y is not None:
            with pn.io.unlocked():
                self.caption.object = " · ".join([*self._told, f"{self.counted(x, y):,} in this hexagon"])

    def counted(self, x: float, y: float) -> int:
        """Count the shots in the hexagon of a place, the selected ones where some are; 0 without hexagons."""
        if self._counted is None:
            return 0
        (x0, x1), (y0, y1) = self._view
        height, width = self._counted.shape
        column, row = int((x - x0) / (x1 - x0) * width), int((y1 - y) / (y1 - y0) * height)
        return int(self._counted[row, column]) if 0 <= column < width and 0 <= row < height else 0

    def _hover(self, shot: int | None) -> None:
        if shot == self._hovered:
            return
        self._hovered = shot
        self._mark(self._ring, shot)
        if self._on_hover is not None:
            self._on_hover(shot)

    def _tapped(self, x: float | None, y: float | None) -> None:
        shot = self.under(x, y)
        if shot is not None:
            locked(lambda: self.session.param.update(shot=shot))

    def _lassoed(self, geometry: Any) -> None:
        if geometry is not None and len(geometry) > 2:
            self._drawn(LASSO, np.asarray(geometry))

    def _boxed(self, bounds: tuple[float, float, float, float] | None) -> None:
        if bounds is not None:
            self._drawn(BOX, np.reshape(bounds, (2, 2)))

    def _drawn(self, kind: str, vertices: NDArray[Any]) -> None:
        outline = Outline.drawn(kind, self.axes, vertices, self._pixel)
        locked(lambda: self.session.draw(outline))


def _ranges(view: list[float]) -> tuple[tuple[float, float], tuple[float, float]] | None:
    """Return the ranges of x and of y that a view has, None where it has none."""
    if len(view) != 4 or not np.isfinite(view).all() or not (view[0] < view[1] and view[2] < view[3]):
        return None
    return (view[0], view[1]), (view[2], view[3])


def points_of(session: Session, x: NDArray[np.float32], y: NDArray[np.float32], colour: str) -> Points:
    """Return points to be drawn in the colours of a quantity."""
    if colour in COUNTS:
        return Points(x, y, None, {}, DENSITIES, hexagons=colour == HEXAGONS)
    values, colours = session.shots.shown(colour).values, session.colours(colour)
    by_value = {value: colours[meaning] for value, meaning in session.classes(colour)}
    if colour in CYCLIC:
        return Points(x, y, values, {}, tuple(interp_palette(CIRCLE, 256)), (-180.0, 180.0))
    span = (0.0, 1.0)
    if session.all_alike(colour):
        return Points(x, y, None, {}, DENSITIES)
    if not by_value:
        there = values[np.isfinite(values)]
        low, high = np.quantile(there, [0.005, 0.995]) if len(there) else (0.0, 1.0)
        span = float(low), float(high) if high > low else float(low) + 1
    return Points(x, y, values, by_value, tuple(all_palettes["Viridis"][256]), span)


def named(column: Column) -> str:
    """Write a quantity with its unit."""
    return column.label if column.units == "1" else f"{column.label} ({column.units})"


def locked(change: Callable[[], Any], document: Any = None) -> None:
    """Make a change with the lock of the page, which events of plots, and other threads, do not hold.

    Of a page that is being closed there is nothing to change any more.
    """
    document = document or pn.state.curdoc
    context = None if document is None else document.session_context
    if context is None:
        change()
        return

    def within() -> None:
        # what Bokeh has as its current page is one for all threads, and another thread may be at another page
        with set_curdoc(document):
            change()

    try:
        document.add_next_tick_callback(within)
    except RuntimeError:
        # who closes a page takes away its callbacks while Bokeh goes through them here
        if not context.destroyed:
            raise
