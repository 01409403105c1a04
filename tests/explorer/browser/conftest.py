"""A server of all kinds of stores, a browser, and its pages."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.explorer.browsing import FLAGS, VIEWPORT, Server, Visit, find_chromium
from tests.explorer.conftest import KINDS

LOOKS = 50
"""At a page that is not as it was at first, before it is taken for changed."""
SERVED = (*KINDS, "growing")
"""Kinds of stores in the order in which addresses count them; the last one is made, and written, by tests."""


@pytest.fixture(scope="session")
def chromium() -> str:
    """Debian's chromium."""
    path = find_chromium()
    if path is None:
        told = "chromium is not installed: apt-get install chromium"
        if os.environ.get("CI"):
            pytest.fail(told)
        pytest.skip(told)
    return path


@pytest.fixture(scope="session")
def growing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the server looks for a store that is not there yet."""
    return tmp_path_factory.mktemp("growing") / "growing"


@pytest.fixture(scope="session")
def server(
    chromium: str, stores: dict[str, Path], growing: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """A server of all stores."""
    paths = stores | {"growing": growing}
    with Server(tmp_path_factory.mktemp("server"), [paths[kind] for kind in SERVED]) as server:
        yield server


@pytest.fixture(scope="package")
def browser(chromium: str) -> Iterator[Any]:
    """A browser with what it keeps of files; for a package only, as Playwright's event loop would disturb others."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=chromium, args=FLAGS).new_context(viewport=VIEWPORT)


@pytest.fixture
def visit(browser: Any, server: Server) -> Iterator[Visit]:
    """A page of the server, on which, as in the server's log, nothing may go wrong."""
    visit, told = Visit(browser.new_page()), len(server.told())
    yield visit
    visit.page.close()
    assert visit.faults == []
    assert server.faults(told) == ""


@pytest.fixture(scope="package")
def small(browser: Any, server: Server) -> Iterator[Visit]:
    """A page of 1280 by 800 pixels, for what depends neither on its theme nor on the tabs that were opened on it."""
    visit = Visit(browser.new_page())
    visit.page.set_viewport_size({"width": 1280, "height": 800})
    yield visit.open(server.address(embedding="pairs"))
    visit.page.close()
    assert visit.faults == []


class Standing:
    """A page that tests share, as it takes far longer to open than to use; opened anew after one that left it changed.

    Parameters
    ----------
    browser : of Playwright
    address : of the page
    """

    def __init__(self, browser: Any, address: str) -> None:
        self._browser, self._address = browser, address
        self._visit: Visit | None = None
        self._first: tuple[Any, ...] = ()

    def take(self) -> Visit:
        """Return the page as it is at first, but for the tab that is open and the shot that is pinned."""
        if self._visit is not None and not self._is_as_at_first(self._visit):
            self._visit.page.close()
            self._visit = None
        if self._visit is None:
            visit = Visit(self._browser.new_page()).open(self._address)
            visit.settle()
            self._visit, self._first = visit, self._state(visit)
        return self._visit

    def _is_as_at_first(self, visit: Visit) -> bool:
        for _ in range(LOOKS):
            if visit.faults or self._state(visit) == self._first:
                break
            # the address follows the plot, and both follow what the test before did last
            visit.page.wait_for_timeout(100)
        return not visit.faults and self._state(visit) == self._first

    @staticmethod
    def _state(visit: Visit) -> tuple[Any, ...]:
        where = {"x": "c0", "y": "c1", "colour": "verdict"} | visit.query()
        where.pop("shot", None)
        new = visit.page.get_by_role("button", name="replace", exact=True).get_attribute("aria-pressed")
        return where, new, visit.frame(), re.findall(r"shots · [\d,]+ selected", visit.texts())


@pytest.fixture(scope="package")
def standing(browser: Any, server: Server) -> Standing:
    """The page of the whole store in its first latent space."""
    return Standing(browser, server.address(embedding="pairs"))


@pytest.fixture
def page(standing: Standing, server: Server) -> Iterator[Visit]:
    """The whole store in its first latent space; a page that is shared, and on which nothing may go wrong."""
    told = len(server.told())
    visit = standing.take()
    yield visit
    assert visit.faults == []
    assert server.faults(told) == ""
