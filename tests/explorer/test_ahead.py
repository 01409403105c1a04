"""A page that is made before somebody asks for it: whose it becomes, and when it is let go of."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from bokeh.application import Application
from bokeh.application.handlers import FunctionHandler
from bokeh.models import Div
from bokeh.server.contexts import ApplicationContext
from bokeh.util.token import generate_jwt_token, generate_session_id
from tornado.ioloop import IOLoop

from xfeldask.explorer.ahead import Ahead
from xfeldask.explorer.model.session import Session, lasting_state
from xfeldask.store.storage.lock import held

MOST = 3


class Made:
    """Pages of an application, counted, one of which is made ahead."""

    def __init__(self) -> None:
        self.n, self.state = 0, 1
        self.context = ApplicationContext(Application(FunctionHandler(self._page)), IOLoop.current())
        self.ahead = Ahead(self.context, lambda: self.state, MOST)

    def _page(self, document: Any) -> None:
        self.n += 1
        document.add_root(Div(text=str(self.n)))

    async def visit(self, **payload: Any) -> Any:
        """Come as a browser does; return the session that the page has."""
        name = generate_session_id()
        token = generate_jwt_token(name, extra_payload=payload)
        session = await self.context.create_session_if_needed(name, None, token)
        assert session is self.context.get_session(name)
        assert (session.id, session.token, session.document.session_context.id) == (name, token, name)
        return session


def run(what: Callable[[Made], Awaitable[None]]) -> None:
    async def main() -> None:
        await what(Made())

    asyncio.run(main())


def number(session: Any) -> int:
    return int(session.document.roots[0].text)


def test_visitor__is_given_the_page_that_stands_ready_and_nobody_else_is() -> None:
    async def visits(made: Made) -> None:
        assert Ahead.serves(made.context)
        await made.ahead.fill()
        await made.ahead.fill()
        assert (made.n, list(made.context.sessions)) == (1, [])
        first = await made.visit()
        assert (made.n, number(first)) == (1, 1)
        second = await made.visit()
        assert (made.n, number(second)) == (2, 2)
        assert first.document is not second.document
        # who comes back has the same page, though another stands ready
        await made.ahead.fill()
        assert await made.context.create_session_if_needed(first.id, None, first.token) is first

    run(visits)


def test_page__that_stands_ready_is_written_for_its_browser_too() -> None:
    async def visits(made: Made) -> None:
        await made.ahead.fill()
        document = (await made.visit()).document
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("bokeh.document.document.Serializer", None)
            written = document.to_json()
        assert document.to_json().content == written.content

    run(visits)


def test_visitor__whose_address_carries_a_state_has_a_page_made() -> None:
    async def visits(made: Made) -> None:
        await made.ahead.fill()
        assert number(await made.visit(arguments={"shot": ["4"]})) == 2
        assert number(await made.visit(arguments={})) == 1

    run(visits)


def test_page__of_what_has_changed_since_is_given_to_nobody_and_let_go_of() -> None:
    async def visits(made: Made) -> None:
        await made.ahead.fill()
        made.state = 2
        visit = await made.visit()
        assert number(visit) == 2
        visit.block_expiration()
        await made.context._cleanup_sessions(0)
        assert list(made.context.sessions) == [visit]

    run(visits)


def test_page__of_what_changes_all_the_time_is_not_kept() -> None:
    async def visits(made: Made) -> None:
        made.state = None
        await made.ahead.fill()
        assert made.n == 0

    run(visits)


def test_page__is_not_given_to_a_visitor_more_than_there_may_be() -> None:
    async def visits(made: Made) -> None:
        await made.ahead.fill()
        for _ in range(MOST):
            await made.visit(arguments={"shot": ["4"]})
        assert number(await made.visit()) == MOST + 2

    run(visits)


def test_page__is_not_made_while_there_are_as_many_as_there_may_be() -> None:
    async def visits(made: Made) -> None:
        for _ in range(MOST):
            await made.visit()
        assert not await made.ahead.fill()
        assert made.n == MOST

    run(visits)


def test_page__of_what_has_changed_since_is_made_anew() -> None:
    async def visits(made: Made) -> None:
        assert await made.ahead.fill()
        made.state = 2
        assert await made.ahead.fill()
        assert number(await made.visit()) == 2
        made.state = None
        assert not await made.ahead.fill()

    run(visits)


def test_visitor__has_a_page_made_where_what_was_made_ahead_cannot_be_looked_at() -> None:
    async def visits(made: Made) -> None:
        await made.ahead.fill()
        del made.state
        assert number(await made.visit()) == 2
        assert not await made.ahead.fill()

    run(visits)


def test_page__is_made_in_a_quiet_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    spent = iter([0.0, 10.0, 10.0, 10.0])
    monkeypatch.setattr("xfeldask.explorer.ahead.QUIET", 0.001)
    monkeypatch.setattr("xfeldask.explorer.ahead.time.process_time", lambda: next(spent))

    async def visits(made: Made) -> None:
        # of two spans the first is not quiet; then the clock ends, and so does the keeping
        with pytest.raises(RuntimeError, match="StopIteration"):
            await made.ahead.keep()
        assert made.n == 1

    run(visits)


def test_lasting_state__is_other_when_something_new_would_be_seen(stores: dict[str, Path], tmp_path: Path) -> None:
    path = tmp_path / "run.zarr"
    path.symlink_to(stores["whole"])
    before = lasting_state(path)
    assert before is not None
    assert lasting_state(path, "second") != before
    with held(path, "reconstruction/one"):
        assert Session(path).grows
        assert lasting_state(path) is None
    assert lasting_state(tmp_path / "elsewhere") is None
