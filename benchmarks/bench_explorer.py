"""The explorer in a browser without a screen: from the pointer to the painted frame, and what visitors leave behind.

Chromium draws without a graphics card here, as on a machine without one. Browser and server share the machine's
cores. Times are taken inside the page, from a gesture's own time stamp to the end of the frame in which everything
that it changes was painted.
"""

from __future__ import annotations

import contextlib
import os
import statistics
import time
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from numpy.typing import NDArray

from benchmarks.common import Folder, effort, measures
from benchmarks.synthetic_million import EMBEDDING, synthetic_store
from tests.explorer.browsing import FLAGS, READY, VIEWPORT, Frame, Server, Visit, find_chromium
from xfeldask.explorer.ahead import QUIET
from xfeldask.store.choosing.columns import Shots
from xfeldask.store.run import open_run
from xfeldask.store.storage.urls import StorePath

GIVEN = os.environ.get("XFELDASK_BENCH_STORE", "")
"""Path of a store with an embedding to look at instead of synthetic ones."""
SHOTS = {"100K": 100_000, "1M": 1_000_000}
SIZES = [Path(GIVEN).name] if GIVEN else list(SHOTS)
PAUSE = 250
"""Between gestures, as a hand makes it [ms]."""
CYCLES = 10
MiB = 2**20


class _Visited(Folder):
    """Mixin: a synthetic store, its server, and a page that has been open once before."""

    params = (SIZES,)
    param_names = ("shots",)
    timeout = 1800
    viewport = VIEWPORT
    flags: tuple[str, ...] | None = ("--rest-session-info",)
    """As `Server` takes them."""

    def setup(self, shots: str) -> None:
        path = find_chromium()
        if path is None:
            raise NotImplementedError("chromium is not installed")
        try:
            from playwright.sync_api import sync_playwright
        except ModuleNotFoundError as error:
            raise NotImplementedError(f"{error.name} is not installed") from None

        folder = self.make_folder()
        self.stack = contextlib.ExitStack()
        store = self._store(folder, shots)
        self.shots = Shots.of(open_run(store), None if GIVEN else EMBEDDING)
        self.server = self.stack.enter_context(Server(folder, [store], self.flags))
        self.browser = self.stack.enter_context(sync_playwright()).chromium.launch(executable_path=path, args=FLAGS)
        self._open().page.close()

    def _store(self, folder: Path, shots: str) -> StorePath:
        """Make the store that is looked at."""
        return Path(GIVEN) if GIVEN else synthetic(folder, SHOTS[shots])

    def teardown(self, *_: object) -> None:
        if hasattr(self, "stack"):
            self.stack.close()
        super().teardown()

    def _open(self) -> Visit:
        return Visit(self.browser.new_page(viewport=self.viewport)).open(self.server.address())

    def _took(self, visit: Visit, event: str, gesture: Any) -> float:
        """From a gesture to its frame [ms]."""
        visit.ask(f"() => explorer.watch('{event}')")
        gesture()
        visit.until("() => explorer.took() != null")
        took = float(visit.ask("() => explorer.took()"))
        visit.page.wait_for_timeout(PAUSE)
        return took

    def _page_seconds(self) -> float:
        """From an address entered to the page at rest, the browser's cache warm, nobody else having come just before.

        Median [s].
        """
        context = self.browser.new_context(viewport=self.viewport)
        seconds = []
        for _ in range(effort(1, 5) + 1):
            page = context.new_page()
            # until the server has made a page ahead
            page.wait_for_timeout(effort(0, round(3_000 * QUIET)))
            start = time.perf_counter()
            page.goto(self.server.address())
            page.wait_for_function(READY, timeout=60_000)
            seconds.append(time.perf_counter() - start)
            page.close()
        return statistics.median(seconds[1:])


