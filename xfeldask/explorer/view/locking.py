"""Changes of a page by those who do not hold its lock."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import panel as pn
from panel.io.state import set_curdoc


def locked(change: Callable[[], Any], document: Any = None) -> None:
    """Make a change with the lock of the page, which events of plots, and other threads, do not hold.

    Of a page that is being closed there is nothing to change any more.
    """
    document = document or pn.state.curdoc
    context = None if document is None else document.session_context
    if context is None:
        change()
        return

    def within() -> None:
        # What Bokeh has as its current page is one for all threads, and another thread may be at another page. Panel
        # sends what changes as well, later where the browser is being sent something: Bokeh's own message would pass by
        # one with which what it tells of comes to the page.
        with set_curdoc(document), pn.io.unlocked():
            change()

    try:
        document.add_next_tick_callback(within)
    except RuntimeError:
        # who closes a page takes away its callbacks while Bokeh goes through them here
        if not context.destroyed:
            raise
