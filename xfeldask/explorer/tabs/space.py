"""What the latent space is made of: how much each component tells, and what it looks like."""

from __future__ import annotations

from typing import Any

import panel as pn
from bokeh.models import ColumnDataSource
from bokeh.palettes import interp_palette
from bokeh.plotting import figure

from xfeldask.errors import XfeldaskError
from xfeldask.explorer.mosaic import SIGNED, Mosaic
from xfeldask.explorer.palette import BLUE, ORANGE
from xfeldask.explorer.pictures import Pictures
from xfeldask.explorer.rebuild import LinearSpace
from xfeldask.explorer.session import Session

MOST, COLUMNS = 20, 5


def space(session: Session, _: Pictures) -> pn.viewable.Viewable:
    """The tab."""
    box = pn.Column(sizing_mode="stretch_width")

    def show(_: Any = None) -> None:
        if session.embedding is None:
            box.objects = [pn.pane.Markdown("There is no embedding yet.")]
            return
        try:
            linear = LinearSpace.open(session.shots.path, session.embedding)
        except XfeldaskError as error:
            box.objects = [pn.pane.Markdown(str(error))]
            return
        box.objects = [pn.Row(_scree(linear), _images(linear), sizing_mode="stretch_width")]

    session.param.watch(show, ["embedding"])
    show()
    return box


def _scree(linear: LinearSpace) -> pn.viewable.Viewable:
    if linear.variance is None:
        return pn.pane.Markdown("This estimator tells no variances.")
    scree = linear.scree()
    source = ColumnDataSource(
        {"component": scree.component, "share": 100 * scree.share, "cumulative": 100 * scree.cumulative}
    )
    fig = figure(
        width=420, height=330, x_axis_label="component", y_axis_label="variance (% of the stored components')",
        toolbar_location=None, tools="hover", tooltips=[("component", "@component"), ("%", "@share{0.00}")],
        y_range=(0, 104),
    )  # fmt: skip
    fig.vbar("component", top="share", width=0.8, source=source, color=BLUE, legend_label="each")
    fig.line("component", "cumulative", source=source, color=ORANGE, line_width=2, legend_label="so far")
    fig.scatter("component", "cumulative", source=source, color=ORANGE, size=6)
    fig.legend.location = "center_right"
    fig.xaxis.ticker = scree.component.tolist()
    return pn.pane.Bokeh(fig)


def _images(linear: LinearSpace) -> pn.viewable.Viewable:
    mosaic = Mosaic(COLUMNS, palette=interp_palette(SIGNED, 255), symmetric=True)
    images = [component.T for component in linear.components[:MOST]]
    mosaic.show(images, [f"component {i}" for i in range(len(images))], 640)
    told = f"eigen-images of {linear.feature}; blue below the mean, orange above; each in its own contrast"
    return pn.Column(pn.pane.HTML(told, css_classes=["caption"]), mosaic.pane, width=660)
