"""Which store is served, what is said where none can be, and what is left of a page that was closed."""

import asyncio
import gc
import importlib
import json
import logging
import re
import shutil
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from weakref import ReferenceType, WeakSet, ref

import panel as pn
import panel_material_ui as pmui
import pytest
from bokeh.client import ClientSession, pull_session
from bokeh.document import Document, without_document_lock
from bokeh.io.doc import patch_curdoc
from bokeh.plotting import figure
from panel.io.resources import Resources
from panel.io.server import server_html_page_for_session
from panel.io.state import set_curdoc
from tornado.iostream import StreamClosedError
from tornado.websocket import WebSocketClosedError, WebSocketHandler

from tests.explorer.conftest import N
from xfeldask import embed
from xfeldask.errors import CorruptStoreError, InputError
from xfeldask.explorer import serving
from xfeldask.explorer.ahead import Ahead
from xfeldask.explorer.garbage import lasting
from xfeldask.explorer.model.session import Session
from xfeldask.explorer.serving import CALL, ask_last, one_skeleton, page_of, served_page
from xfeldask.explorer.serving_options import STORE, Options
from xfeldask.explorer.tabs import TABS
from xfeldask.explorer.tabs.statistics import Statistics
from xfeldask.explorer.view.locking import locked
from xfeldask.explorer.view.page import Explorer, make_page

SOON = 240.0
"""Longest that anything may take on a busy machine [s]."""


def until(condition: Callable[[], Any], often: float = 0.05) -> bool:
    """Whether something becomes true soon; it is looked at every so many seconds."""
    end = time.monotonic() + SOON
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(often)
    return True


def sentence(page: pmui.Page) -> str:
    (alert,) = page.main
    assert isinstance(alert, pmui.Alert)
    return str(alert.objects[0].object)


def choice(page: pmui.Page) -> Any:
    return next((view for view in page.header if isinstance(view, pmui.Select)), None)


def test_served_page__is_of_the_store_that_the_environment_names(
    stores: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["dashboard.py"])
    monkeypatch.setenv(STORE, str(stores["whole"]))
    page = served_page()
    assert page.title == stores["whole"].name
    assert choice(page) is None


def test_served_page__of_no_store_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["dashboard.py"])
    monkeypatch.delenv(STORE, raising=False)
    page = served_page()
    assert sentence(page) == f"no store was named; start with: {CALL}"
    assert choice(page) is None


@pytest.mark.parametrize("given", [[], ["no such embedding"]])
@pytest.mark.parametrize("here", [0, 1])
def test_make_page__has_the_choice_of_several_stores(stores: dict[str, Path], here: int, given: list[str]) -> None:
    paths = [stores["whole"], stores["no truth"]]
    select = choice(make_page(paths, here, *given))
    assert (select.options, select.value) == ({str(path): i for i, path in enumerate(paths)}, here)


def test_make_page__of_a_relative_path_is_chosen_in_the_bar(
    stores: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(stores["whole"].parent)
    assert choice(make_page([Path("no truth"), Path("whole")], 1)).value == 1


def spoilt(store: Path, path: Path, part: str) -> Path:
    """A copy of a store in which every file of a part is spoilt."""
    shutil.copytree(store, path)
    for file in [path / part] if (path / part).is_file() else [f for f in (path / part).rglob("*") if f.is_file()]:
        file.write_bytes(bytes(byte ^ 0x55 for byte in file.read_bytes()))
    return path


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("missing", "no store at"),
        ("empty", "is not a Zarr store"),
        ("shot_status/c", "xfeldask verify"),
        ("latent/pairs/latent/c", "xfeldask verify"),
        ("image/zarr.json", "xfeldask verify"),
    ],
)
def test_make_page__of_a_store_that_cannot_be_shown_leads_to_the_others(
    stores: dict[str, Path], tmp_path: Path, kind: str, told: str
) -> None:
    broken = stores[kind] if kind in stores else spoilt(stores["whole"], tmp_path / "spoilt", kind)
    paths = [stores["whole"], broken, stores["no truth"]]
    page = make_page(paths, 1)
    assert told in sentence(page)
    assert (choice(page).options, choice(page).value) == ({str(path): i for i, path in enumerate(paths)}, 1)
    assert choice(make_page([broken])) is None


