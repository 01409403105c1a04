"""What a built page asks of the network: nothing. A page that does is a warning, which fails the build."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sphinx.application import Sphinx

LOADED = {"script": ("src",), "img": ("src", "srcset"), "iframe": ("src",), "source": ("src",), "object": ("data",)}
OUTSIDE = re.compile(r"^\s*(https?:)?//")
IN_STYLE = re.compile(r"""(?:@import\s+|url\()\s*["']?((?:https?:)?//[^"')\s]+)""")


class Requests(HTMLParser):
    """Addresses that a browser asks for by itself when it shows a page."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = dict(attrs)
        names = LOADED.get(tag, ())
        if tag == "link" and told.get("rel") not in ("canonical", "author", "license", "next", "prev", "search"):
            names = ("href",)
        self.found += [value for name in names if (value := told.get(name)) and OUTSIDE.match(value)]

    def handle_data(self, data: str) -> None:
        self.found += IN_STYLE.findall(data) if self.lasttag == "style" else []


def outside_requests(folder: Path) -> Iterator[tuple[Path, str]]:
    """Yield each page or style sheet in `folder` with an address that it loads from elsewhere."""
    for page in sorted(folder.rglob("*.html")):
        parser = Requests()
        parser.feed(page.read_text("utf-8"))
        yield from ((page, address) for address in parser.found)
    for sheet in sorted(folder.rglob("*.css")):
        yield from ((sheet, address) for address in IN_STYLE.findall(sheet.read_text("utf-8")))


def check(app: Sphinx, exception: Exception | None) -> None:
    from sphinx.util import logging

    if exception is None and app.builder.format == "html":
        for page, address in outside_requests(Path(app.outdir)):
            logging.getLogger(__name__).warning("%s loads %s", page.relative_to(app.outdir), address)


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("build-finished", check)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
