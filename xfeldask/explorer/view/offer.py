"""A store without an embedding: the offer to make one."""

from __future__ import annotations

import html
import shlex
import time
from collections.abc import Callable
from threading import Thread
from typing import Any

import panel as pn
import panel_material_ui as pmui

from xfeldask.explorer.model.session import Session
from xfeldask.explorer.view.plane import locked

OFTEN = 0.2
"""Seconds between reports of progress."""


def offer(session: Session, allow_write: bool) -> list[Any]:
    """Offer to make an embedding where there is none; nothing where there is one."""
    if session.shots.embeddings:
        return []
    command = f"xfeldask embed {shlex.quote(str(session.shots.path))}"
    advice = f"This store has no embedding yet. Make one with: {command}, or start the explorer with --allow-write."
    view: Any = Making(session, command).view if allow_write else pmui.Alert(
        html.escape(advice), severity="info", margin=10
    )  # fmt: skip
    session.param.watch(lambda _: view.param.update(visible=False), "embedding")
    return [view]


class Making:
    """The making of an embedding in a thread of its own, which tells how far it is.

    Parameters
    ----------
    session : Session
    command : str, that does the same
    """

    beginning = "begins; about a minute for 100,000 shots"

    def __init__(self, session: Session, command: str) -> None:
        self._session, self._closed = session, False
        self.thread: Thread | None = None
        self.make = pmui.Button(label="make an embedding", variant="contained")
        self.told = pn.pane.HTML(f"This store has no embedding yet ({html.escape(command)}).", align="center")
        self.bar = pmui.LinearProgress(value=0, variant="determinate", visible=False, sizing_mode="stretch_width")
        self.view = pn.Column(pn.Row(self.make, self.told), self.bar, sizing_mode="stretch_width", margin=10)
        self.make.on_click(self.start)
        if pn.state.curdoc is not None:
            pn.state.on_session_destroyed(self._close)

    def start(self, _: Any = None) -> None:
        """Begin; what is made is in the store even if the page is closed meanwhile."""
        if self.thread is not None and self.thread.is_alive():
            # not by disabling the button: Panel may take that for the browser's wish, and disable it again at the end
            return
        self.bar.visible = True
        self.told.object = self.beginning
        self.thread = Thread(target=self._work, args=[pn.state.curdoc], daemon=True)
        self.thread.start()

    def _work(self, document: Any) -> None:
        last = 0.0

        def tell(what: str, done: int, total: int, unit: str) -> None:
            nonlocal last
            # beginnings and ends are few
            if 0 < done < total and time.monotonic() - last < OFTEN:
                return
            last = time.monotonic()
            self._locked(lambda: self._progress(what, done, total, unit), document)

        fault = ""
        try:
            self._make(tell)
        except Exception as error:  # damaged bytes may raise anything, and the page waits for an end
            fault = str(error) or type(error).__name__
        self._locked(lambda: self._end(fault), document)

    def _make(self, tell: Callable[..., None]) -> None:
        from xfeldask.verbs.embed import embed  # takes a second to import

        embed(self._session.shots.path, progress=tell)

    def _made(self) -> None:
        self._session.reopen()

    def _locked(self, change: Any, document: Any) -> None:
        if not self._closed:
            locked(change, document)

    def _progress(self, what: str, done: int, total: int, unit: str) -> None:
        if total == 1:
            # nothing is known of how far a single thing is
            self.bar.variant, self.told.object = "indeterminate", what
        else:
            self.bar.param.update(variant="determinate", value=round(100 * done / total))
            self.told.object = f"{what} {done:,} of {total:,} {unit}"

    def _end(self, fault: str) -> None:
        self.bar.visible = False
        self.told.object = html.escape(fault)
        if not fault:
            self._made()

    def _close(self, _: Any) -> None:
        self._closed = True
