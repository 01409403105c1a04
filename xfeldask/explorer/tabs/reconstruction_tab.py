"""Reconstructed particles: three planes through the middle, and how the iterations went."""

from __future__ import annotations

from typing import Any

import numpy as np
import panel as pn
import xarray as xr

from xfeldask.explorer.model.pictures import Pictures
from xfeldask.explorer.model.session import Session
from xfeldask.explorer.tabs.kinds_tab import middle, scaled
from xfeldask.explorer.tabs.watch import Watch
from xfeldask.explorer.tabs.widgets import MIDDLE, SMALL, heading, plot, table
from xfeldask.explorer.view.cards import Card
from xfeldask.explorer.view.fields import choice
from xfeldask.scores.classes import BLUE
from xfeldask.units import shown

PLANES = {"along z": 2, "along y": 1, "along x": 0}
NAMES = ("x", "y", "z")
HEIGHT = 320


def reconstruction(session: Session, _: Pictures, watch: Watch) -> pn.viewable.Viewable:
    """Make the tab of reconstructions."""
    del watch
    made = session.shots.run.reconstructions
    box = pn.Column(sizing_mode="stretch_width")
    which = choice(label="reconstruction", options=list(made), width=260)

    def show(*_: Any) -> None:
        one = made[which.value]
        box.objects = [pn.pane.HTML(table(one.facts().items()), styles=SMALL, margin=(0, 10)), *parts(one.dataset())]

    which.param.watch(show, "value")
    show()
    return pn.Column(which, box, sizing_mode="stretch_width")


def parts(found: xr.Dataset) -> list[pn.viewable.Viewable]:
    """Make planes of the intensity, of the density where it was phased, and curves of the iterations."""
    out = [heading("intensity"), planes(found["intensity"].values, found["s"].values, "m-1", "photons in a bin", "q")]
    if "density" in found:
        density, at = found["density"].values, found["position"].values
        out += [heading("electron density"), planes(density, at, "m", "arbitrary scale", "")]
    return [*out, heading("iterations"), curves(found)]


def planes(
    values: np.ndarray[Any, Any], at: np.ndarray[Any, Any], unit: str, quantity: str, letter: str
) -> pn.viewable.Viewable:
    """Make three planes through the middle of a grid, intensities on a logarithmic scale."""
    reciprocal, cards = unit == "m-1", []
    for title, axis in PLANES.items():
        names = [f"{letter} {name}".strip() for i, name in enumerate(NAMES) if i != axis]
        labels = (shown(unit).label(names[0]), shown(unit).label(names[1]))
        card = Card(title, quantity, labels, reciprocal, "log" if reciprocal else "linear")
        card.figure.toolbar.active_scroll = None
        card.show(middle(values, at, axis, unit))
        if reciprocal:
            scaled(card)
        cards.append(card)
    return pn.Row(*(card.view() for card in cards), height=HEIGHT, sizing_mode="stretch_width")


def curves(found: xr.Dataset) -> pn.viewable.Viewable:
    """Make curves of what the iterations did, with where another level began; and of the phases where there are."""
    step = np.arange(found.sizes["step"])
    drawn = [("mean_information", "information (bit a shot)", "linear"), ("change", "change of the intensity", "log")]
    out = []
    for name, label, scale in drawn:
        fig = plot("iteration", label, height=260, sizing_mode="stretch_width", y_axis_type=scale)
        values = found[name].values.astype(float)
        fig.line(step, np.where(values > 0, values, np.nan) if scale == "log" else values, color=BLUE, line_width=2)
        for start in np.flatnonzero(np.diff(found["level"].values)) + 0.5:
            fig.vspan(x=[start], line_color=MIDDLE, line_dash="dotted")
        out.append(pn.pane.Bokeh(fig, sizing_mode="stretch_width"))
    if "phase_transfer" in found:
        fig = plot("shell", "phase retrieval transfer", height=260, sizing_mode="stretch_width")
        fig.line(np.arange(found.sizes["shell"]), found["phase_transfer"].values, color=BLUE, line_width=2)
        fig.hspan(y=[0.5], line_color=MIDDLE, line_dash="dotted")
        out.append(pn.pane.Bokeh(fig, sizing_mode="stretch_width"))
    return pn.Row(*out, sizing_mode="stretch_width")
