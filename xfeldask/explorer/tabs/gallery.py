"""The patterns of the selection, a page at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
import panel as pn
import panel_material_ui as pmui
from numpy.typing import NDArray

from xfeldask.explorer.model.group import Group
from xfeldask.explorer.model.labels import doubt
from xfeldask.explorer.model.listing import SHOT, listed
from xfeldask.explorer.model.pictures import Pictures
from xfeldask.explorer.model.session import Session
from xfeldask.explorer.tabs.watch import Watch
from xfeldask.explorer.view.cards import LEAST
from xfeldask.explorer.view.fields import choice
from xfeldask.explorer.view.locking import locked
from xfeldask.explorer.view.mosaic import Mosaic
from xfeldask.explorer.view.widgets import caption

COLUMNS, ROWS = 10, 3
DOUBT = "how sure the rule is"
"""What shots are sorted by besides quantities: how far they are from where the rule would change its mind."""
PAGE = COLUMNS * ROWS
PICKING = (
    "tap one to pin it, with shift to pick those from the last one to it too, with Ctrl or Alt one more or one less"
)


def gallery(session: Session, pictures: Pictures, watch: Watch) -> pn.viewable.Viewable:
    """Make the tab of the patterns of the selection."""
    return Gallery(session, pictures, watch).view


class Gallery:
    """The patterns of the selection, or of all shots, a page at a time; those that are picked can be selected.

    Parameters
    ----------
    session : Session
    pictures : Pictures
    watch : Watch
    """

    def __init__(self, session: Session, pictures: Pictures, watch: Watch) -> None:
        self._session, self._pictures = session, pictures
        self._shots = np.zeros(0, np.int64)
        self.group = Group()
        self.page = pmui.Pagination(count=1, value=0, size="small", show_first_button=True, show_last_button=True)
        self.by = choice(label="sorted by", width=230, margin=(0, 10))
        self.falling = pmui.Switch(label="highest first", value=False, align="center")
        self.add, self.leave = (
            pmui.Button(size="small", variant="outlined", align="center", visible=False) for _ in range(2)
        )
        self.told, self.scale = caption(), caption()
        self.mosaic = Mosaic(COLUMNS, ROWS, self._tap, lines=2, on_pick=self._pick)
        self._offer()
        self.page.param.watch(lambda _: locked(self._show), "value")
        for field in (self.by, self.falling):
            field.param.watch(lambda _: locked(self._take), "value")
        self.add.on_click(lambda _: locked(lambda: self._choose(None)))
        self.leave.on_click(lambda _: locked(lambda: self._choose("subtract")))
        watch(self._offer, ["saved"])
        watch(lambda *_: self.group.clear(), ["selected", "hidden"])
        watch(self._take, ["selected", "hidden", "colour"])
        watch(self._mark, ["shot"])
        watch(self._show, ["zoom"])
        self._take()
        choices = pn.FlexBox(self.by, self.falling, self.page, self.add, self.leave)
        self.view = pn.Column(choices, self.told, self.mosaic.pane, self.scale, sizing_mode="stretch_width")

    @property
    def here(self) -> list[int]:
        """Shots of the page that is looked at."""
        return [int(i) for i in self._shots[self.page.value * PAGE :][:PAGE]]

    def _tap(self, place: int) -> None:
        self._pick(place)
        self._session.shot = self.here[place]

    def _pick(self, place: int, how: str = "") -> None:
        self.group.pick(self._shots, self.page.value * PAGE + place, how)
        self._picked()

    def _picked(self) -> None:
        n = len(self.group.shots)
        self.mosaic.pick(place for place, shot in enumerate(self.here) if shot in self.group.shots)
        self.add.param.update(label=f"select the {n:,} picked", visible=n > 0)
        self.leave.param.update(label=f"leave the {n:,} out", visible=n > 0 and bool(self._session.selected.any()))

    def _choose(self, combination: str | None) -> None:
        mask = self.group.mask(self._session.shots.n_shots)
        self.group.clear()
        self._session.choose(mask, combination)
        self._picked()

    def _mark(self, *_: Any) -> None:
        shot, here = self._session.shot, self.here
        self.mosaic.mark(here.index(shot) if shot in here else None)

    def _show(self, *_: Any) -> None:
        session, at = self._session, self.here
        labels = [label(session, shot, self.by.value) for shot in at]
        top = self.mosaic.show(*self._pictures.tiles(at, session.zoom, labels))
        self.scale.object = (
            f"Logarithmic scale from {LEAST:g} to {top:,.0f} photons in a bin; grey: nothing was measured."
        )
        self._mark()
        self._picked()

    def _take(self, *_: Any) -> None:
        """Take from the session which shots there are, and begin with their first page."""
        session = self._session
        if self.by.value not in (DOUBT, *session.quantities):
            self.by.value = "shot"
        among = np.flatnonzero(session.chosen)
        self._shots = ordered(session, among, self.by.value, self.falling.value)
        n, pages = len(among), max(1, -(-len(among) // PAGE))
        self.told.object = f"<b>{n:,}</b> {_what(session)} on {pages:,} pages{under(session)}; {PICKING}."
        if self.page.value:
            self.page.param.update(count=max(pages, self.page.value + 1))
            self.page.value = 0
            self.page.count = pages
        else:
            self.page.count = pages
            self._show()

    def _offer(self, *_: Any) -> None:
        by = self.by.value if self.by.value in (DOUBT, *self._session.quantities) else "shot"
        groups = {"order": {"shot": "shot", DOUBT: DOUBT}} | listed(self._session, keep=[by])
        groups[SHOT] = {text: name for text, name in groups[SHOT].items() if name != "shot"}
        self.by.param.update(groups=groups, value=by)


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
    names = {"verdict": "its verdict", "probability_single": "its P(single)"}
    told = [word for name, word in names.items() if name in session.quantities]
    return f", each with {' and '.join(told)}" if told else ""


def _what(session: Session) -> str:
    if not session.selected.any():
        return "shots, as nothing is selected,"
    hidden = int((session.selected & ~session.visible).sum())
    if hidden == session.selected.sum():
        return "shots, as all that are selected are hidden,"
    return f"selected shots ({hidden:,} more are hidden)" if hidden else "selected shots"
