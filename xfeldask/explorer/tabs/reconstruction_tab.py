"""Reconstructed particles: three planes through the middle, and how the iterations went."""

from __future__ import annotations

from typing import Any

import numpy as np
import panel as pn
import xarray as xr
from numpy.typing import NDArray

from xfeldask.errors import XfeldaskError
from xfeldask.explorer.model.pictures import Pictures
from xfeldask.explorer.model.session import Rebuilt, Session
from xfeldask.explorer.tabs.agreement import agreement
from xfeldask.explorer.tabs.kinds_tab import middle, scaled
from xfeldask.explorer.tabs.watch import Watch
from xfeldask.explorer.tabs.widgets import MIDDLE, SMALL, heading, plot, sentence, table
from xfeldask.explorer.view.cards import Card
from xfeldask.explorer.view.fields import choice
from xfeldask.scores.classes import BLUE
from xfeldask.store.reconstruction import Reconstruction
from xfeldask.store.run import Run
from xfeldask.units import shown

PLANES = {"along z": 2, "along y": 1, "along x": 0}
NAMES = ("x", "y", "z")
HEIGHT = 320
ROOM = 1.3
"""Half the width of a picture of the density, in distances from the middle to the particle's far end."""


def reconstruction(session: Session, _: Pictures, watch: Watch) -> pn.viewable.Viewable:
    """Make the tab of reconstructions."""
    box = pn.Column(sizing_mode="stretch_width")
    which = choice(label="reconstruction", options=list(session.rebuilt), width=260)
    shown: list[tuple[str, Rebuilt]] = []

    def show(*_: Any) -> None:
        if which.value not in session.rebuilt or shown == [(which.value, session.rebuilt[which.value])]:
            return
        shown[:] = [(which.value, session.rebuilt[which.value])]
        run = session.shots.run
        try:
            one = Reconstruction.chosen(run, which.value)
            facts = pn.pane.HTML(table(one.facts().items()), styles=SMALL, margin=(0, 10))
            box.objects = [facts, *parts(one.dataset(), truth_of(run))]
        except XfeldaskError as error:  # it was taken away while the page was open
            box.objects = [sentence(str(error))]

    def look(*_: Any) -> None:
        which.param.update(options=list(session.rebuilt), visible=bool(session.rebuilt))
        if which.value is None and session.rebuilt:
            which.value = next(iter(session.rebuilt))
        if not session.rebuilt:
            box.objects = [sentence(f"There is none yet: xfeldask reconstruct {session.shots.path} --follow makes one "
                                    "while shots are being written.")]  # fmt: skip
        show()

    which.param.watch(show, "value")
    watch(look, ["rebuilt"])
    look()
    return pn.Column(which, box, sizing_mode="stretch_width")


def truth_of(run: Run) -> NDArray[Any] | None:
    """Return the orientation of the first particle of each shot (shot, 4); None where the store does not tell."""
    return np.asarray(run.array("orientation")[:, 0]) if "orientation" in run else None


def parts(found: xr.Dataset, truth: NDArray[Any] | None = None) -> list[pn.viewable.Viewable]:
    """Make planes of the intensity, of the density where it was phased, what they agree with, and the iterations."""
    out = [heading("intensity"), planes(found["intensity"].values, found["s"].values, "m-1", "photons in a bin", "q")]
    if "density" in found:
        density, at = about_particle(found["density"].values, found["position"].values)
        out += [heading("electron density"), planes(density, at, "m", "arbitrary scale", "")]
    return [*out, heading("agreement"), agreement(found, truth), heading("iterations"), curves(found)]


def about_particle(
    density: NDArray[np.floating[Any]], at: NDArray[np.float64]
) -> tuple[NDArray[np.floating[Any]], NDArray[np.float64]]:
    """Cut a density to the cube about the middle that holds the particle, with some room; positions beside it.

    Examples
    --------
    >>> density = np.zeros((41, 41, 41))
    >>> density[20, 20, 17] = 1
    >>> cut, at = about_particle(density, np.arange(41) - 20.0)
    >>> cut.shape, float(at[0])
    ((7, 7, 7), -3.0)
    """
    far = np.abs(at[np.argwhere(density > 0.1 * density.max())]).max(initial=0)
    near = np.flatnonzero(np.abs(at) <= ROOM * far)
    if not near.size:
        return density, at
    return density[np.ix_(near, near, near)], at[near]


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
    """Make curves of what the iterations did, with where another level began."""
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
    return pn.Row(*out, sizing_mode="stretch_width")
