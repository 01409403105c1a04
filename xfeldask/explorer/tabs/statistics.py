"""Sum, mean and deviation of the selected raw patterns, every pixel of every one of them."""

from __future__ import annotations

import html
import time
from threading import Event, Thread
from typing import Any

import numpy as np
import panel as pn
import panel_material_ui as pmui

from xfeldask.errors import XfeldaskError
from xfeldask.explorer.model.masks import Mask
from xfeldask.explorer.model.pictures import Picture, Pictures
from xfeldask.explorer.model.session import Session
from xfeldask.explorer.model.statistics import PatternStatistics, pattern_statistics
from xfeldask.explorer.tabs.rebuilt import AXES
from xfeldask.explorer.tabs.watch import Watch
from xfeldask.explorer.tabs.widgets import caption
from xfeldask.explorer.view.cards import LEAST, Card, contrast, follow_rings
from xfeldask.explorer.view.plane import locked

QUANTITIES = {"mean": "photons", "deviation": "photons", "total": "photons"}
OFTEN = 0.2
"""Seconds between reports of progress."""


def statistics(session: Session, pictures: Pictures, watch: Watch) -> pn.viewable.Viewable:
    """Make the tab of statistics of the selection."""
    return Statistics(session, pictures, watch).view


class Statistics:
    """A worker that adds up patterns in a thread of its own, one run at a time.

    Parameters
    ----------
    session : Session
    pictures : Pictures
    watch : Watch
    """

    def __init__(self, session: Session, pictures: Pictures, watch: Watch) -> None:
        self._session, self._pictures = session, pictures
        self.thread: Thread | None = None
        self._cancel, self._closed = Event(), False
        self._last: PatternStatistics | None = None
        self.cards = {name: Card(name, unit, AXES, reciprocal=True) for name, unit in QUANTITIES.items()}
        for card in self.cards.values():
            card.figure.toolbar.active_scroll = None
            card.mappers["log"].high = 1.0  # of nothing there is no highest
        follow_rings(session, self.cards.values(), watch)
        self.run = pmui.Button(label="add up", variant="contained", size="small")
        self.stop = pmui.Button(label="cancel", variant="outlined", size="small", disabled=True)
        self._bar = pmui.LinearProgress(value=0, variant="determinate", width=200, align="center")
        self.what, self.told = caption(), caption()
        self.run.on_click(self.start)
        self.stop.on_click(lambda _: self._cancel.set())
        if pn.state.curdoc is not None:
            pn.state.on_session_destroyed(self._close)
        watch(self._offer, ["selected", "hidden", "colour"])
        watch(self._draw, ["zoom"])
        self._offer()
        row = pn.Row(*(card.view() for card in self.cards.values()), sizing_mode="stretch_width", height=360)
        self._found = pn.Column(row, contrast(self.cards.values()), sizing_mode="stretch_width", visible=False)
        self.view = pn.Column(
            self.what,
            pn.Row(self.run, self.stop, self._bar, self.told, sizing_mode="stretch_width"),
            self._found,
            sizing_mode="stretch_width",
        )

    def start(self, _: Any = None) -> None:
        """Begin with what is selected now."""
        if self.thread is not None and self.thread.is_alive():
            # not by disabling the button: Panel may take that for the browser's wish, and disable it again at the end
            return
        self._cancel = Event()
        self.stop.disabled = False
        self._bar.value = 0
        self.told.object = "begins"
        self.thread = Thread(target=self._work, args=[self._session.chosen, self._cancel, pn.state.curdoc], daemon=True)
        self.thread.start()

    def _offer(self, *_: Any) -> None:
        n, any_chosen = int(self._session.chosen.sum()), (self._session.selected & self._session.visible).any()
        which = "selected shots" if any_chosen else "visible shots, as none of them is selected"
        self.what.object = f"Photons in every pixel of the raw patterns of the <b>{n:,}</b> {which}."

    def _work(self, mask: Mask, cancel: Event, document: Any) -> None:
        n, done, last = int(mask.sum()), 0, time.monotonic()

        def advance(shots: int) -> None:
            nonlocal done, last
            done += shots
            if time.monotonic() - last > OFTEN:
                last = time.monotonic()
                self._locked(lambda: self._progress(done, n), document)

        try:
            found = pattern_statistics(self._session.shots.path, mask, advance=advance, cancel=cancel)
        except XfeldaskError as error:
            # a name bound by except is gone when this is called
            text = html.escape(str(error))
            self._locked(lambda: self._end(text), document)
        else:
            self._locked(lambda: self._show(found, done, n), document)

    def _locked(self, change: Any, document: Any) -> None:
        if not self._closed:
            locked(change, document)

    def _close(self, _: Any) -> None:
        self._closed = True
        self._cancel.set()

    def _progress(self, done: int, n: int) -> None:
        if not self.stop.disabled:
            self._bar.value = round(100 * done / n)
            self.told.object = f"{done:,} of {n:,} patterns"

    def _show(self, found: PatternStatistics | None, done: int, n: int) -> None:
        if found is None:
            self._end(f"cancelled after {done:,} of {n:,} patterns")
            return
        self._last = found
        self._draw()
        self._bar.value = 100
        self._found.visible = True
        self._end(f"{found.n:,} patterns, {int(found.total.sum()):,} photons")

    def _draw(self, *_: Any) -> None:
        """Show what was found last, the part of the detector that is looked at."""
        found = self._last
        if found is None:
            return
        for name, card in self.cards.items():
            values = np.asarray(found.assembled[name], np.float32)
            card.figure.title.text = f"{name} of {found.n:,} patterns"
            there = values[values > 0]  # of many shots a mean is far below one photon
            low, high = (float(there.min()), float(there.max())) if len(there) else (LEAST, 1.0)
            card.mappers["log"].update(low=low, high=max(high, 2 * low))
            whole = Picture(values, self._pictures.whole_extent)
            card.show(self._pictures.cut(whole, self._session.zoom))

    def _end(self, text: str) -> None:
        self.told.object = text
        self.stop.disabled = True