class Hover(_Visited):
    """From shot to shot with a pause between; on the way between two gestures the pointer touches nothing."""

    @cached_property
    def times(self) -> NDArray[np.float64]:
        """Of each move, after three that warm up [ms]."""
        visit = self._open()
        places = _places(self.shots, visit.settle())
        rng = np.random.default_rng(7)
        some = places[rng.choice(len(places), effort(2, 100) + 3)]
        times = [self._took(visit, "pointermove", lambda at=at: visit.point(at)) for at in some]
        visit.page.close()
        return np.array(times[3:])

    @measures("ms")
    def track_hover_half(self, shots: str) -> float:
        """pointer moved to both images painted, median"""
        return float(np.median(self.times))

    @measures("ms", "100 or less at 100K, 150 or less at 1M")
    def track_hover_most(self, shots: str) -> float:
        """pointer moved to both images painted, 95 of 100"""
        return float(np.quantile(self.times, 0.95))


class Gestures(_Visited):
    """Lassos around a tenth to most of the shots, and steps of the wheel."""

    params = (SIZES[-1:],)

    def setup(self, shots: str) -> None:
        super().setup(shots)
        self.visit = self._open()
        self.frame = self.visit.settle()
        # what the page does after it was first drawn belongs to no gesture
        self.visit.page.wait_for_timeout(4 * PAUSE)
        self.middle = np.median(_places(self.shots, self.frame), axis=0)

    @measures("ms", "200 or less")
    def track_lasso(self, shots: str) -> float:
        """lasso released to the selection drawn, median"""
        return statistics.median(self._lasso(size) for size in np.linspace(30, 200, effort(1, 15)))

    def _lasso(self, size: float) -> float:
        angle = np.linspace(0, 2 * np.pi, 40)
        path = self.middle + size * np.column_stack([np.cos(angle), np.sin(angle)])
        self.visit.point(path[0])
        # pressed while a busy page shows what is under the pointer, the button begins no lasso
        self.visit.page.wait_for_timeout(PAUSE)
        self.visit.page.mouse.down()
        for place in path[1:]:
            self.visit.point(place)
        self.visit.page.wait_for_timeout(PAUSE)
        return self._took(self.visit, "pointerup", self.visit.page.mouse.up)

    @measures("ms", "150 or less")
    def track_zoom(self, shots: str) -> float:
        """a step of the wheel to the plot drawn anew, median"""
        self.visit.point(self.middle)
        self.visit.page.wait_for_timeout(PAUSE)
        steps = [(-1) ** i * 120 for i in range(effort(2, 20))]
        return statistics.median(
            self._took(self.visit, "wheel", lambda step=step: self.visit.page.mouse.wheel(0, step)) for step in steps
        )


class Visits(_Visited):
    """A page opened and closed, by a server that has shown it before; the browser's cache is warm."""

    @measures("s", "3 or less")
    def track_first_page(self, shots: str) -> float:
        """address entered to page at rest, median"""
        return self._page_seconds()

    @cached_property
    def left(self) -> tuple[int, float]:
        """Sessions that stay, and growth of the server's memory [MiB] for each of the pages opened and closed."""
        process = psutil.Process(self.server.process.pid)
        for _ in range(effort(1, 3)):
            self._open().page.close()
        self._gone()
        before = process.memory_info().rss
        cycles = effort(1, CYCLES)
        for _ in range(cycles):
            self._open().page.close()
        return self._gone(), max(0.0, process.memory_info().rss - before) / MiB / cycles

    def _gone(self) -> int:
        """Sessions that are there when none goes any more."""
        for _ in range(effort(5, 60)):
            if not (still := self.server.sessions()):
                break
            time.sleep(1)
        return still

    @measures("sessions", "0")
    def track_sessions_left(self, shots: str) -> float:
        """sessions left after pages were closed"""
        return self.left[0]

    @measures("MiB")
    def track_growth(self, shots: str) -> float:
        """growth of the server's memory a page opened and closed"""
        return self.left[1]


def synthetic(folder: Path, shots: int) -> Path:
    """Make a store of so many shots, or of few where there is little time."""
    small = {"detector": "square-64"} if effort(True, False) else {}
    return synthetic_store(folder / "synthetic.zarr", effort(2048, shots), **small)


def _places(shots: Shots, frame: Frame) -> NDArray[np.float64]:
    """Shots on the screen that lie within the plot, (n, 2)."""
    places = frame.pixels(*shots.latent[:, :2].T)
    return places[frame.inside(places, 20)]
