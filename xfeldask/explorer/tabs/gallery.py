"""The patterns of the selection, a page at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
import panel as pn
import panel_material_ui as pmui

from xfeldask.explorer.model.pictures import Pictures
from xfeldask.explorer.model.session import Session
from xfeldask.explorer.tabs.watch import Watch
from xfeldask.explorer.tabs.widgets import caption
from xfeldask.explorer.view.cards import LEAST
from xfeldask.explorer.view.mosaic import Mosaic
from xfeldask.explorer.view.plane import locked

COLUMNS, ROWS = 10, 3
PAGE = COLUMNS * ROWS


def gallery(session: Session, pictures: Pictures, watch: Watch) -> pn.viewable.Viewable:
    """Make the tab of the patterns of the selection."""
    shots = np.zeros(0, np.int64)
    page = pmui.Pagination(count=1, value=0, size="small", show_first_button=True, show_last_button=True)
    told, scale = caption(), caption()

    def here() -> list[int]:
        return [int(i) for i in shots[page.value * PAGE :][:PAGE]]

    mosaic = Mosaic(COLUMNS, ROWS, lambda place: session.param.update(shot=here()[place]))

    def mark(*_: Any) -> None:
        mosaic.mark(here().index(session.shot) if session.shot in here() else None)

    def show(*_: Any) -> None:
        at = here()
        top = mosaic.show([pictures.seen(i, session.zoom).values for i in at], [f"{i:,}" for i in at])
        scale.object = f"Logarithmic scale from {LEAST:g} to {top:,.0f} photons in a bin; grey: nothing was measured."
        mark()

    def take(*_: Any) -> None:
        nonlocal shots
        chosen = session.selected & session.visible
        shots = np.flatnonzero(chosen if chosen.any() else session.visible)
        pages = max(1, -(-len(shots) // PAGE))
        told.object = f"<b>{len(shots):,}</b> {_what(session)} on {pages:,} pages; tap one to pin it."
        if page.value:
            page.param.update(count=max(pages, page.value + 1))
            page.value = 0
            page.count = pages
        else:
            page.count = pages
            show()

    page.param.watch(lambda _: locked(show), "value")
    watch(take, ["selected", "hidden", "colour"])
    watch(mark, ["shot"])
    watch(show, ["zoom"])
    take()
    return pn.Column(pn.Row(page, told), mosaic.pane, scale, sizing_mode="stretch_width")


def _what(session: Session) -> str:
    if not session.selected.any():
        return "shots, as nothing is selected,"
    hidden = int((session.selected & ~session.visible).sum())
    if hidden == session.selected.sum():
        return "shots, as all that are selected are hidden,"
    return f"selected shots ({hidden:,} more are hidden)" if hidden else "selected shots"