def test_explorer__shows_a_store_with_damaged_shots(stores: dict[str, Path], tmp_path: Path) -> None:
    broken = spoilt(spoilt(stores["whole"], tmp_path / "images", "low_q/c"), tmp_path / "both", "photons/c")
    explorer = Explorer(Session(broken))
    explorer.look(7)
    assert "shot 7 cannot be read" in explorer.line.value
    assert "xfeldask verify" in explorer.line.value
    assert not explorer.pattern.image.visible
    with pytest.raises(CorruptStoreError, match="shot 7 cannot be read"):
        explorer.pictures.whole(7)


def test_serve__begins_though_one_of_the_stores_cannot_be_shown(
    stores: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []
    loop = SimpleNamespace(start=lambda: None, add_callback=lambda *what: asked.append(what[0]))
    server = SimpleNamespace(start=lambda: asked.append("start"), io_loop=loop, port=5006)
    monkeypatch.setattr(serving, "make_server", lambda *what, **more: asked.append(what) or server)
    options = Options((stores["empty"], stores["whole"]))
    serving.serve(options, 5006, password="secret", origins=["a:1"], listening=asked.append)
    assert asked == [(options, 5006, "127.0.0.1", "secret", ["a:1"]), 5006, serving.begin, "start"]
    assert "is not a Zarr store" in sentence(page_of(options))


def test_make_server__listens_where_it_is_told_and_keeps_its_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    served: dict[str, Any] = {}

    def serve(apps: Any, **settings: Any) -> None:
        served.update(settings)
        raise LookupError

    monkeypatch.setattr(pn, "serve", serve)
    with pytest.raises(LookupError):
        serving.make_server(Options(()), 5006, password="secret", origins=["a:1"])
    assert (served["address"], served["basic_auth"], served["websocket_origin"]) == ("127.0.0.1", "secret", ["a:1"])
    assert len(served["cookie_secret"]) == 64


def test_make_server__says_in_one_sentence_that_a_port_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(InputError, match=f"listen on port {port} of 127.0.0.1: address already in use; .*--port"):
            serving.make_server(Options(()), port)


def test_log__is_silent_of_visitors_who_leave_and_of_nothing_else(caplog: pytest.LogCaptureFixture) -> None:
    serving.pass_over_warnings()
    log = logging.getLogger("asyncio")
    for error in (WebSocketClosedError(), StreamClosedError(), ValueError("a fault")):
        log.error("Task exception was never retrieved", exc_info=error)
    assert [str(record.exc_info[1]) for record in caplog.records if record.exc_info] == ["a fault"]


def test_log__is_of_the_servers_own_libraries_from_an_error_on(monkeypatch: pytest.MonkeyPatch) -> None:
    loggers = [logging.getLogger(name) for name in ("bokeh", "tornado", "tornado.application")]
    for logger, level in zip(loggers, (logging.NOTSET, logging.NOTSET, logging.DEBUG), strict=True):
        monkeypatch.setattr(logger, "level", level)
    serving.pass_over_warnings()
    assert not logging.getLogger("bokeh.server.views.ws").isEnabledFor(logging.WARNING)
    assert logging.getLogger("bokeh.server.views.ws").isEnabledFor(logging.ERROR)
    assert not logging.getLogger("tornado.access").isEnabledFor(logging.ERROR)
    assert loggers[2].level == logging.DEBUG  # whoever set it meant it


@pytest.fixture
def server() -> Iterator[Callable[[Callable[[], Any]], str]]:
    """Serves a page in a thread, and gives its address; a closed page is given up at once."""
    threads = []

    def serve(page: Callable[[], Any]) -> str:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = int(free.getsockname()[1])
        soon = {"unused_session_lifetime_milliseconds": 50, "check_unused_sessions_milliseconds": 50}
        threads.append(pn.serve({"/": page}, port=port, threaded=True, show=False, verbose=False, **soon))
        address = f"http://127.0.0.1:{port}/"
        assert until(lambda: _listens(port))
        return address

    yield serve
    for thread in threads:
        thread.stop()
        thread.join(SOON)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> WeakSet[Any]:
    """All explorers, sessions and sums that are made from now on and still there."""
    found: WeakSet[Any] = WeakSet()
    for kind in (Explorer, Session, Statistics):

        def init(self: Any, *args: Any, _init: Any = kind.__init__, **more: Any) -> None:
            _init(self, *args, **more)
            found.add(self)

        monkeypatch.setattr(kind, "__init__", init)
    return found


def left(kept: WeakSet[Any]) -> list[str]:
    gc.collect()
    return [type(one).__name__ for one in kept]


def leave(visit: ClientSession, context: ReferenceType[Any]) -> None:
    """Close a page, and wait until the server has given it up."""
    visit.close()
    visit._connection._loop.close(all_fds=True)
    assert until(lambda: (here := context()) is None or here.destroyed)


def assert_let_go(kept: WeakSet[Any]) -> None:
    # to look takes the time that the server needs to let go
    assert until(lambda: not left(kept), often=1), f"of a closed page there is still {left(kept)}"


def on(document: Any, change: Callable[[], Any]) -> None:
    """Let something happen on a page as if its visitor did it, and wait until it has."""
    done = threading.Event()
    locked(lambda: (change(), done.set()), document)
    assert done.wait(SOON)


def test_closed_pages__are_let_go(
    stores: dict[str, Path], server: Callable[[Callable[[], Any]], str], kept: WeakSet[Any]
) -> None:
    bars: list[Any] = []

    def page() -> pmui.Page:
        page = page_of(Options((stores["whole"], stores["no embedding"]), "pairs", allow_write=True))
        bars[:] = [(pn.state.curdoc, bar) for bar in page.main[-1].select(pmui.Tabs)]
        return page

    address = server(page)
    looked_at = {0: range(1, len(TABS)), 1: [list(TABS).index("statistics")]}
    for store, tabs in looked_at.items():
        visit = pull_session(url=address, arguments={"store": str(store)})
        assert sorted(left(kept)) == ["Explorer", "Session"]
        document, bar = bars.pop()
        for tab in tabs:
            on(document, partial(bar.param.update, active=tab))
            # a tab is made after the page says so
            on(document, lambda: None)
        assert until(lambda: sorted(left(kept)) == ["Explorer", "Session", "Statistics"], often=1)
        context = ref(document.session_context)
        del document, bar
        leave(visit, context)
        assert_let_go(kept)


def test_change__is_made_at_its_own_page_while_another_thread_is_at_another(
    server: Callable[[Callable[[], Any]], str],
) -> None:
    documents: list[Any] = []
    begun, elsewhere, found = threading.Event(), threading.Event(), []

    def page() -> pn.Column:
        documents.append(pn.state.curdoc)
        return pn.Column()

    def change() -> None:
        begun.set()
        assert elsewhere.wait(SOON)
        found.append(pn.state.curdoc)

    visit = pull_session(url=server(page))
    try:
        locked(change, documents[0])
        assert begun.wait(SOON)
        with patch_curdoc(Document()):
            elsewhere.set()
            assert until(lambda: found)
    finally:
        visit.close()
        visit._connection._loop.close(all_fds=True)
    assert found[0] is documents[0]


def test_changes__reach_a_browser_in_their_order_while_something_else_is_on_its_way_to_it(
    server: Callable[[Callable[[], Any]], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    documents: list[Any] = []
    sent: list[str] = []
    box, done = pn.Column(), threading.Event()
    fig = figure()
    source = fig.scatter([0], [0]).data_source
    write = WebSocketHandler.write_message

    def written(self: Any, message: Any, binary: bool = False) -> Any:
        sent.append("" if binary or source.id not in message else message)
        return write(self, message, binary)

    monkeypatch.setattr(WebSocketHandler, "write_message", written)

    def page() -> pn.Column:
        documents.append(pn.state.curdoc)
        return box

    async def change() -> None:
        (connection,) = documents[0].session_context.session._subscribed_connections
        with await connection._socket.write_lock.acquire():
            with set_curdoc(documents[0]):
                box.append(pn.pane.Bokeh(fig))
            locked(lambda: source.update(data={"x": [1], "y": [1]}), documents[0])
            # both are waiting when there is room again
            await asyncio.sleep(0.1)
        done.set()

    visit = pull_session(url=server(page))
    try:
        # as after a browser has said that the page stands
        pn.state._loaded[documents[0]] = pn.state._connected[documents[0]] = True
        documents[0].add_next_tick_callback(without_document_lock(change))
        assert done.wait(SOON)
        assert until(lambda: len([one for one in sent if one]) == 2)
    finally:
        visit.close()
        visit._connection._loop.close(all_fds=True)
    told = [[event["attr"] for event in json.loads(one)["events"]] for one in sent if one]
    assert told == [["children"], ["data"]]


def test_closed_page__ends_its_sums(
    stores: dict[str, Path],
    server: Callable[[Callable[[], Any]], str],
    kept: WeakSet[Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    begun, ended = threading.Event(), threading.Event()
    module = importlib.import_module(Statistics.__module__)
    sums = module.pattern_statistics

    def slow(store: Path, mask: Any, advance: Callable[[int], None], cancel: threading.Event) -> Any:
        def wait(shots: int) -> None:
            begun.set()
            cancel.wait(2 * SOON)
            advance(shots)

        found = sums(store, mask, advance=wait, cancel=cancel)
        assert found is None
        ended.set()
        return found

    monkeypatch.setattr(module, "pattern_statistics", slow)
    pages: list[Any] = []

    def page() -> pmui.Page:
        page = page_of(Options((stores["whole"],), "pairs"))
        pages.append((pn.state.curdoc, *page.main[-1].select(pmui.Tabs)))
        return page

    visit = pull_session(url=server(page))
    document, bar = pages.pop()
    on(document, partial(bar.param.update, active=list(TABS).index("statistics")))
    on(document, lambda: next(one for one in kept if isinstance(one, Statistics)).start())
    assert begun.wait(SOON)
    context = ref(document.session_context)
    del document, bar
    leave(visit, context)
    assert ended.wait(SOON), "the sums go on"
    assert_let_go(kept)


def test_closed_page__leaves_its_embedding_in_the_store(
    stores: dict[str, Path],
    server: Callable[[Callable[[], Any]], str],
    kept: WeakSet[Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store = Path(shutil.copytree(stores["no embedding"], tmp_path / "run.zarr"))
    begun, closed = threading.Event(), threading.Event()

    def slow(path: Path, progress: Any) -> None:
        progress("fitting", 0, N, "shots")
        begun.set()
        closed.wait(SOON)
        embed(path, sort=None, progress=progress)

    monkeypatch.setattr(importlib.import_module("xfeldask.verbs.embed"), "embed", slow)
    pages: list[Any] = []

    def page() -> pmui.Page:
        page = page_of(Options((store,), allow_write=True))
        pages.append((pn.state.curdoc, *(b for b in page.main[0].select(pmui.Button) if "embedding" in b.label)))
        return page

    visit = pull_session(url=server(page))
    document, make = pages.pop()
    on(document, partial(make.param.trigger, "clicks"))
    assert begun.wait(SOON)
    context = ref(document.session_context)
    del document, make
    leave(visit, context)
    closed.set()
    assert_let_go(kept)
    assert Session(store).embedding == "ipca"


def test_page_that_is_sent_first__loads_what_draws_widgets_from_the_server_itself() -> None:
    with one_skeleton():
        session = pn.state._sessions["/"]
        page = server_html_page_for_session(
            session, Resources(mode="server"), "", template=session.document.template,
            template_variables=session.document.template_variables,
        )  # fmt: skip
    (bundle,) = re.findall(r'importShim\("([^"]*)"\)', page)
    assert re.fullmatch(r"\./static/extensions/panel-material-ui/[\w.-]+\.js\?\w+", bundle)
    # before the scripts that come to ask for it, by when the server may be making the page
    early = f'<link rel="preload" as="fetch" crossorigin="anonymous" href="{bundle}">'
    assert page.index(early) < page.index("<script")


class FewPages:
    """Stands for what Bokeh knows of a server's pages."""

    def __init__(self, *sessions: object) -> None:
        self.sessions, self.made = sessions, 0

    async def create_session_if_needed(self, *_: Any) -> Any:
        raise AssertionError


async def begun(server: Any, stores: Sequence[Path] = (Path("none.zarr"),)) -> None:
    """Begin as a server does, until nothing is left but to keep a page ready."""
    keeps = asyncio.Event()

    async def keep(_: Any) -> None:
        keeps.set()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Ahead, "keep", keep)
        patch.setattr(Ahead, "fill", fill)
        await serving.begin(server, Options(tuple(stores)))
    assert keeps.is_set()


async def fill(ahead: Ahead) -> bool:
    """Count a page that would be made ahead."""
    ahead._context.made += 1  # type: ignore[attr-defined]
    return True


@pytest.mark.parametrize("visitors", [0, 1])
def test_server__makes_a_page_ahead_for_who_comes_first_unless_they_have_come(visitors: int) -> None:
    pages = FewPages(*range(visitors))
    with lasting():
        asyncio.run(begun(SimpleNamespace(_tornado=SimpleNamespace(applications={"/": pages}))))
    assert pages.made == 1 - visitors


def test_server__answers_between_the_pieces_of_what_pages_are_made_by(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monkeypatch.setattr(serving, "import_module", told.append)

    async def run() -> None:
        beginning = asyncio.ensure_future(
            begun(SimpleNamespace(_tornado=SimpleNamespace(applications={"/": FewPages()})))
        )
        while not beginning.done():
            told.append("answer")
            await asyncio.sleep(0)

    with lasting():
        asyncio.run(run())
    assert [name for name in told if name != "answer"] == [f"xfeldask.explorer.{part}" for part in serving.PARTS]
    assert all(pair.count("answer") == 1 for pair in pairwise(told[: 2 * len(serving.PARTS)]))


def test_server__answers_while_it_reads_the_first_store(stores: dict[str, Path], monkeypatch) -> None:
    answered, read = threading.Event(), []
    monkeypatch.setattr(serving, "_warm", lambda options: read.append((answered.wait(SOON), *options.stores)))

    async def run() -> None:
        beginning = asyncio.ensure_future(
            begun(SimpleNamespace(_tornado=SimpleNamespace(applications={"/": FewPages()})), [stores["whole"]])
        )
        for _ in range(len(serving.PARTS) + 2):
            await asyncio.sleep(0)
        answered.set()
        await beginning

    with lasting():
        asyncio.run(run())
    assert read == [(True, stores["whole"])]


def test_server__reads_no_store_that_cannot_be_read_and_goes_on(tmp_path: Path) -> None:
    pages = FewPages()
    with lasting():
        asyncio.run(begun(SimpleNamespace(_tornado=SimpleNamespace(applications={"/": pages})), [tmp_path / "none"]))
    assert pages.made == 1


def test_server__reads_the_other_stores_after_the_first_page(stores: dict[str, Path], monkeypatch) -> None:
    read: list[int] = []
    monkeypatch.setattr(serving, "_make_page", lambda _, here: read.append(here) or SimpleNamespace(get_root=lambda: 0))
    server = SimpleNamespace(_tornado=SimpleNamespace(applications={"/": FewPages()}))
    with lasting():
        asyncio.run(begun(server, [stores["whole"]] * 3))
    assert read == [1, 2]


def test_server__makes_panes_of_words_without_what_imports_all_of_matplotlib(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    for kind in (pn.pane.Matplotlib, pn.pane.Image):
        monkeypatch.setattr(kind, "priority", kind.priority)
    monkeypatch.setattr(pn.pane.Matplotlib, "applies", lambda what: asked.append(what))
    ask_last()
    assert isinstance(pn.panel("shot"), pn.pane.Markdown)
    assert asked == []


def test_server__looks_for_garbage_in_what_its_visitors_leave_only() -> None:
    server = SimpleNamespace(_tornado=SimpleNamespace(applications={"/": FewPages()}))
    gc.unfreeze()  # of what all tests have imported
    with lasting():
        assert not gc.isenabled()
        asyncio.run(begun(server))
        assert gc.isenabled()
        assert gc.get_freeze_count() > 10_000
        left = [Session.__new__(Session)]
        left.append(left)
        gone = ref(left[0])
        del left
        gc.collect()
        assert gone() is None
    assert gc.get_freeze_count() == 0
    gc.freeze()
