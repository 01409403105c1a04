"""Histograms of any quantities; a range marked in one selects in all."""

from __future__ import annotations

import html
from typing import Any

import numpy as np
import panel as pn
import panel_material_ui as pmui
from bokeh.events import SelectionGeometry
from bokeh.models import BoxSelectTool, ColumnDataSource, HoverTool
from numpy.typing import NDArray

from xfeldask.explorer.model.listing import listed
from xfeldask.explorer.model.masks import Mask
from xfeldask.explorer.model.pictures import Pictures
from xfeldask.explorer.model.session import Session
from xfeldask.explorer.tabs.watch import Watch
from xfeldask.explorer.view.widgets import caption, named, plot
from xfeldask.scores.classes import BLUE, GREY
from xfeldask.store.choosing.columns import Column

BINS = 80
FIRST = ("score", "photon_count", "c0", "shot")
AT_FIRST = 3
LEAST = 0.5
"""Where a logarithmic axis of counts begins."""


def histograms(session: Session, _: Pictures, watch: Watch) -> pn.viewable.Viewable:
    """Make the tab of histograms."""
    chosen = pmui.MultiChoice(label="quantities", width=620)
    logarithmic = pmui.Switch(label="logarithmic counts", value=False, align="center")
    # a row that stretches asks for the width of all of them, and a FlexBox gives figures that come later no size
    box = pn.Row(styles={"flex-wrap": "wrap", "width": "100%"})
    told = caption()
    shown: list[Histogram] = []

    def fill(*_: Any) -> None:
        shown[:] = [Histogram(session, name, logarithmic.value) for name in chosen.value if name in session.quantities]
        box.objects = [one.pane for one in shown]
        tell()

    def tell() -> None:
        n = int((session.selected & session.visible).sum())
        told.object = (
            "Drag over bars to select what lies in that range; what a drag does (replace, add, ...) is set beside the "
            f"latent plot. Grey: the {int(session.visible.sum()):,} visible shots; blue: the {n:,} selected of them."
        )

    def again(*_: Any) -> None:
        for one in shown:
            one.show()
        tell()

    def offer(*_: Any) -> None:
        names = session.quantities
        kept = [name for name in chosen.value if name in names]
        kept = kept or [name for name in FIRST if name in names][:AT_FIRST]
        options = {text: name for group in listed(session, keep=kept).values() for text, name in group.items()}
        chosen.param.update(options=options, value=kept)
        fill()

    chosen.param.watch(fill, "value")
    logarithmic.param.watch(fill, "value")
    watch(offer, ["embedding", "saved"])
    watch(again, ["selected", "hidden", "colour"])
    offer()
    return pn.Column(pn.Row(chosen, logarithmic), told, box, sizing_mode="stretch_width")


class Bins:
    """Bins of all shots by one quantity: whole numbers have one each where they are few, else bins are equally wide.

    Parameters
    ----------
    column : Column

    Examples
    --------
    >>> bins = Bins(Column("n", "", "1", np.array([0, 1, 1, 3])))
    >>> bins.edges.tolist(), bins.count(np.array([True, True, True, False])).tolist()
    ([-0.5, 0.5, 1.5, 2.5, 3.5], [1, 2, 0, 0])
    """

    def __init__(self, column: Column) -> None:
        values = np.asarray(column.values, np.float64)
        finite = np.isfinite(values)
        low, high = (values[finite].min(), values[finite].max()) if finite.any() else (0.0, 1.0)
        half = max(0.5, np.spacing(abs(low)), np.spacing(abs(high)))
        if column.values.dtype.kind in "biu" and high - low < BINS and half == 0.5:
            self.edges: NDArray[np.float64] = np.arange(low - 0.5, high + 1)
        else:
            ends = (low, high) if low < high else (low - half, high + half)
            # where numbers are so large that there are fewer of them than bins, some bins are none
            self.edges = np.unique(np.linspace(*ends, BINS + 1))
        n = len(self.edges) - 1
        at = np.searchsorted(self.edges, values, "right") - 1
        # the last bin holds its upper edge; one more bin is for what is no number
        self._bin = np.where(finite, np.minimum(at, n - 1), n).astype(np.int16)
        self.n_without = int((~finite).sum())

    def count(self, mask: Mask) -> NDArray[np.int64]:
        """Count the shots in each bin."""
        return np.bincount(self._bin[mask], minlength=len(self.edges))[: len(self.edges) - 1].astype(np.int64)


class Histogram:
    """All visible shots and the selected ones by one quantity.

    Parameters
    ----------
    session : Session
    name : str, of a quantity
    logarithmic : bool, counts
    """

    def __init__(self, session: Session, name: str, logarithmic: bool) -> None:
        self._session, column = session, session.shots.shown(name)
        self._values = column.values
        self.bins = Bins(column)
        self._least = LEAST if logarithmic else 0
        edges = self.bins.edges
        self.source = ColumnDataSource({"left": edges[:-1], "right": edges[1:]})
        tool = BoxSelectTool(dimensions="width")
        tips = [("from", "@left{%.4g}"), ("to", "@right{%.4g}"), ("visible", "@all"), ("selected", "@chosen")]
        scale = "log" if logarithmic else "linear"
        fig = plot(named(column), "shots", [tool], width=310, height=240, y_axis_type=scale)
        fig.quad("left", "right", "all_top", self._least, source=self.source, color=GREY, alpha=0.55, line_color=None)
        bars = fig.quad("left", "right", "chosen_top", self._least, source=self.source, color=BLUE, line_color=None)
        for renderer in fig.renderers:
            # what is selected is told by the counts, not by Bokeh
            renderer.nonselection_glyph = renderer.selection_glyph = None
        formatters = {"@left": "printf", "@right": "printf"}
        fig.add_tools(HoverTool(tooltips=tips, renderers=[bars], mode="vline", formatters=formatters))
        fig.toolbar.active_drag = tool
        fig.y_range.start = self._least
        fig.xaxis.ticker.desired_num_ticks = 4
        classes = dict(session.classes(name))
        if classes:
            fig.xaxis.ticker = list(classes)
            fig.xaxis.major_label_overrides = classes
        fig.on_event(SelectionGeometry, self._marked)
        self.show()
        without = f"{self.bins.n_without:,} shots have none" if self.bins.n_without else ""
        self.pane = pn.Column(pn.pane.Bokeh(fig), caption(html.escape(without), margin=(0, 10)), width=320)

    def show(self) -> None:
        """Count anew."""
        session = self._session
        everything = self.bins.count(session.visible)
        chosen = self.bins.count(session.visible & session.selected)
        tops = {"all_top": np.maximum(everything, self._least), "chosen_top": np.maximum(chosen, self._least)}
        self.source.data = {**self.source.data, "all": everything, "chosen": chosen, **tops}

    def mark(self, low: float, high: float) -> None:
        """Select what lies between two values, ends included."""
        self._session.choose((self._values >= low) & (self._values <= high))

    def _marked(self, event: SelectionGeometry) -> None:
        if event.final and event.geometry["type"] == "rect":
            self.mark(event.geometry["x0"], event.geometry["x1"])
