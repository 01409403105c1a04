"""Where the particles point: the selection on the sphere of orientations."""

from __future__ import annotations

import panel as pn

from xfeldask.explorer.pictures import Pictures
from xfeldask.explorer.plane import Plane
from xfeldask.explorer.session import Session


def orientation(session: Session, _: Pictures) -> pn.viewable.Viewable:
    """The tab."""
    if "azimuth" not in session.quantities:
        return pn.pane.Markdown("The store does not tell orientations.")
    plane = Plane(session, axes=("azimuth", "elevation"))
    told = (
        "Where the first particle's z axis points, in the colours of the latent plot; its rotation is the third "
        "angle to colour by. A lasso or a box here selects there."
    )
    return pn.Column(
        pn.pane.HTML(told, css_classes=["caption"]), plane.pane, height=460, sizing_mode="stretch_width", max_width=900
    )
