"""What the explorer's server refuses, and what it tells browsers."""

from __future__ import annotations

import gzip
import http.client
import logging
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import panel_material_ui as pmui
import pytest
from bokeh.client import pull_session
from tornado.ioloop import IOLoop

from xfeldask.explorer import serving
from xfeldask.explorer.guard import HEADERS, LOGS, MOST_ADDRESS, MOST_TOLD, hosts_of, origins_of
from xfeldask.explorer.serving import make_server, one_skeleton
from xfeldask.explorer.serving_options import Options

ALLOWED = "beamline.example.org"
SOON = 60.0


@pytest.fixture
def pages(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Stands for pages, which take long to make; one entry each."""
    made: list[int] = []

    def page(*_: Any) -> pmui.Page:
        made.append(1)
        return serving.message("a page of a store")

    monkeypatch.setattr("xfeldask.explorer.view.page.make_page", page)
    return made


@pytest.fixture
def server(pages: list[int]) -> Iterator[Any]:
    """A server as `xfeldask explore` runs it, in a thread; of stand-ins for pages."""
    del pages
    with running() as one:
        yield one


@contextmanager
def running(**told: Any) -> Iterator[Any]:
    """Run a server in a thread."""
    made: list[Any] = []
    ready, loop = threading.Event(), IOLoop(make_current=False)

    def run() -> None:
        with one_skeleton():
            more = {"loop": loop, "verbose": False, "show": False, **told}
            made.append(make_server(Options((Path("run.zarr"),)), origins=[f"{ALLOWED}:443"], **more))
            made[0].start()
            loop.add_callback(ready.set)
            loop.start()
            made[0].stop(wait=False)

    thread = threading.Thread(target=run)
    thread.start()
    assert ready.wait(SOON)
    yield made[0]
    loop.add_callback(loop.stop)
    thread.join(SOON)


def ask(server: Any, path: str = "/", host: str | None = None, **more: str) -> tuple[int, Mapping[str, str], str]:
    """Status, headers and body of an answer."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=SOON)
    try:
        connection.request("GET", path, headers={"Host": host or f"127.0.0.1:{server.port}"} | more)
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read().decode("latin-1")
    finally:
        connection.close()


def upgrade(server: Any, origin: str, path: str = "/ws") -> int:
    """Status of the answer to a page of an origin that opens a websocket."""
    return int(answer(server, origin, path).split()[1])


def answer(server: Any, origin: str, path: str = "/ws") -> bytes:
    """Beginning of the answer to a page of an origin that opens a websocket, with what browsers say of themselves."""
    more = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
    more |= {"Sec-WebSocket-Key": "SGVsbG8sIHdvcmxkIQ==", "Sec-WebSocket-Protocol": "bokeh, a", "Origin": origin}
    more |= {"Sec-WebSocket-Extensions": "permessage-deflate; client_max_window_bits"}
    with socket.create_connection(("127.0.0.1", server.port), SOON) as link:
        lines = [f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{server.port}", *(f"{k}: {v}" for k, v in more.items())]
        link.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        return link.recv(1024)


def test_server__compresses_what_it_sends(server: Any) -> None:
    assert b"permessage-deflate" in answer(server, f"http://127.0.0.1:{server.port}")
    script = "/static/js/bokeh.min.js"
    whole, short = (ask(server, script, **{"Accept-Encoding": coding}) for coding in ("identity", "gzip"))
    assert "Content-Encoding" not in whole[1]
    assert short[1]["Content-Encoding"] == "gzip"
    assert gzip.decompress(short[2].encode("latin-1")) == whole[2].encode("latin-1")
    assert len(short[2]) < 0.4 * len(whole[2])
    # whose length would tell of what is secret in it
    assert "Content-Encoding" not in ask(server, **{"Accept-Encoding": "gzip"})[1]


def test_server__tells_browsers_to_keep_other_pages_away(server: Any) -> None:
    for path in ("/", "/favicon.ico", "/nothing", "/autoload.js"):
        _, headers, _ = ask(server, path)
        assert {name: headers[name] for name in HEADERS} == HEADERS
        policy = headers["Content-Security-Policy"]
        assert "frame-ancestors 'none'" in policy
        assert f"connect-src 'self' blob: data: ws://127.0.0.1:{server.port} " in policy


def test_server__answers_403_to_a_host_that_it_was_not_started_for(server: Any) -> None:
    for host in ("127.0.0.1", "localhost", f"LOCALHOST:{server.port}", f"[::1]:{server.port}", ALLOWED):
        assert ask(server, host=host)[0] == 200
    for host in ("evil.example", f"evil.example:{server.port}", "127.0.0.1.evil.example", "192.168.1.1"):
        for path in ("/", "/favicon.ico", "/ws", "/metadata"):
            status, _, body = ask(server, path, host=host)
            assert status == 403
            assert body.startswith("this explorer was not started for that host")


def test_server__opens_websockets_for_its_own_pages_only(server: Any) -> None:
    port = server.port
    for origin in (f"http://127.0.0.1:{port}", f"http://localhost:{port}", f"https://{ALLOWED}:443"):
        assert upgrade(server, origin) == 101
    for origin in ("http://evil.example", f"http://evil.example:{port}", "null"):
        assert upgrade(server, origin) == 403


def test_server__makes_no_page_for_a_request_alone(server: Any, pages: list[int]) -> None:
    for _ in range(10):
        assert ask(server, "/?store=0")[0] == 200
    assert pages == server.get_sessions() == []
    with pull_session(url=f"http://127.0.0.1:{server.port}/") as visit:
        assert "a page of a store" in str(visit.document.to_json())
        assert pages == [1]
        assert len(server.get_sessions()) == 1


def test_server__has_no_more_pages_than_it_can(server: Any, pages: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "MOST_VISITS", 1)
    url = f"http://127.0.0.1:{server.port}/"
    with pull_session(url=url) as first, pull_session(url=url) as second:
        told = [str(visit.document.to_json()) for visit in (first, second)]
    assert pages == [1]
    assert "1 pages of this explorer are open" not in told[0]
    assert "1 pages of this explorer are open" in told[1]


@pytest.mark.parametrize("query", ["", "?bokeh-autoload-element=x", "?bokeh-autoload-element=x&bokeh-absolute-url=x"])
def test_server__is_not_embedded_by_a_script(server: Any, caplog: pytest.LogCaptureFixture, query: str) -> None:
    assert ask(server, f"/autoload.js{query}")[0] == 400
    assert server.get_sessions() == []
    assert "Traceback" not in caplog.text


def test_server__refuses_long_addresses(server: Any) -> None:
    assert ask(server, "/?where=" + "a" * (MOST_ADDRESS - 8))[0] == 200
    assert ask(server, "/?where=" + "a" * (MOST_ADDRESS - 7))[0] == 414


def test_server__logs_a_part_of_what_comes_from_outside(server: Any) -> None:
    told: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: told.append(record.getMessage())  # type: ignore[method-assign]
    for name in LOGS:
        logging.getLogger(name).addHandler(handler)
    try:
        upgrade(server, f"http://127.0.0.1:{server.port}", "/ws?where=" + "a" * 4000)
        upgrade(server, "http://evil.example/" + "b" * 8000)
        ask(server, "/favicon.ico")  # answered after what was asked before
    finally:
        for name in LOGS:
            logging.getLogger(name).removeHandler(handler)
    assert any("GET /ws?where=aaa" in line for line in told)
    assert any("http://evil.example/bbb" in line for line in told)
    assert all(len(line) < MOST_TOLD + 40 and line.isprintable() for line in told)


def test_hosts_of__are_those_that_lead_to_the_server() -> None:
    assert hosts_of("127.0.0.1") == hosts_of("localhost") == {"127.0.0.1", "::1", "localhost"}
    assert hosts_of("10.0.0.7", ["proxy.example.org:443", "[fd00::1]:80"]) == {
        "10.0.0.7", "proxy.example.org", "fd00::1",
    }  # fmt: skip
    everywhere = hosts_of("0.0.0.0")
    assert {"localhost", "127.0.0.1", socket.gethostname().lower()} <= everywhere
    assert "0.0.0.0" in everywhere
    assert origins_of(["::1", "a"], 80) == {"[::1]:80", "a:80"}


@pytest.mark.parametrize("link", ["http://127.0.0.1:8787/status", None])
def test_server__leads_to_the_dashboard_of_a_cluster_if_there_is_one(
    server: Any, monkeypatch, link: str | None
) -> None:
    client = SimpleNamespace(dashboard_link=link)
    monkeypatch.setattr("xfeldask.explorer.dask_link.active_client", lambda: client)
    status, headers, _ = ask(server, "/dask")
    assert (status, headers.get("Location")) == ((302, link) if link else (404, None))


@pytest.mark.parametrize(
    ("site", "status"), [("cross-site", 403), ("same-site", 403), ("same-origin", 302), ("none", 302)]
)
def test_server__starts_no_cluster_for_another_page(server: Any, monkeypatch, site: str, status: int) -> None:
    asked: list[SimpleNamespace] = []

    def client() -> SimpleNamespace:
        asked.append(SimpleNamespace(dashboard_link="http://127.0.0.1:8787/status"))
        return asked[-1]

    monkeypatch.setattr("xfeldask.explorer.dask_link.active_client", client)
    assert (ask(server, "/dask", **{"Sec-Fetch-Site": site})[0], len(asked)) == (status, status == 302)


def test_server_with_a_password__starts_no_cluster_for_who_has_not_given_it(monkeypatch) -> None:
    asked: list[int] = []
    monkeypatch.setattr("xfeldask.explorer.dask_link.active_client", lambda: asked.append(1))
    with running(password="open sesame") as server:
        status, headers, _ = ask(server, "/dask")
    assert (status, asked) == (302, [])
    assert headers["Location"].startswith("/login")
