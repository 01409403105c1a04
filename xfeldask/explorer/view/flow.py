"""Pictures that follow the pointer, one on the way at a time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import panel as pn
from bokeh.models import ColumnDataSource, CustomJS

LONGEST = 2.0
"""Seconds after which a picture counts as taken, whatever the browser says."""


class Flow:
    """Sends the last of what is asked for when the browser has taken what was sent before; leaves out what lay between.

    Parameters
    ----------
    source : whose data are what is sent
    send : called with what is asked for; tells whether it has changed the data
    """

    def __init__(self, source: ColumnDataSource, send: Callable[[Any], bool]) -> None:
        self._send, self._since = send, 0.0
        self._waiting: list[Any] = []
        self._taken = ColumnDataSource({"n": [0]})
        answer = CustomJS(args={"taken": self._taken}, code="taken.data = {n: [taken.data.n[0] + 1]}")
        source.js_on_change("data", answer)
        self._taken.on_change("data", self._answered)

    def ask(self, wanted: Any = None) -> None:
        """Send something now, or soon."""
        if self._since and time.monotonic() - self._since < LONGEST:
            self._waiting = [wanted]
            return
        self._waiting = []
        document = pn.state.curdoc
        context = None if document is None else document.session_context
        # a page that is being made is sent as a whole, and its browser has nothing to answer
        answers = context is not None and context.session is not None
        self._since = time.monotonic() if self._send(wanted) and answers else 0.0

    def _answered(self, name: str, old: Any, new: Any) -> None:
        del name, old, new
        self.taken()

    def taken(self) -> None:
        """Go on, as the browser has what was sent last."""
        self._since = 0.0
        if self._waiting:
            self.ask(self._waiting.pop())
