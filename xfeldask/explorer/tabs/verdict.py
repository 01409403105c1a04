"""The threshold by hand, with what it keeps, loses and lets in, and the shots that it decides on."""

from __future__ import annotations

from typing import Any

import numpy as np
import panel as pn
import panel_material_ui as pmui
from bokeh.models import ColumnDataSource, Range1d
from bokeh.plotting import figure

from xfeldask.explorer.mosaic import Mosaic
from xfeldask.explorer.palette import MEANINGS
from xfeldask.explorer.pictures import Pictures
from xfeldask.explorer.session import Session
from xfeldask.explorer.threshold import Counts, Threshold
from xfeldask.schema import SINGLE

NEAR = 12
STEPS = 500


def verdict(session: Session, pictures: Pictures) -> pn.viewable.Viewable:
    """The tab."""
    if "score" not in session.quantities:
        return pn.pane.Markdown("This embedding has no score to set a threshold on.")
    truth = session.shots.column("hit").values == SINGLE if "hit" in session.quantities else None
    threshold = Threshold(session.shots.column("score").values, truth)
    low, high = threshold.range
    start = session.shots.threshold
    slider = pmui.FloatSlider(
        label="threshold of the score", start=low, end=high, step=(high - low) / STEPS or 1.0,
        value=low if start is None else min(max(start, low), high), width=420,
    )  # fmt: skip
    table = pn.pane.HTML("", css_classes=["shot"])
    keep = pmui.Button(label="select what is kept", size="small", variant="outlined")
    roc = _Roc(threshold)
    near: list[int] = []
    mosaic = Mosaic(NEAR, lambda place: setattr(session, "shot", near[place]))

    def show(_: Any = None) -> None:
        counts = threshold.at(slider.value)
        table.object = _table(counts)
        roc.mark(counts)

    def settle(_: Any = None) -> None:
        near[:] = [int(i) for i in threshold.nearest(slider.value, NEAR)]
        score = session.shots.column("score").values
        images = [np.sqrt(pictures.binned(i).values) for i in near]
        mosaic.show(images, [f"{i:,}: {score[i]:.2f}" for i in near], 1100)

    slider.param.watch(show, "value")
    slider.param.watch(settle, "value_throttled")
    keep.on_click(lambda _: session.choose_where(f"score >= {slider.value:.12g}"))
    show()
    settle()
    left = pn.Column(slider, keep, table, width=480)
    top = pn.Row(left, roc.pane) if truth is not None else left
    return pn.Column(top, pn.pane.Markdown("Shots nearest to the threshold, by score"), mosaic.pane)


class _Roc:
    """The ROC with the threshold's place on it."""

    def __init__(self, threshold: Threshold) -> None:
        others, singles = threshold.curve()
        self._here = ColumnDataSource({"x": [], "y": []})
        fig = figure(
            width=380, height=330, x_range=Range1d(-0.02, 1.02), y_range=Range1d(-0.02, 1.02), toolbar_location=None,
            x_axis_label="others let in (part)", y_axis_label="singles kept (part)", tools="hover",
            tooltips=[("let in", "$x{0.0000}"), ("kept", "$y{0.0000}")],
        )  # fmt: skip
        fig.line([0, 1], [0, 1], line_dash="dotted", line_color="grey")
        fig.line(others, singles, line_width=2, line_color=MEANINGS["single"])
        fig.scatter("x", "y", source=self._here, size=11, color=MEANINGS["multiple"])
        self.pane = pn.pane.Bokeh(fig)

    def mark(self, counts: Counts) -> None:
        """Move the place."""
        if counts.let_in is None or counts.kept_out is None:
            return
        others = max(1, counts.let_in + counts.kept_out)
        self._here.data = {"x": [counts.let_in / others], "y": [1 - counts.loss]}


def _table(counts: Counts) -> str:
    if counts.singles_kept is None:
        return f"kept {counts.kept:,}, flagged {counts.flagged:,}; the store does not tell the truth"
    rows = (
        ("", "kept", "flagged"),
        ("singles", f"{counts.singles_kept:,}", f"{counts.singles_lost:,}"),
        ("others", f"{counts.let_in:,}", f"{counts.kept_out:,}"),
    )
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table>{body}</table>purity {counts.purity:.4%}, singles lost {counts.loss:.4%}"
