"""What a reconstruction agrees with, shell by shell, and from where each shot looked at the particle."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import panel as pn
import xarray as xr
from numpy.typing import NDArray

from xfeldask.explorer.tabs.widgets import MIDDLE, caption, plot
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


class Curve(NamedTuple):
    """One curve.

    Attributes
    ----------
    name : str, what it tells
    colour : str
    q : float64 (shell,) [1/nm]
    value : float64 (shell,)
    limit : float, at which resolution is read
    """

    name: str
    colour: str
    q: NDArray[np.float64]
    value: NDArray[np.float64]
    limit: float


def found_curves(found: xr.Dataset) -> list[Curve]:
    """Return the curves that a reconstruction has: of half sets and of phases.

    Examples
    --------
    >>> s, half = (np.arange(9) - 4) * 1e8, np.random.default_rng(0).random((9, 9, 9))
    >>> made = xr.Dataset({"s": ("u", s), "half_intensity": (("half_set", "u", "v", "w"), np.stack([half, half]))})
    >>> [(curve.name, curve.q.round(1).tolist(), curve.value.round(3).tolist()) for curve in found_curves(made)]
    [('intensities of half sets', [0.2, 0.3], [1.0, 1.0])]
    """
    from xfeldask.scores.quality import shell_correlation  # of a tab that few look at

    step = float(found["s"].values[-1] - found["s"].values[-2])
    out = []
    if "half_intensity" in found:
        first, second = found["half_intensity"].values
        shells = shell_correlation(first, second, step)
        out.append(Curve("intensities of half sets", BLUE, shells.s * S.factor, shells.correlation, 0.5))
    for name, word, colour, limit in (
        ("density_correlation", "densities of half sets", GREEN, 0.143),
        ("phase_transfer", "phases of all starts", PURPLE, 0.5),
    ):
        if name in found:
            value = found[name].values.astype(np.float64)
            q = np.arange(1.0, len(value) + 1) * step * S.factor
            out.append(Curve(word, colour, q, value, limit))
    return out


def agreement(found: xr.Dataset, truth: NDArray[Any] | None) -> pn.viewable.Viewable:
    """Make the figure of the curves, where there are any, and that of the directions of the beam.

    Parameters
    ----------
    found : Dataset, ``/reconstruction/<name>``
    truth : (shot, 4) or None, orientations of the particles where the store tells
    """
    drawn: list[pn.viewable.Viewable] = []
    curves = found_curves(found)
    if curves:
        fig = plot("q (1/nm)", "correlation", height=HEIGHT, sizing_mode="stretch_width", y_range=(-0.05, 1.05))
        for curve in curves:
            fig.line(curve.q, curve.value, color=curve.colour, line_width=2, legend_label=curve.name)
        for limit in sorted({curve.limit for curve in curves}):
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
