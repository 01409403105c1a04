"""The latent plot: every shot drawn at every zoom, hovered, tapped, and selected by lasso and box."""

from __future__ import annotations

import html
from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np
import panel as pn
from bokeh.models import ColumnDataSource
from bokeh.palettes import all_palettes, interp_palette
from numpy.typing import NDArray

from xfeldask.explorer.model.drawing import (
    DENSITIES,
    DENSITIES_ON_DARK,
    LEAST_ALPHA,
    LEAST_ALPHA_ON_DARK,
    Coordinates,
    Points,
    coordinates,
    draw,
    first_range,
)
from xfeldask.explorer.model.nearest import Nearest
from xfeldask.explorer.model.outline import LASSO, Outline, fine
from xfeldask.explorer.model.palette import CIRCLE, CYCLIC
from xfeldask.explorer.model.session import COUNTS, HEXAGONS, Session
from xfeldask.explorer.view.canvas import Canvas, View
from xfeldask.explorer.view.flow import Flow
from xfeldask.explorer.view.locking import locked
from xfeldask.explorer.view.widgets import named

PAUSE = 15
"""After how long a change of the view is drawn [ms]: ranges of x and of y, and both sides, come one after the other."""
SIZE = (500, 500)
"""Of a picture that is drawn before the browser has told how large it is to be [pixels]."""

Found = Callable[[int | None], None]
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
        self.canvas = Canvas(self)
        self._flow = Flow(self.canvas.picture, self._show)
        self._soon = self._is_shown = False
        self._hovered: int | None = None
        self._counted: NDArray[np.int64] | None = None
        self._take()
        self._mark(self.canvas.pin, session.shot)
        self._show()
        watch = watch or session.param.watch
        watch(self._changed, ["x", "y", "embedding", "checkpoint", "colour", "hidden", "selected", "dark"])
        watch(lambda _: self._mark(self.canvas.pin, session.shot), ["shot"])

    @property
    def colour(self) -> str:
        """Name of the quantity that colours tell."""
        return self._colour or self.session.colour

    def recolour(self, name: str | None) -> None:
        """Let colours tell another quantity, or that of the session."""
        self._colour = name
        self._recolour()
        self._flow.ask()

    @property
    def axes(self) -> tuple[str, str]:
        """Names of the quantities along x and y."""
        return self._axes or (self.session.x, self.session.y)

    @cached_property
    def pane(self) -> pn.viewable.Viewable:
        """The plot with its caption."""
        plot = pn.pane.Bokeh(self.canvas.figure, sizing_mode="stretch_both")
        return pn.Column(plot, self.caption, sizing_mode="stretch_both")

    def _take(self) -> None:
        """Take from the session what is drawn."""
        session, (x, y) = self.session, self.axes
        columns = [session.column(name) for name in (x, y)]
        self._labels = [named(column) for column in columns]
        self.x, self.y = (coordinates(column.values) for column in columns)
        # a range of the latent space itself: at earlier checkpoints one sees where shots come from
        self._first = session.shots.kept(first_range, x), session.shots.kept(first_range, y)
        # a view that the address tells of is that of the axes that it tells of
        start = ranges(session.view) if not self._is_shown and self._axes is None else None
        self._view = start or self._first
        self._reset = True
        past = session.checkpoint >= 0
        self.nearest = Nearest(self.x, self.y) if past else session.shots.kept(Nearest, x, y)
        self._recolour()

    def _recolour(self) -> None:
        session, name = self.session, self.colour
        self.points = points_of(session, self.x, self.y, name)
        self._title = HEXAGON_TITLE if name in COUNTS else named(session.shots.shown(name))
        self._alike = "" if name in COUNTS else session.all_alike(name)

    @property
    def _document(self) -> Any:
        return self.canvas.figure.document

    def looked(self) -> None:
        """Draw what is looked at, soon; ranges that the plot itself is about to change are not."""
        now = self.canvas.view, self.canvas.size
        if self._reset or self._soon or now[1] is None or now == (self._view, self._pixels) or not _is_view(now[0]):
            return
        document = self._document
        if document is None or document.session_context is None:
            self._flow.ask()
            return
        self._soon = True
        document.add_timeout_callback(self._look, PAUSE)

    def _look(self) -> None:
        self._soon = False
        self._flow.ask()

    def _show(self, _: Any = None) -> bool:
        """Draw; all that tells of the picture is sent with it, so that none tells of another."""
        canvas, session = self.canvas, self.session
        if not self._reset and _is_view(canvas.view):
            self._view = canvas.view
        known = canvas.size
        self._pixels = known or SIZE
        (x_range, y_range), (width, height) = self._view, self._pixels
        drawing = draw(self.points, session.visible, session.selected, x_range, y_range, width, height)
        self._counted = drawing.counts
        # of the latent plot one sees something at once; elsewhere, a picture of another size would be seen stretched
        rgba = drawing.rgba if known or self._axes is None else np.zeros_like(drawing.rgba)
        with pn.io.unlocked():
            if self._reset:
                canvas.look(self._view, self._first)
            canvas.label(self._labels)
            self._explain()
            canvas.show(rgba, self._view)
            self._tell(drawing.drawn, drawing.shown)
        self._reset = False
        self._tell_session()
        self._is_shown = True
        return True

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

    def _explain(self) -> None:
        """Let the colour bar tell what the picture shows."""
        (low, high), (numbers, counts) = self.points.span, self.canvas.bars
        numbers.visible = self.colour not in COUNTS and not self.points.colours and not self._alike
        counts.visible = self.colour == HEXAGONS
        if numbers.visible:
            self.canvas.mapper.update(low=low, high=high, palette=list(self.points.palette))
            numbers.title = self._title
        if self._counted is not None:
            palette = interp_palette(self.points.palette, 256)
            self.canvas.counts.update(high=max(2, int(self._counted.max())), palette=palette)
            counts.title = self._title

    def _changed(self, *events: Any) -> None:
        changed = {event.name for event in events}
        if changed & {"x", "y", "embedding", "checkpoint"} or len(self.x) != self.session.shots.n_shots:
            self._take()
            self._mark(self.canvas.pin, self.session.shot)
        elif changed & {"colour", "dark"}:
            self._recolour()
        self._flow.ask()

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

    def _tell_session(self) -> None:
        """Tell the session what is looked at, if it is not all of what the axes of the session have."""
        if self._axes is None and self._is_shown:
            now = [fine(v, size) for ends, size in zip(self._view, self._pixel, strict=True) for v in ends]
            told = [] if np.allclose(self._view, self._first, rtol=0, atol=[[size] for size in self._pixel]) else now
            if told != self.session.view:
                locked(lambda: self.session.param.update(view=told))

    def pointed(self, x: float | None, y: float | None) -> None:
        """Show the shot under the pointer, and how many are in the hexagon there."""
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
        # one message, and so one frame of the browser, for all that changes
        with pn.io.unlocked():
            self._mark(self.canvas.ring, shot)
            if self._on_hover is not None:
                self._on_hover(shot)

    def tapped(self, x: float, y: float) -> None:
        """Pin the shot that is tapped."""
        shot = self.under(x, y)
        if shot is not None:
            locked(lambda: self.session.param.update(shot=shot))

    def outlined(self, kind: str, vertices: NDArray[Any]) -> None:
        """Select what a lasso or a box holds."""
        if len(vertices) > 1 + (kind == LASSO):
            outline = Outline.drawn(kind, self.axes, vertices, self._pixel)
            locked(lambda: self.session.draw(outline))


