"""What the explorer's server refuses, and what it tells browsers, so that no other page can use it.

A page in the same browser may send any request to this server and may show it in a frame. It cannot read what it gets
unless its own name leads here (DNS rebinding), and a frame can have its buttons clicked by people who do not see them.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Collection, Iterable
from ipaddress import ip_address
from typing import Any

import psutil
from bokeh.server.util import match_host
from tornado.httputil import HTTPHeaders, HTTPServerRequest
from tornado.routing import Matcher, PathMatches, Rule
from tornado.web import Application, OutputTransform, RequestHandler

MOST_ADDRESS = 4096
"""Characters of an address; what a page keeps in its own is far less."""
MOST_TOLD = 300
"""Characters of a request, or of anything else that comes from outside, in a line of the log."""
LOGS = ("tornado.access", "tornado.application", "tornado.general", "bokeh.server.views.ws")
"""Loggers that tell of requests."""
LOOPBACK = ("localhost", "127.0.0.1", "::1")
EVERYWHERE = ("", "0.0.0.0", "::")
HEADERS = {
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
POLICY = (
    "default-src 'self'; "
    # Bokeh makes functions of text
    "script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; "
    "style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; worker-src 'self' blob:; "
    "connect-src 'self' blob: data: {sockets}; "
    "object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
)
"""Content-Security-Policy; not all browsers count websockets to the server itself as 'self'."""


def hosts_of(address: str, origins: Iterable[str] = ()) -> frozenset[str]:
    """Return names and numbers by which a server may be called that listens on an address.

    Parameters
    ----------
    address : str, to listen on
    origins : ``host:port`` of pages that may use the server besides its own, such as those of a proxy

    Examples
    --------
    >>> sorted(hosts_of("127.0.0.1", ["beamline.example.org:443"]))
    ['127.0.0.1', '::1', 'beamline.example.org', 'localhost']
    """
    found = {address.lower(), *(_host(origin) for origin in origins)}
    if address in EVERYWHERE:
        cards = [card for cards in psutil.net_if_addrs().values() for card in cards]
        internet = (socket.AF_INET, socket.AF_INET6)
        found |= {card.address.partition("%")[0] for card in cards if card.family in internet}
        found |= {*LOOPBACK, socket.gethostname().lower()}
    elif address == "localhost" or _is_loopback(address):
        found |= {*LOOPBACK}
    return frozenset(found - {""})


def protect(app: Application, hosts: Collection[str]) -> None:
    """Let a server answer only what is meant for it, and tell browsers to keep other pages away from it.

    Parameters
    ----------
    app : tornado.web.Application, before it is started
    hosts : str, by which it may be called, without ports
    """
    refused: list[tuple[Matcher, int, str]] = [
        (_Foreign(hosts), 403, "this explorer was not started for that host; start it with --allow-origin HOST:PORT"),
        (_Long(), 414, f"an address has at most {MOST_ADDRESS} characters"),
        (PathMatches(r".*/autoload\.js"), 400, "the explorer is not made to be embedded in other pages"),
    ]
    app.default_router.rules[:0] = [
        Rule(matcher, _Refused, {"status": status, "sentence": sentence}) for matcher, status, sentence in refused
    ]
    app.add_transform(_Headers)
    for name in LOGS:
        logging.getLogger(name).addFilter(_SHORT)


def origins_of(hosts: Iterable[str], port: int) -> set[str]:
    """Return the origins of a server's own pages, ``host:port``.

    Examples
    --------
    >>> sorted(origins_of(["localhost", "::1"], 5006))
    ['[::1]:5006', 'localhost:5006']
    """
    return {f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host in hosts}


class _Foreign(Matcher):
    """Matches requests that call the server by a name that is not its own; hosts may have wildcards, as of Bokeh."""

    def __init__(self, hosts: Collection[str]) -> None:
        self._hosts, self._patterns = hosts, [host for host in hosts if "*" in host]

    def match(self, request: HTTPServerRequest) -> dict[str, Any] | None:
        name = request.host_name.strip("[]").lower()
        own = name in self._hosts or any(match_host(name, pattern) for pattern in self._patterns)
        return None if own else {}


class _Long(Matcher):
    """Matches requests of addresses that no page has."""

    def match(self, request: HTTPServerRequest) -> dict[str, Any] | None:
        return {} if len(request.uri or "") > MOST_ADDRESS else None


class _Refused(RequestHandler):
    """Answers with a status and a sentence, whatever is asked."""

    def initialize(self, status: int, sentence: str) -> None:
        self._status, self._sentence = status, sentence

    def prepare(self) -> None:
        self.set_status(self._status)
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.finish(self._sentence + "\n")


class _Headers(OutputTransform):
    """Adds headers to every answer, to those of errors too."""

    def __init__(self, request: HTTPServerRequest) -> None:
        self._sockets = f"ws://{request.host} wss://{request.host}"

    def transform_first_chunk(
        self,
        status_code: int,
        headers: HTTPHeaders,
        chunk: bytes,
        finishing: bool,  # noqa: ARG002
    ) -> tuple[int, HTTPHeaders, bytes]:
        for name, value in HEADERS.items():
            headers[name] = value
        headers["Content-Security-Policy"] = POLICY.format(sockets=self._sockets)
        return status_code, headers, chunk


class _Short(logging.Filter):
    """Shortens what is logged of requests, in one line without characters that terminals act on."""

    def filter(self, record: logging.LogRecord) -> bool:
        told = record.getMessage()
        shown = "".join(c if c.isprintable() else " " for c in told)
        record.msg = shown if len(shown) <= MOST_TOLD else f"{shown[:MOST_TOLD]} ... {len(shown):,} characters"
        record.args = ()
        return True


_SHORT = _Short()


def _host(origin: str) -> str:
    """Return the host of ``host:port``."""
    host, colon, port = origin.rpartition(":")
    return (host if colon and port.isdigit() else origin).strip("[]").lower()


def _is_loopback(address: str) -> bool:
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return False
