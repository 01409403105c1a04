"""What the browser tells: a server that dies, and one that comes back; the theme of the system."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.explorer.browsing import Server, Visit
from tests.explorer.conftest import KINDS
from tests.rarely import rarely

AGAIN = "is not a Zarr store"
"""What the page of an empty store reads."""


class Answer(BaseHTTPRequestHandler):
    """The page of an empty store for whoever asks."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(AGAIN.encode())

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def stand_in(_folder, _stores, port: int) -> Iterator[None]:
    """Answer as a server does, without the seconds that one takes to start."""
    with ThreadingHTTPServer(("127.0.0.1", port), Answer) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize("back", [stand_in, rarely(Server)])
def test_page__says_that_the_server_is_gone_and_loads_again_when_it_is_back(browser, stores, tmp_path, back):
    with Server(tmp_path, [stores["empty"]]) as server:
        visit = Visit(browser.new_page()).open(server.address(where="shot > 2"))
        alert = visit.page.locator("#connection-lost")
        assert alert.count() == 0
        port = server.port
    alert.wait_for()
    assert "no longer answers" in alert.inner_text()
    with back(tmp_path, [stores["empty"]], port=port):
        alert.wait_for(state="detached")
        visit.reads(AGAIN)
        assert visit.query() == {"where": "shot > 2"}
        visit.page.close()


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_page__takes_the_theme_of_the_system(browser, server, theme):
    visit = Visit(browser.new_page())
    visit.page.emulate_media(color_scheme=theme)
    visit.open(server.address(store=KINDS.index("empty")))
    visit.reads(AGAIN)
    visit.until(
        "dark => getComputedStyle(document.body).backgroundColor.match(/[0-9]+/g).every(c => c < 128) == dark",
        theme == "dark",
    )
    visit.page.close()
    assert visit.faults == []
