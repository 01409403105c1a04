"""What a reconstruction agrees with, shell by shell, and from where each shot looked at the particle."""

from __future__ import annotations

from typing import Any

import numpy as np
import panel as pn
import xarray as xr
from numpy.typing import NDArray

from xfeldask.explorer.view.widgets import MIDDLE, caption, plot
from xfeldask.physics.orientations import beam_directions
from xfeldask.scores.classes import BLUE, GREEN, ORANGE, PURPLE
from xfeldask.units import shown

HEIGHT = 300
SIDE = 250
"""Of a map of directions [pixels]."""
EDGES = (-1.05, 1.05)
MOST = 5000
"""Directions that are drawn; more would lie on one another."""
S = shown("m-1")
COLOURS = {"half_intensity": BLUE, "density_correlation": GREEN, "phase_transfer": PURPLE}
"""Of the curves, by the variable they are of."""


def agreement(found: xr.Dataset, truth: NDArray[Any] | None) -> pn.viewable.Viewable:
    """Make the figure of the curves, where there are any, and that of the directions of the beam.

    Parameters
    ----------
    found : Dataset, ``/reconstruction/<name>``
    truth : (shot, 4) or None, orientations of the particles where the store tells
    """
    from xfeldask.scores.quality import agreements  # of a tab that few look at

    drawn: list[pn.viewable.Viewable] = []
    curves = agreements(found)
    if curves:
        fig = plot("q (1/nm)", "correlation", height=HEIGHT, sizing_mode="stretch_width", y_range=(-0.05, 1.05))
        for variable, curve in curves.items():
            q, colour = S.of(curve.shells.s), COLOURS[variable]
            fig.line(q, curve.shells.correlation, color=colour, line_width=2, legend_label=curve.name)
        for limit in sorted({curve.limit for curve in curves.values()}):
            fig.hspan(y=[limit], line_color=MIDDLE, line_dash="dotted")
        fig.legend.update(location="bottom_left", background_fill_alpha=0.6, label_text_font_size="11px")
        drawn.append(pn.pane.Bokeh(fig, sizing_mode="stretch_width"))
    if "orientation" in found:
        drawn.append(_sphere("recovered", found["orientation"].values, BLUE))
        if truth is not None:
            drawn.append(_sphere("true", truth[found["used"].values] if "used" in found else truth, ORANGE))
    told = caption(
        "Resolution is read where a curve falls below its dotted line, 0.5, or 0.143 for densities of half sets. "
        "Directions from which the beam comes to the particle, by equal areas of half a sphere: by Friedel's law both "
        "ends of one are the same. Recovered ones may be turned against the true ones as a whole."
    )
    return pn.Column(pn.Row(*drawn, sizing_mode="stretch_width"), told, sizing_mode="stretch_width")


def _sphere(name: str, orientation: NDArray[Any], colour: str) -> pn.viewable.Viewable:
    """Draw directions of the beam in the particle's frame."""
    known = orientation[np.isfinite(orientation).all(axis=-1)]
    at = beam_directions(known[:: max(1, len(known) // MOST)])
    fig = plot("", "", width=SIDE, height=SIDE, x_range=EDGES, y_range=EDGES, min_border=0, min_border_right=0)
    fig.axis.visible = fig.grid.visible = False
    fig.outline_line_color = None
    fig.circle(0, 0, radius=1, fill_alpha=0, line_color=MIDDLE)
    fig.scatter(at[:, 0], at[:, 1], size=3, color=colour, alpha=0.5)
    return pn.Column(caption(f"directions of the beam, {name}", sizing_mode="fixed", width=SIDE), pn.pane.Bokeh(fig))
