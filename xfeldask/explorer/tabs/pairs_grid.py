"""All pairs of components beside each other: small pictures of the latent space, each a way into the large plot."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import panel as pn
from bokeh.models import ColumnDataSource
from numpy.typing import NDArray

from xfeldask.explorer.model.drawing import coordinates, draw, first_range
from xfeldask.explorer.model.session import DENSITY, HEXAGONS, Session
from xfeldask.explorer.tabs.watch import Watch
from xfeldask.explorer.view.locking import locked
from xfeldask.explorer.view.plane import points_of
from xfeldask.explorer.view.taps import hear_taps
from xfeldask.explorer.view.widgets import MIDDLE, caption, heading, plot
from xfeldask.scores.classes import ORANGE

MOST = 6
"""Components that are shown against each other."""
SIDE = 190
"""Of a cell [pixels]."""
GAP = 0.05
"""Between two cells, in sides of one."""
TOLD = (
    "Each cell shows two components, named below it and beside it, in the colours of the large plot and with its "
    "selection; the outlined one is there now. Tap another to see it there."
)


class PairsGrid:
    """A triangle of cells, one for each pair of the first components.

    Parameters
    ----------
    session : Session, of an embedding of two components or more
    watch : Watch
    """

    def __init__(self, session: Session, watch: Watch) -> None:
        self._session = session
        self.names = session.shots.components[:MOST]
        self._sides = len(self.names) - 1
        self.pairs = list(combinations(range(len(self.names)), 2))
        self.cells = ColumnDataSource({"image": [], "x": [], "y": []})
        self.outline = ColumnDataSource({"x": [], "y": []})
        self.pane = pn.Column(
            heading("all pairs of components"),
            caption(
                TOLD if len(self.names) == len(session.shots.components) else f"{TOLD} The first {MOST} are shown."
            ),
            pn.pane.Bokeh(self._figure()),
            sizing_mode="stretch_width",
        )
        watch(self._draw, ["colour", "hidden", "selected", "dark", "checkpoint"])
        watch(self._mark, ["x", "y"])
        self._draw()
        self._mark()

    def _figure(self) -> Any:
        # columns are the pair's first component from the left, rows its second one from the top
        sides = self._sides
        fig = plot("along x", "along y", width=sides * SIDE + 90, height=sides * SIDE + 60,
                   x_range=(0, sides), y_range=(0, sides))  # fmt: skip
        fig.grid.visible = False
        for axis, names in ((fig.xaxis, self.names[:-1]), (fig.yaxis, self.names[:0:-1])):
            axis.ticker = [place + 0.5 for place in range(sides)]
            axis.major_label_overrides = {place + 0.5: name for place, name in enumerate(names)}
            axis.major_tick_line_color = None
        fig.rect(
            "x",
            "y",
            1 - GAP,
            1 - GAP,
            source=self._middles(self.pairs),
            fill_alpha=0,
            line_color=MIDDLE,
            line_alpha=0.5,
        )
        fig.image_rgba("image", "x", "y", 1 - GAP, 1 - GAP, source=self.cells)
        fig.rect("x", "y", 1 - GAP, 1 - GAP, source=self.outline, fill_alpha=0, line_color=ORANGE, line_width=2)
        hear_taps(fig, lambda event: self.tapped(event.x, event.y))
        return fig

    def _draw(self, *_: Any) -> None:
        images = [self._picture(*pair) for pair in self.pairs]
        corners = {axis: [at - (1 - GAP) / 2 for at in places] for axis, places in self._middles(self.pairs).items()}
        self.cells.data = {"image": images, **corners}

    def _middles(self, pairs: list[tuple[int, int]]) -> dict[str, list[float]]:
        """Return where the middles of cells are."""
        return {"x": [i + 0.5 for i, _ in pairs], "y": [self._sides - j + 0.5 for _, j in pairs]}

    def _picture(self, i: int, j: int) -> NDArray[np.uint32]:
        """Draw a pair of components as Bokeh takes it, the first row at the bottom."""
        session, names = self._session, (self.names[i], self.names[j])
        x, y = (coordinates(session.column(name).values) for name in names)
        x_range, y_range = (session.shots.kept(first_range, name) for name in names)
        colour = DENSITY if session.colour == HEXAGONS else session.colour
        drawn = draw(points_of(session, x, y, colour), session.visible, session.selected, x_range, y_range, SIDE, SIDE)
        return np.ascontiguousarray(drawn.rgba[::-1]).view(np.uint32)[..., 0]

    def _mark(self, *_: Any) -> None:
        """Outline the pair that the large plot shows, either way round."""
        shown = {self._session.x, self._session.y}
        self.outline.data = self._middles([p for p in self.pairs if {self.names[i] for i in p} == shown])

    def tapped(self, x: float, y: float) -> None:
        """Show the pair of a cell in the large plot."""
        i, j = int(np.floor(x)), self._sides - int(np.floor(y))
        if (i, j) in self.pairs:
            locked(lambda: self._session.param.update(x=self.names[i], y=self.names[j]))
