"""A store, the same store lacking this or that, a server of all of them, and a browser."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.explorer.browsing import FLAGS, VIEWPORT, Server, Visit, find_chromium
from xfeldask import embed, simulate
from xfeldask.explorer.model.columns import Shots
from xfeldask.schema import named
from xfeldask.store.run import open_run

N = 400
HITS = {0: 0.1, 1: 0.7, 2: 0.2}
HOSTILE = "<img src=x onerror=alert(1)>.zarr"
KINDS = ("whole", "no truth", "no embedding", "missing", "empty", HOSTILE)
"""What is served, in the order in which addresses count stores."""


@pytest.fixture(scope="session")
def stores(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Stores of a few hundred shots by what they are."""
    folder = tmp_path_factory.mktemp("stores")
    found = {kind: folder / kind for kind in KINDS}
    whole = found["whole"]
    simulate(whole, particle="chaperonin", detector="square-64", n_shots=N, hits=HITS, seed=5, progress=False)
    shutil.copytree(whole, found["no embedding"])
    embed(whole, name="pairs", progress=False)
    embed(whole, name="second", features={"name": "unit_root"}, sort=None, progress=False)
    shutil.copytree(whole, found["no truth"])
    for variable in named("truth"):
        shutil.rmtree(found["no truth"] / variable.name)
    shutil.copytree(whole, found[HOSTILE])
    found["empty"].mkdir()
    return found


@pytest.fixture(scope="session")
def shots(stores: dict[str, Path]) -> Shots:
    """What the library reads from the whole store."""
    return Shots.of(open_run(stores["whole"]), "pairs")


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


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Any]:
    """A browser; for a module only, as Playwright keeps an event loop that others would stumble over."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=chromium, args=FLAGS)


@pytest.fixture(scope="session")
def server(chromium: str, stores: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of all stores."""
    with Server(tmp_path_factory.mktemp("server"), [stores[kind] for kind in KINDS]) as server:
        yield server


@pytest.fixture
def visit(browser: Any, server: Server) -> Iterator[Visit]:
    """A page of the server, on which, as in the server's log, nothing may go wrong."""
    page = browser.new_page(viewport=VIEWPORT)
    visit, told = Visit(page), len(server.told())
    yield visit
    page.close()
    assert visit.faults == []
    assert server.faults(told) == ""
