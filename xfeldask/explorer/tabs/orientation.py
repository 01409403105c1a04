"""Where the particles point: the selection on the sphere of orientations."""

from __future__ import annotations

import holoviews as hv
import panel as pn
import panel_material_ui as pmui

from xfeldask.explorer.pictures import Pictures
from xfeldask.explorer.plane import Plane
from xfeldask.explorer.session import Session
from xfeldask.explorer.tabs.parts import caption, sentence
from xfeldask.explorer.tabs.watch import Watch

TOLD = (
    "Where the z axis of each shot's first particle points; a lasso or a box selects here as in the latent plot. "
    "Equal areas of the sphere are equal steps of sin(elevation): towards the poles shots look sparser than they are."
)


def orientation(session: Session, _: Pictures, watch: Watch) -> pn.viewable.Viewable:
    """The tab."""
    if "azimuth" not in session.quantities:
        return sentence("The store does not tell orientations: it holds no truth of where particles pointed.")
    plane = Plane(session, axes=("azimuth", "elevation"), watch=watch)
    plane.dynamic.opts(hv.opts.RGB(active_tools=["lasso_select"]))  # the wheel scrolls the page
    colours = {"as the latent plot": "", "by rotation": "rotation"}
    by = pmui.RadioButtonGroup(options=colours, value="", width=330, size="small", margin=(4, 10))
    by.param.watch(lambda event: plane.recolour(event.new or None), "value")
    return pn.Column(by, caption(TOLD), plane.pane, height=560, sizing_mode="stretch_width")
