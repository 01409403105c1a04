"""What the latent space is made of: how much each component tells, what it looks like, and how the fit settled."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import panel as pn
import xarray as xr
from bokeh.models import HoverTool, Range1d

from xfeldask.explorer.model.pictures import Pictures
from xfeldask.explorer.model.rebuild import Scree
from xfeldask.explorer.model.session import Session
from xfeldask.explorer.tabs.pairs_grid import PairsGrid
from xfeldask.explorer.tabs.watch import Watch
from xfeldask.explorer.view.mosaic import Mosaic
from xfeldask.explorer.view.widgets import MIDDLE, caption, heading, plot, sentence
from xfeldask.scores.classes import BLUE, ORANGE
from xfeldask.units import shown

FEW, COLUMNS = 5, 10
HISTORY = {"angle": "angle to the basis before", "eigenvalue_change": "change of an explained variance"}


def space(session: Session, _: Pictures, watch: Watch) -> pn.viewable.Viewable:
    """Make the tab of what the latent space is made of."""
    if session.embedding is None:
        return sentence("There is no embedding yet; make one with: xfeldask embed.")
    found = session.shots.run.embedding(session.embedding).dataset()
    parameters = json.loads(str(found.attrs.get("parameters", "{}")))
    method = parameters.get("method", "its method")
    first: list[pn.viewable.Viewable] = []
    if "explained_variance" in found:
        first += [_scree(found["explained_variance"].values)]
    history = _history(found)
    first += history
    parts: list[pn.viewable.Viewable] = [pn.Row(*first, sizing_mode="stretch_width")] if first else []
    if "n_fitted" in found:
        parts.append(caption(_converged(parameters)))
    if "explained_variance" not in found:
        parts.append(caption(f"{method} tells no variance along its components, so there is no scree."))
    parts += [PairsGrid(session, watch).pane] if len(session.shots.components) > 1 else []
    parts += _images(found, str(method))
    return pn.Column(*parts, sizing_mode="stretch_width")


def _scree(variance: np.ndarray[Any, Any]) -> pn.viewable.Viewable:
    scree = Scree.of(np.asarray(variance, np.float64))
    source = {"component": scree.component, "share": 100 * scree.share, "cumulative": 100 * scree.cumulative,
              "variance": scree.variance}  # fmt: skip
    tips = [("component", "@component"), ("variance", "@variance{%.4g}"), ("fraction", "@share{0.00} %"),
            ("so far", "@cumulative{0.00} %")]  # fmt: skip
    fig = plot(
        "component",
        "variance (% of the stored)",
        y_range=Range1d(0, 105),
        sizing_mode="stretch_width",
        title="scree",
    )
    bars = fig.vbar("component", top="share", width=0.8, source=source, color=BLUE, legend_label="each")
    fig.line("component", "cumulative", source=source, color=ORANGE, line_width=2, legend_label="so far")
    fig.scatter("component", "cumulative", source=source, color=ORANGE, size=6, legend_label="so far")
    fig.add_tools(HoverTool(tooltips=tips, renderers=[bars], formatters={"@variance": "printf"}))
    every = max(1, len(scree.component) // 10)
    fig.xaxis.ticker = scree.component[::every].tolist()
    fig.legend.update(location="center_right", label_text_font_size="11px", background_fill_alpha=0.6)
    told = (
        "Variance along each component, as a fraction of that along all that are stored; what lies outside is not "
        "known."
    )
    return pn.Column(
        pn.pane.Bokeh(fig, sizing_mode="stretch_width"), caption(told), sizing_mode="stretch_width", max_width=520
    )


def _history(found: xr.Dataset) -> list[pn.viewable.Viewable]:
    if "n_fitted" not in found:
        return []
    shots = found["n_fitted"].values
    out: list[pn.viewable.Viewable] = []
    for name, label in HISTORY.items():
        # of one checkpoint there is no change to be seen
        if name not in found or np.isfinite(found[name].values).sum() < 2:
            continue
        unit = shown(str(found[name].attrs.get("units", "1")), found[name].values)
        values, label = unit.of(found[name].values), unit.label(label)
        there = values[np.isfinite(values) & (values > 0)]
        scale = "log" if len(there) and there.max() > 20 * there.min() else "linear"
        tips = [("shots fitted", "@x{0,0}"), (label, "@y{%.4g}")]
        fig = plot(
            "shots fitted",
            label,
            y_axis_type=scale,
            sizing_mode="stretch_width",
            title=name.replace("_", " "),
        )
        source = {"x": shots, "y": values}
        fig.line("x", "y", source=source, color=MIDDLE, line_width=1.5)
        dots = fig.scatter("x", "y", source=source, color=BLUE, size=8)
        fig.add_tools(HoverTool(tooltips=tips, renderers=[dots], formatters={"@y": "printf"}))
        fig.xaxis.ticker.desired_num_ticks = 4
        if scale == "linear":
            fig.y_range.start = 0
        told = str(found[name].attrs.get("long_name", name)).capitalize() + ", at each checkpoint of the fit."
        out.append(
            pn.Column(
                pn.pane.Bokeh(fig, sizing_mode="stretch_width"),
                caption(told),
                sizing_mode="stretch_width",
                max_width=520,
            )
        )
    return out


def _converged(parameters: dict[str, Any]) -> str:
    last, at = parameters.get("n_fitted"), parameters.get("converged_at")
    told = f"Fitted to {last:,} shots. " if last else ""
    return told + (f"It had converged at {at:,} shots." if at else "It did not stop early for having converged.")


def _images(found: xr.Dataset, method: str) -> list[pn.viewable.Viewable]:
    if "components" not in found:
        return [caption(f"{method} has no components that could be shown as images, as it is not linear.")]
    components, name = found["components"].values, str(found["components"].attrs.get("long_name", "components"))
    title = heading("eigen-images")
    if components.ndim != 3:
        fig = plot("number of the feature", name, width=700)
        for component, colour in zip(components.reshape(len(components), -1), (BLUE, ORANGE, MIDDLE) * 7, strict=False):
            fig.line(np.arange(len(component)), component, color=colour)
        return [title, pn.pane.Bokeh(fig)]
    columns = FEW if len(components) <= FEW else COLUMNS
    mosaic = Mosaic(columns, -(-len(components) // columns), signed=True)
    mosaic.show(list(components), [f"component {i}" for i in range(len(components))])
    told = (
        f"All {len(components)} {name}, {components.shape[1]} x {components.shape[2]} each; orange adds, blue takes "
        "away, white is zero; each in its own contrast, and of either sign at will."
    )
    return [title, caption(told), mosaic.pane]
