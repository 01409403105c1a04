"""A page that stands ready before somebody asks for it: the next visitor need not wait for the server to make one."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Any

from bokeh.server.contexts import ApplicationContext
from bokeh.util.token import generate_session_id, get_token_payload
from tornado.httputil import HTTPServerRequest, RequestStartLine

if TYPE_CHECKING:
    from bokeh.core.types import ID
    from bokeh.document import Document
    from bokeh.server.contexts import BokehSessionContext
    from bokeh.server.session import ServerSession

QUIET = 3.0
"""Time for which the server has nothing to do before it makes a page, which would hold up whoever uses another [s]."""
MOST_PAUSE = 60.0
"""Time between two looks at what pages are made from, where it stays the same or no page can be made of it [s]."""
LITTLE = 0.05
"""Fraction of a processor's time up to which the server has nothing to do."""


class Ahead:
    """One page that is made in idle time, and given to the next visitor whose address carries no state.

    It is let go of where what it was made from has changed since; whoever comes then, or while none stands ready, has
    a page made as ever.

    Parameters
    ----------
    context : bokeh.server.contexts.ApplicationContext, whose visitors have their pages from here from now on
    state : tells what a page is made from, or None while none can be kept
    most : int, pages up to which a further visitor is given one
    """

    def __init__(self, context: ApplicationContext, state: Callable[[], Hashable], most: int) -> None:
        self._context, self._state, self._most = context, state, most
        self._make = context.create_session_if_needed
        context.create_session_if_needed = self._come
        self._ready: tuple[ServerSession, BokehSessionContext, Hashable] | None = None
        self._pause = QUIET

    @classmethod
    def serves(cls, context: ApplicationContext) -> bool:
        """Whether visitors already have their pages from here."""
        return isinstance(getattr(context.create_session_if_needed, "__self__", None), cls)

    async def keep(self) -> None:
        """Make a page in the first quiet moment in which none stands ready, again and again; never ends."""
        looked = -math.inf
        while True:
            before = time.process_time()
            await asyncio.sleep(QUIET)
            if time.process_time() - before < LITTLE * QUIET and time.monotonic() - looked >= self._pause:
                self._pause = QUIET if await self.fill() else min(2 * self._pause, MOST_PAUSE)
                looked = time.monotonic()

    async def fill(self) -> bool:
        """Make a page, unless one stands ready that still is what would be made; return whether it was made."""
        if len(self._context._sessions) >= self._most:
            return False
        # before the page is made: what changes meanwhile need not be in it
        state = await asyncio.to_thread(self._state_now)
        if self._ready and state != self._ready[-1]:
            self._register(*self._ready[:2])
            self._ready = None
        if state is None or self._ready:
            return False
        context, name = self._context, generate_session_id()
        session = await self._make(name, HTTPServerRequest(start_line=RequestStartLine("GET", "/", "HTTP/1.0")))
        # nobody's yet: it counts as no visitor, and does not end for want of one
        del context._sessions[name]
        write_ahead(session.document)
        self._ready = session, context._session_contexts.pop(name), state
        return True

    async def _come(
        self, session_id: ID, request: HTTPServerRequest | None = None, token: str | None = None
    ) -> ServerSession:
        """Make a visitor's page, as Bokeh would, or give the one that stands ready."""
        known = self._context._sessions, self._context._pending_sessions
        is_new = len(known[0]) < self._most and not any(session_id in some for some in known)
        if self._ready and is_new and token is not None and not get_token_payload(token).get("arguments"):
            await self._give(session_id, token)
        return await self._make(session_id, request, token)

    async def _give(self, session_id: ID, token: str) -> None:
        """Let the page that stands ready be that of a visitor, if it is still what would be made."""
        assert self._ready is not None
        # nobody else's meanwhile
        (session, context, state), self._ready, self._pause = self._ready, None, QUIET
        if state == await asyncio.to_thread(self._state_now):
            session._id = context._id = session_id
            session._token = context._token = token
        self._register(session, context)

    def _state_now(self) -> Hashable:
        """Return what a page would be made from now; None where that cannot be looked at, which who comes is told."""
        try:
            return self._state()
        except Exception:  # damaged bytes may raise anything
            logging.getLogger(__name__).debug("what pages are made from cannot be looked at", exc_info=True)
            return None

    def _register(self, session: ServerSession, context: BokehSessionContext) -> None:
        """Hand a page to Bokeh, as if somebody had just left it: one that nobody takes ends soon."""
        session.unsubscribe(None)
        self._context._sessions[session.id] = session
        self._context._session_contexts[session.id] = context


def write_ahead(document: Document) -> None:
    """Write a page for its browser now; that is what the browser is sent first, unless the page changes before.

    Examples
    --------
    >>> from bokeh.document import Document
    >>> from bokeh.models import Div
    >>> document, text = Document(), Div(text="one")
    >>> document.add_root(text)
    >>> write_ahead(document)
    >>> text.text = "two"
    >>> document.to_json(deferred=False)["roots"][0]["attributes"]["text"]
    'two'
    """
    written = document.to_json()

    def forget(event: object) -> None:
        del event
        document.remove_on_change(forget)
        del document.to_json

    def give(**options: Any) -> Any:
        forget(None)
        return document.to_json(**options) if options else written

    document.to_json = give
    document.on_change(forget)
