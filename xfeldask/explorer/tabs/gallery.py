"""The patterns of the selection, a page at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
import panel as pn
import panel_material_ui as pmui
from numpy.typing import NDArray

from xfeldask.explorer.model.labels import doubt
from xfeldask.explorer.model.pictures import Pictures
from xfeldask.explorer.model.session import Session
from xfeldask.explorer.tabs.watch import Watch
from xfeldask.explorer.tabs.widgets import caption
from xfeldask.explorer.view.cards import LEAST
from xfeldask.explorer.view.fields import choice
from xfeldask.explorer.view.mosaic import Mosaic
from xfeldask.explorer.view.plane import locked

COLUMNS, ROWS = 10, 3
DOUBT = "how sure the rule is"
"""What shots are sorted by besides quantities: how far they are from where the rule would change its mind."""
PAGE = COLUMNS * ROWS


def gallery(session: Session, pictures: Pictures, watch: Watch) -> pn.viewable.Viewable:
    """Make the tab of the patterns of the selection."""
    shots = np.zeros(0, np.int64)
    page = pmui.Pagination(count=1, value=0, size="small", show_first_button=True, show_last_button=True)
    told, scale = caption(), caption()
    by = choice(label="sorted by", width=230, margin=(0, 10))
    falling = pmui.Switch(label="highest first", value=False, align="center")

    def here() -> list[int]:
        return [int(i) for i in shots[page.value * PAGE :][:PAGE]]

    mosaic = Mosaic(COLUMNS, ROWS, lambda place: session.param.update(shot=here()[place]), lines=2)

    def mark(*_: Any) -> None:
        mosaic.mark(here().index(session.shot) if session.shot in here() else None)

    def show(*_: Any) -> None:
        at = here()
        top = mosaic.show(*pictures.tiles(at, session.zoom, [label(session, i, by.value) for i in at]))
        scale.object = f"Logarithmic scale from {LEAST:g} to {top:,.0f} photons in a bin; grey: nothing was measured."
        mark()

    def take(*_: Any) -> None:
        nonlocal shots
        if by.value not in (DOUBT, *session.quantities):
            by.value = "shot"
        chosen = session.selected & session.visible
        shots = ordered(session, np.flatnonzero(chosen if chosen.any() else session.visible), by.value, falling.value)
        pages = max(1, -(-len(shots) // PAGE))
        told.object = f"<b>{len(shots):,}</b> {_what(session)} on {pages:,} pages{under(session)}; tap one to pin it."
        if page.value:
            page.param.update(count=max(pages, page.value + 1))
            page.value = 0
            page.count = pages
        else:
            page.count = pages
            show()

    def offer(*_: Any) -> None:
        columns = {session.shots.column(name).label: name for name in session.quantities}
        kept = by.value if by.value in (DOUBT, *columns.values()) else "shot"
        by.param.update(options={"shot": "shot", DOUBT: DOUBT} | columns, value=kept)

    offer()
    page.param.watch(lambda _: locked(show), "value")
    for field in (by, falling):
        field.param.watch(lambda _: locked(take), "value")
    watch(offer, ["saved"])
    watch(take, ["selected", "hidden", "colour"])
    watch(mark, ["shot"])
    watch(show, ["zoom"])
    take()
    return pn.Column(pn.FlexBox(by, falling, page), told, mosaic.pane, scale, sizing_mode="stretch_width")


def ordered(session: Session, shots: NDArray[np.int64], by: str, falling: bool) -> NDArray[np.int64]:
    """Sort shots by a quantity, or by `DOUBT`; those that have none come last, of equal ones the first comes first."""
    values = doubt(session.shots) if by == DOUBT else session.shots.column(by).values
    values = np.asarray(values, np.float64)[shots]
    return shots[np.argsort(-values if falling else values, kind="stable")]


def label(session: Session, shot: int, by: str) -> str:
    """Write what stands under a tile: the shot and what it is sorted by, then what the rule made of it."""
    known = session.quantities
    names = [name for name in ("verdict", "probability_single") if name in known]
    first = [] if by in ("shot", DOUBT, *names) else [by]
    about = session.about(shot, [*first, *names[:1]])
    second = [about["verdict"]] if "verdict" in names else []
    if "probability_single" in names:
        second.append(brief(float(session.shots.column("probability_single").values[shot])))
    return " · ".join([f"{shot:,}", *(about[name] for name in first)]) + "\n" + " ".join(second)


def brief(probability: float) -> str:
    """Write a probability in the room that a tile has.

    Examples
    --------
    >>> brief(0.5), brief(0.99999), brief(1e-6), brief(float("nan"))
    ('0.50', '>0.99', '<0.01', '')
    """
    if not np.isfinite(probability):
        return ""
    return "<0.01" if probability < 0.01 else ">0.99" if probability > 0.99 else f"{probability:.2f}"


def under(session: Session) -> str:
    """Say what is written under the tiles besides the number of the shot."""
    names = {"verdict": "what it is taken for", "probability_single": "its P(single)"}
    told = [word for name, word in names.items() if name in session.quantities]
    return f", each with {' and '.join(told)}" if told else ""


def _what(session: Session) -> str:
    if not session.selected.any():
        return "shots, as nothing is selected,"
    hidden = int((session.selected & ~session.visible).sum())
    if hidden == session.selected.sum():
        return "shots, as all that are selected are hidden,"
    return f"selected shots ({hidden:,} more are hidden)" if hidden else "selected shots"