def _is_view(view: View) -> bool:
    """Whether ranges have ends that can be drawn between; one end comes after the other."""
    return all(np.isfinite([low, high]).all() and low < high for low, high in view)


def ranges(view: list[float]) -> View | None:
    """Return the ranges of x and of y that a view has, None where it has none.

    Examples
    --------
    >>> ranges([0.0, 1.0, -2.0, 2.0]), ranges([])
    (((0.0, 1.0), (-2.0, 2.0)), None)
    """
    if len(view) != 4 or not np.isfinite(view).all() or not (view[0] < view[1] and view[2] < view[3]):
        return None
    return (view[0], view[1]), (view[2], view[3])


def points_of(session: Session, x: Coordinates, y: Coordinates, colour: str) -> Points:
    """Return points to be drawn in the colours of a quantity."""
    densities = DENSITIES_ON_DARK if session.dark else DENSITIES
    if colour in COUNTS:
        return Points(x, y, None, {}, densities, hexagons=colour == HEXAGONS)
    values, colours = session.shots.shown(colour).values, session.colours(colour)
    by_value = {value: colours[meaning] for value, meaning in session.classes(colour)}
    if colour in CYCLIC:
        return Points(x, y, values, {}, tuple(interp_palette(CIRCLE, 256)), (-180.0, 180.0))
    span = (0.0, 1.0)
    if session.all_alike(colour):
        return Points(x, y, None, {}, densities)
    if not by_value:
        there = values[np.isfinite(values)]
        low, high = np.quantile(there, [0.005, 0.995]) if len(there) else (0.0, 1.0)
        span = float(low), float(high) if high > low else float(low) + 1
    alpha = LEAST_ALPHA_ON_DARK if session.dark else LEAST_ALPHA
    shapes = tuple(session.shapes(colour).values())
    return Points(x, y, values, by_value, tuple(all_palettes["Viridis"][256]), span, shapes, least_alpha=alpha)
