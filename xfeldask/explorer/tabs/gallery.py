"""The patterns of the selection, a page at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
import panel as pn
import panel_material_ui as pmui

from xfeldask.explorer.mosaic import Mosaic
from xfeldask.explorer.pictures import Pictures
from xfeldask.explorer.session import Session

COLUMNS, ROWS = 10, 3
WIDTH = 1100


def gallery(session: Session, pictures: Pictures) -> pn.viewable.Viewable:
    """The tab."""
    shots = np.zeros(0, np.int64)
    page = pmui.IntSlider(label="page", start=1, end=2, value=1, width=300)
    told = pn.pane.HTML("", css_classes=["caption"], align="center")

    def pin(place: int) -> None:
        session.shot = int(shots[(page.value - 1) * COLUMNS * ROWS + place])

    mosaic = Mosaic(COLUMNS, pin)

    def show(_: Any = None) -> None:
        at = shots[(page.value - 1) * COLUMNS * ROWS :][: COLUMNS * ROWS]
        mosaic.show([np.sqrt(pictures.binned(int(i)).values) for i in at], [f"{i:,}" for i in at], WIDTH)

    def take(_: Any = None) -> None:
        nonlocal shots
        chosen = session.selected & session.visible
        shots = np.flatnonzero(chosen if chosen.any() else session.visible)
        what = "selected shots" if chosen.any() else "shots; nothing is selected"
        pages = max(1, -(-len(shots) // (COLUMNS * ROWS)))
        told.object = f"{len(shots):,} {what}, {pages:,} pages; square root of photons, each in its own contrast"
        page.param.update(end=max(2, pages), disabled=pages == 1)
        page.value = 1
        show()

    page.param.watch(show, "value")
    session.param.watch(take, ["selected", "hidden", "embedding"])
    take()
    return pn.Column(pn.Row(page, told), mosaic.pane, sizing_mode="stretch_width")
