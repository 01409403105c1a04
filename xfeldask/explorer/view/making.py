"""What takes a while, made in a thread of its own."""

from __future__ import annotations

import html
import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from threading import Event, Thread
from typing import Any

import panel as pn
import panel_material_ui as pmui

from xfeldask.errors import XfeldaskError
from xfeldask.explorer.model.session import Session
from xfeldask.explorer.view.locking import locked
from xfeldask.explorer.view.widgets import SMALL

OFTEN = 0.2
"""Seconds between reports of progress."""


class Making(ABC):
    """A button, what it makes in a thread of its own, and a bar that tells how far that is.

    Parameters
    ----------
    session : Session
    label : str, of the button
    """

    beginning = "begins"

    def __init__(self, session: Session, label: str) -> None:
        self._session, self._closed, self._ending, self._cancel = session, False, False, Event()
        self.thread: Thread | None = None
        self.make = pmui.Button(label=label, variant="contained", size="small")
        self.told = pn.pane.HTML("", styles=SMALL, align="center")
        self.bar = pmui.LinearProgress(value=0, variant="determinate", visible=False, sizing_mode="stretch_width")
        self.view = pn.Column(pn.Row(self.make, self.told), self.bar, sizing_mode="stretch_width", margin=10)
        self.make.on_click(self.start)
        if pn.state.curdoc is not None:
            pn.state.on_session_destroyed(self._close)

    @property
    def at_work(self) -> bool:
        """Whether something is being made."""
        return self.thread is not None and self.thread.is_alive() and not self._ending

    def start(self, _: Any = None) -> None:
        """Begin, unless something is being made."""
        # not by disabling the button: Panel may take that for the browser's wish, and disable it again at the end
        if not self.at_work:
            self._begin()

    def _begin(self) -> None:
        self._cancel, self._ending = Event(), False
        self.bar.param.update(variant="determinate", value=0, visible=True)
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
            if not isinstance(error, XfeldaskError):
                logging.getLogger(__name__).exception("%s failed", type(self).__name__)
            fault = str(error) or type(error).__name__
        self._locked(lambda: self._end(fault), document)

    @abstractmethod
    def _make(self, tell: Callable[..., None]) -> None:
        """Make it, without the lock of the page.

        Parameters
        ----------
        tell : called with what is done, how many of how many, and of what
        """

    @abstractmethod
    def _made(self) -> None:
        """Show what was made."""

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
        # what is shown now may ask for the next
        self._ending = True
        self.bar.visible = False
        self.told.object = html.escape(fault)
        if not fault:
            self._made()

    def _close(self, _: Any) -> None:
        self._closed = True
        self._cancel.set()
