"""Reconstructed particles: three planes through the middle, and how the iterations went."""

from __future__ import annotations

from typing import Any

import numpy as np
import panel as pn
import xarray as xr
from numpy.typing import NDArray

from xfeldask.errors import XfeldaskError, command
from xfeldask.explorer.model.pictures import Pictures
from xfeldask.explorer.model.session import Session
from xfeldask.explorer.tabs.agreement import agreement
from xfeldask.explorer.tabs.kinds_tab import middle, scaled
from xfeldask.explorer.tabs.watch import Watch
from xfeldask.explorer.view.cards import Card
from xfeldask.explorer.view.fields import choice
from xfeldask.explorer.view.widgets import MIDDLE, SMALL, heading, plot, sentence, table
from xfeldask.scores.classes import BLUE
from xfeldask.store.results.reconstruction import Reconstruction
from xfeldask.store.run import Run
from xfeldask.units import shown

PLANES = {"along z": 2, "along y": 1, "along x": 0}
NAMES = ("x", "y", "z")
HEIGHT = 320
LOW = 700
"""Height that is kept for what stands below the intensity, so that the page stays where it is when that is new."""
ROOM = 1.3
"""Half the width of a picture of the density, in distances from the middle to the particle's far end."""


def reconstruction(session: Session, _: Pictures, watch: Watch) -> pn.viewable.Viewable:
    """Make the tab of reconstructions."""
    return Reconstructions(session, watch).view


class Reconstructions:
    """The reconstruction that is chosen, shown anew in its place when it is written anew.

    Parameters
    ----------
    session : Session
    watch : Watch
    """

    def __init__(self, session: Session, watch: Watch) -> None:
        self._session = session
        self._seen: tuple[str, object] | None = None
        self._facts = pn.pane.HTML("", styles=SMALL, margin=(0, 10))
        self._intensity = Planes("m-1", "photons in a bin", "q")
        self._more = pn.Column(sizing_mode="stretch_width", min_height=LOW)
        self._which = choice(label="reconstruction", options=list(session.rebuilt), width=260)
        self._box = pn.Column(sizing_mode="stretch_width")
        self._which.param.watch(self._show, "value")
        watch(self._look, ["rebuilt"])
        self._look()
        self.view = pn.Column(self._which, self._box, sizing_mode="stretch_width")

    def _look(self, *_: Any) -> None:
        """Look what there is."""
        there = self._session.rebuilt
        self._which.param.update(options=list(there), visible=bool(there))
        if there:
            self._which.value = self._which.value if self._which.value in there else next(iter(there))
            self._show()
        else:
            self._seen = None
            how = command("xfeldask", "reconstruct", self._session.shots.path, "--follow")
            self._box.objects = [sentence(f"There is none yet: {how} makes one while shots are being written.")]

    def _show(self, *_: Any) -> None:
        name, run = self._which.value, self._session.shots.run
        if name not in self._session.rebuilt or self._seen == (name, self._session.rebuilt[name]):
            return
        self._seen = name, self._session.rebuilt[name]
        try:
            found, self._facts.object = read(run, name)
        except XfeldaskError as error:  # it was taken away while the page was open
            self._box.objects = [sentence(str(error))]
            return
        self._intensity.show(found["intensity"].values, found["s"].values)
        self._more.objects = parts(found, truth_of(run))
        if self._facts not in self._box.objects:
            self._box.objects = [self._facts, heading("intensity"), self._intensity.view, self._more]


def read(run: Run, name: str) -> tuple[xr.Dataset, str]:
    """Read a reconstruction and its facts, as HTML; a second time if it was written anew meanwhile."""

    def once() -> tuple[xr.Dataset, str]:
        one = Reconstruction.chosen(run, name)
        return one.dataset().load(), table(one.facts().items())

    try:
        return once()
    except XfeldaskError:
        raise
    except Exception:  # a decoder may raise anything on the half of one file and of another
        return once()


def truth_of(run: Run) -> NDArray[Any] | None:
    """Return the orientation of the first particle of each shot (shot, 4); None where the store does not tell."""
    return np.asarray(run.array("orientation")[:, 0]) if "orientation" in run else None


def parts(found: xr.Dataset, truth: NDArray[Any] | None = None) -> list[pn.viewable.Viewable]:
    """Make planes of the density where it was phased, what it and the intensity agree with, and the iterations."""
    out = []
    if "density" in found:
        planes = Planes("m", "arbitrary scale", "")
        planes.show(*about_particle(found["density"].values, found["position"].values))
        out = [heading("electron density"), planes.view]
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


class Planes:
    """Three planes through the middle of a grid, intensities on a logarithmic scale.

    Parameters
    ----------
    unit : str, of the places of its points
    quantity : str
    letter : str, of the places
    """

    def __init__(self, unit: str, quantity: str, letter: str) -> None:
        self._unit, self._cards = unit, []
        reciprocal = unit == "m-1"
        for title, axis in PLANES.items():
            names = [f"{letter} {name}".strip() for i, name in enumerate(NAMES) if i != axis]
            labels = (shown(unit).label(names[0]), shown(unit).label(names[1]))
            card = Card(title, quantity, labels, reciprocal, "log" if reciprocal else "linear")
            card.figure.toolbar.active_scroll = None
            self._cards.append(card)
        self.view = pn.Row(*(card.view() for card in self._cards), height=HEIGHT, sizing_mode="stretch_width")

    def show(self, values: NDArray[Any], at: NDArray[np.float64]) -> None:
        """Show a grid (u, v, w) whose points are at these places along each axis (u,)."""
        for card, axis in zip(self._cards, PLANES.values(), strict=True):
            card.show(middle(values, at, axis, self._unit))
            if self._unit == "m-1":
                scaled(card)


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
