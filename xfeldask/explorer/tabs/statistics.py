"""Sum, mean and deviation of the selected raw patterns, every pixel of every one of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import panel as pn
import panel_material_ui as pmui

from xfeldask.explorer.model.pictures import Picture, Pictures
from xfeldask.explorer.model.session import Session
from xfeldask.explorer.model.statistics import PatternStatistics, pattern_statistics
from xfeldask.explorer.tabs.rebuilt import AXES
from xfeldask.explorer.tabs.watch import Watch
from xfeldask.explorer.view.cards import LEAST, Card, contrast, follow_rings
from xfeldask.explorer.view.making import Making
from xfeldask.explorer.view.widgets import FAINT, caption

TITLES = {"mean": "mean", "deviation": "standard deviation", "total": "sum"}


def statistics(session: Session, pictures: Pictures, watch: Watch) -> pn.viewable.Viewable:
    """Make the tab of statistics of the selection."""
    return Statistics(session, pictures, watch).view


class Statistics(Making):
    """The adding up of the patterns that are chosen.

    Parameters
    ----------
    session : Session
    pictures : Pictures
    watch : Watch
    """

    def __init__(self, session: Session, pictures: Pictures, watch: Watch) -> None:
        super().__init__(session, "compute mean and sum")
        self._pictures = pictures
        self._asked, self._n_done = session.chosen, 0
        self._found: PatternStatistics | None = None
        self._last: PatternStatistics | None = None
        self.cards = {name: Card(title, "photons", AXES, reciprocal=True) for name, title in TITLES.items()}
        for card in self.cards.values():
            card.figure.toolbar.active_scroll = None
            card.mappers["log"].high = 1.0  # of nothing there is no highest
        follow_rings(session, self.cards.values(), watch)
        self.stop = pmui.Button(label="cancel", variant="outlined", size="small", disabled=True)
        self.what = caption()
        self.told.param.update(styles=FAINT, sizing_mode="stretch_width")
        self.stop.on_click(lambda _: self._cancel.set())
        watch(self._offer, ["selected", "hidden", "colour"])
        watch(self._draw, ["zoom"])
        self._offer()
        row = pn.Row(*(card.view() for card in self.cards.values()), sizing_mode="stretch_width", height=360)
        self._box = pn.Column(row, contrast(self.cards.values()), sizing_mode="stretch_width", visible=False)
        self.view = pn.Column(
            self.what,
            pn.Row(self.make, self.stop, self.told, sizing_mode="stretch_width"),
            self.bar,
            self._box,
            sizing_mode="stretch_width",
        )

    def start(self, event: Any = None) -> None:
        """Begin with what is selected now."""
        if not self.at_work:
            self._asked, self._n_done = self._session.chosen, 0
            self.stop.disabled = False
        super().start(event)

    def _make(self, tell: Callable[..., None]) -> None:
        n = int(self._asked.sum())

        def advance(shots: int) -> None:
            self._n_done += shots
            if not self._cancel.is_set():
                tell("adding up", self._n_done, n, "patterns")

        path = self._session.shots.path
        self._found = pattern_statistics(path, self._asked, advance=advance, cancel=self._cancel)

    def _made(self) -> None:
        found = self._found
        if found is None:
            self.told.object = f"cancelled after {self._n_done:,} of {int(self._asked.sum()):,} patterns"
            return
        self._last = found
        self._draw()
        self._box.visible = True
        self.told.object = f"{found.n:,} patterns, {int(found.total.sum()):,} photons"

    def _end(self, fault: str) -> None:
        self.stop.disabled = True
        super()._end(fault)

    def _offer(self, *_: Any) -> None:
        n, any_chosen = int(self._session.chosen.sum()), (self._session.selected & self._session.visible).any()
        which = "selected shots" if any_chosen else "visible shots, as none of them is selected"
        self.what.object = f"Photons in every pixel of the raw patterns of the <b>{n:,}</b> {which}."

    def _draw(self, *_: Any) -> None:
        """Show what was found last, the part of the detector that is looked at."""
        found = self._last
        if found is None:
            return
        for name, card in self.cards.items():
            values = np.asarray(found.assembled[name], np.float32)
            card.figure.title.text = f"{TITLES[name]} of {found.n:,} patterns"
            there = values[values > 0]  # of many shots a mean is far below one photon
            low, high = (float(there.min()), float(there.max())) if len(there) else (LEAST, 1.0)
            card.mappers["log"].update(low=low, high=max(high, 2 * low))
            whole = Picture(values, self._pictures.whole_extent)
            card.show(self._pictures.cut(whole, self._session.zoom))
