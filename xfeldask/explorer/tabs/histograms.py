"""Histograms of any quantities; a range marked in one selects in all."""

from __future__ import annotations

from typing import Any

import numpy as np
import panel as pn
import panel_material_ui as pmui
from bokeh.events import SelectionGeometry
from bokeh.models import BoxSelectTool, ColumnDataSource
from bokeh.plotting import figure

from xfeldask.explorer.palette import BLUE, GREY
from xfeldask.explorer.pictures import Pictures
from xfeldask.explorer.session import Session

BINS = 80
FIRST = ("photon_count", "score", "probability_single", "c0")


def histograms(session: Session, _: Pictures) -> pn.viewable.Viewable:
    """The tab."""
    names = session.quantities
    labels = {session.shots.column(name).label: name for name in names}
    chosen = pmui.MultiChoice(label="quantities", options=labels, value=[n for n in FIRST if n in names][:3], width=700)
    box = pn.FlexBox(sizing_mode="stretch_width")
    shown: list[_Histogram] = []

    def fill(_: Any = None) -> None:
        shown[:] = [_Histogram(session, name) for name in chosen.value if name in session.quantities]
        box.objects = [one.pane for one in shown]

    def again(_: Any = None) -> None:
        for one in shown:
            one.show()

    chosen.param.watch(fill, "value")
    session.param.watch(fill, "embedding")
    session.param.watch(again, ["selected", "hidden"])
    fill()
    told = "Drag over bars to select the shots in that range; grey: all that are visible, blue: the selected."
    return pn.Column(chosen, pn.pane.HTML(told, css_classes=["caption"]), box, sizing_mode="stretch_width")


class _Histogram:
    """All visible shots and the selected ones by one quantity."""

    def __init__(self, session: Session, name: str) -> None:
        self._session, column = session, session.shots.column(name)
        self._values = column.values.astype(np.float64)
        there = self._values[np.isfinite(self._values)]
        low, high = (there.min(), there.max()) if len(there) else (0.0, 1.0)
        whole = column.values.dtype.kind in "biu" and high - low < BINS
        edges = np.arange(low - 0.5, high + 1) if whole else np.linspace(low, high if high > low else low + 1, BINS + 1)
        self._edges, self._n = edges, column.values.dtype.kind
        self._source = ColumnDataSource({"left": edges[:-1], "right": edges[1:]})
        label = column.label if column.units == "1" else f"{column.label} ({column.units})"
        fig = figure(
            width=420, height=240, x_axis_label=label, y_axis_label="shots", toolbar_location=None, tools="",
            min_border_right=20,
        )  # fmt: skip
        fig.quad("left", "right", "all", 0, source=self._source, color=GREY, alpha=0.5, line_color=None)
        fig.quad("left", "right", "chosen", 0, source=self._source, color=BLUE, line_color=None)
        tool = BoxSelectTool(dimensions="width")
        fig.add_tools(tool)
        fig.toolbar.active_drag = tool
        fig.on_event(SelectionGeometry, self._marked)
        self.show()
        self.pane = pn.pane.Bokeh(fig)

    def show(self) -> None:
        """Count anew."""
        session = self._session
        everything = self._count(session.visible)
        chosen = self._count(session.visible & session.selected)
        self._source.data = {**self._source.data, "all": everything, "chosen": chosen}

    def _count(self, mask: np.ndarray[Any, np.dtype[np.bool_]]) -> np.ndarray[Any, Any]:
        values = self._values[mask]
        return np.histogram(values[np.isfinite(values)], self._edges)[0]

    def _marked(self, event: SelectionGeometry) -> None:
        if event.final and event.geometry["type"] == "rect":
            low, high = event.geometry["x0"], event.geometry["x1"]
            self._session.choose((self._values >= low) & (self._values <= high))
