"""Curves of a shot before the mean curves of the run and of what the rule took shots for."""

from __future__ import annotations

from typing import Any

import numpy as np
import panel as pn
from bokeh.models import BasicTickFormatter, ColumnDataSource, LogTicker
from numpy.typing import NDArray

from xfeldask.explorer.model.brightness import ALL, CLASSES, Brightness, brightness, class_means
from xfeldask.explorer.model.palette import MEANINGS
from xfeldask.explorer.model.pictures import Pictures
from xfeldask.explorer.model.session import Session
from xfeldask.explorer.view.widgets import MIDDLE, caption, plot
from xfeldask.store.choosing.columns import Shots

NOTHING: dict[str, list[float]] = {"x": [], "y": []}
LINES = {ALL: (MIDDLE, "dotted")} | {name: (MEANINGS[name], "solid") for name in CLASSES}
"""Colour and dashes of the mean curves."""


class Curves:
    """Two figures of a shot: photons by distance from the beam, and bins by the photons that they hold.

    Parameters
    ----------
    session : Session
    pictures : Pictures
    height : int, of each figure [pixels]
    """

    def __init__(self, session: Session, pictures: Pictures, height: int = 250) -> None:
        self._session, self._pictures = session, pictures
        self._of: Shots | None = None
        self.radial, self.held = ({name: ColumnDataSource(NOTHING) for name in (*LINES, "shot")} for _ in range(2))
        figures = (
            _drawn(self.radial, "q (1/nm)", "photons in a bin", height),
            _drawn(self.held, "photons that a bin holds", "bins", height, x_axis_type="log", marker=True),
        )
        # photons are counted: no powers of ten, and few enough not to run into each other
        figures[1].xaxis.update(ticker=LogTicker(mantissas=[1, 3]), formatter=BasicTickFormatter())
        self.pane = pn.Column(
            caption(f"{_word('this shot', MIDDLE, 'solid')} before the means of {_words()}"),
            pn.Row(*(pn.pane.Bokeh(fig, sizing_mode="stretch_width") for fig in figures),
                   sizing_mode="stretch_width"),
            sizing_mode="stretch_width",
        )  # fmt: skip

    def show(self, shot: int | None) -> None:
        """Draw the curves of a shot, or of none; raise CorruptStoreError where its photons cannot be read."""
        self._fill("shot", None if shot is None else brightness(self._pictures, [shot]))

    def classes(self) -> None:
        """Draw the mean curves of the shots that are there now; none of a class that has no shot."""
        if self._of is self._session.shots:
            return
        self._of = self._session.shots
        found = class_means(self._pictures, self._of)
        for name in LINES:
            self._fill(name, found.get(name))

    def _fill(self, name: str, found: Brightness | None) -> None:
        self.radial[name].data = {"x": found.q, "y": _logarithmic(found.photons)} if found else NOTHING
        self.held[name].data = {"x": found.number, "y": _logarithmic(found.bins)} if found else NOTHING


def _drawn(sources: dict[str, ColumnDataSource], x: str, y: str, height: int, marker: bool = False, **axis: Any) -> Any:
    """Draw the curves of some sources, that of the shot over the others."""
    fig = plot(x, y, height=height, sizing_mode="stretch_width", y_axis_type="log", **axis)
    for name, (colour, dash) in LINES.items():
        fig.line("x", "y", source=sources[name], color=colour, line_dash=dash, line_width=3, alpha=0.6)
    fig.line("x", "y", source=sources["shot"], color=MIDDLE, line_width=2)
    if marker:
        fig.scatter("x", "y", source=sources["shot"], color=MIDDLE, size=5)
    return fig


def _words() -> str:
    """Name the mean curves, each beside a sample of its line; a legend in the figures would hide their curves."""
    told = {name: name if name == ALL else f"verdict {name}" for name in LINES}
    return ", ".join(_word(told[name], *line) for name, line in LINES.items())


def _word(text: str, colour: str, dash: str) -> str:
    line = f"display:inline-block;width:22px;margin:0 4px;vertical-align:middle;border-top:3px {dash} {colour}"
    return f'<span style="white-space:nowrap"><span style="{line}"></span>{text}</span>'


def _logarithmic(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Leave out of a logarithmic curve what is nothing."""
    return np.where(values > 0, values, np.nan)
