"""What the explorer sends, how long it takes through a slow line, and what five visitors at once have of it.

Bytes are counted where they leave the server, compressed as they are.
``XFELDASK_BENCH_STORE`` names a store to look at.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import numpy as np
import psutil
from numpy.typing import NDArray

from benchmarks.bench_explorer import PAUSE, SIZES, MiB, _places, _Visited
from benchmarks.common import effort, measures
from benchmarks.line import Line
from tests.explorer.browsing import Visit

if TYPE_CHECKING:
    from playwright.sync_api import ViewportSize

WIDE: ViewportSize = {"width": 1920, "height": 1080}
SLOW, DELAY = 5e6, 0.025
"""Of a slow line: bits a second, and what it takes in each direction [s]."""
REST = 1_500
"""After how long nothing more comes of a gesture [ms]."""
VISITORS = 5


class Wire(_Visited):
    """One visitor behind a line, with a large window."""

    params = (SIZES[:1],)
    viewport = WIDE
    flags = None

    def setup(self, shots: str) -> None:
        super().setup(shots)
        self.line = self.stack.enter_context(Line())

    def _open(self) -> Visit:
        if not hasattr(self, "line"):
            return super()._open()
        return Visit(self._context().new_page()).open(self.server.address())

    def _context(self) -> Any:
        return self.browser.new_context(viewport=WIDE, proxy=self.line.proxy)

    @cached_property
    def visit(self) -> Visit:
        """A page at rest."""
        visit = self._open()
        visit.settle()
        visit.page.wait_for_timeout(4 * PAUSE)
        return visit

    @cached_property
    def places(self) -> NDArray[np.float64]:
        """Where some shots are on the screen, in random order."""
        found = _places(self.shots, self.visit.frame())
        return found[np.random.default_rng(7).choice(len(found), min(len(found), effort(4, 100)), replace=False)]

    def _sent(self, act: Callable[[], Any], until: str = "() => true", value: Any = None) -> int:
        """Bytes that come of a gesture, when something is true of the page and nothing more comes."""
        before = self.line.received
        act()
        self.visit.until(until, value)
        while True:
            now = self.line.received
            self.visit.page.wait_for_timeout(REST)
            if self.line.received == now:
                return now - before

    @measures("kB", "20 or less")
    def track_hover_bytes(self, shots: str) -> float:
        """sent for a shot under the pointer, median"""
        sent = []
        for at in self.places[: effort(3, 20)]:
            self.visit.ask("() => explorer.watch('pointermove')")
            sent.append(self._sent(partial(self.visit.point, at), "() => explorer.took() != null"))
        return statistics.median(sent[1:]) / 1e3

    @measures("ms", "150 or less")
    def track_hover_slow(self, shots: str) -> float:
        """pointer moved to both images painted, through 5 Mbit/s and 50 ms, 95 of 100"""
        visit = self.visit
        self.line.bits, self.line.delay = SLOW, DELAY
        try:
            times = [self._took(visit, "pointermove", partial(visit.point, at)) for at in self.places]
        finally:
            self.line.bits, self.line.delay = None, 0.0
        return float(np.quantile(times[effort(1, 3) :], 0.95))

    @measures("kB", "300 or less")
    def track_zoom_bytes(self, shots: str) -> float:
        """sent for a step of the wheel, most of some"""
        self.visit.point(np.median(self.places, axis=0))
        turn, sent = self.visit.page.mouse.wheel, []
        for step in [-120, 120] * effort(1, 4):
            self.visit.ask("() => explorer.watch('wheel')")
            sent.append(self._sent(partial(turn, 0, step), "() => explorer.took() != null"))
        return max(sent) / 1e3

    @measures("kB", "50 or less")
    def track_tap_bytes(self, shots: str) -> float:
        """sent for a shot that is tapped, all of it shown, after a first; median"""
        click = self.visit.page.mouse.click
        self.visit.tab("shot")
        other = "shot => new URLSearchParams(location.search).get('shot') != shot"
        sent = [
            self._sent(partial(click, *at), other, self.visit.query().get("shot"))
            for at in self.places[: effort(3, 11)]
        ]
        return statistics.median(sent[1:]) / 1e3

    @measures("kB", "1000 or less")
    def track_statistics_bytes(self, shots: str) -> float:
        """sent for the statistics of 100 shots, from the opening of the tab"""

        def add_up() -> None:
            self.visit.tab("statistics")
            self.visit.page.get_by_role("button", name="compute mean and sum").first.click()

        field = self.visit.page.get_by_label("select where")
        field.fill("shot < 100")
        field.press("Enter")
        self.visit.reads("100 selected")
        done = "() => explorer.views().some(v => /of 100 patterns/.test(v.model?.title?.text))"
        return self._sent(add_up, done) / 1e3

    @measures("kB", "2000 or less")
    def track_page_bytes(self, shots: str) -> float:
        """sent for a first page, of a browser that has nothing of it"""
        before, context = self.line.received, self._context()
        page = context.new_page()
        Visit(page).open(self.server.address()).settle()
        page.wait_for_timeout(REST)
        sent = self.line.received - before
        context.close()
        return sent / 1e3

    @measures("s", "2 or less")
    def track_page(self, shots: str) -> float:
        """address entered to page at rest, the browser's cache warm, 1920 x 1080, median"""
        return self._page_seconds()


class FiveVisitors(_Visited):
    """Pages of five visitors, all of whom move the pointer at once."""

    params = (SIZES[-1:],)
    flags = None

    @cached_property
    def met(self) -> tuple[float, list[float]]:
        """Memory of the server for each visitor [MiB], and from each move to its frame [ms]."""
        process = psutil.Process(self.server.process.pid)
        before = process.memory_info().rss
        visits = [self._open() for _ in range(VISITORS)]
        frames = [visit.settle() for visit in visits]
        visits[0].page.wait_for_timeout(4 * PAUSE)
        memory = max(0, process.memory_info().rss - before) / MiB / VISITORS
        rng, times = np.random.default_rng(7), []
        for n in range(effort(2, 40) + 2):
            at = [rng.choice(_places(self.shots, frame)) for frame in frames]
            for visit in visits:
                visit.ask("() => explorer.watch('pointermove')")
            for visit, place in zip(visits, at, strict=True):
                visit.point(place)
            for visit in visits:
                visit.until("() => explorer.took() != null")
            # the first ones warm up
            times += [float(visit.ask("() => explorer.took()")) for visit in visits] if n > 1 else []
            visits[0].page.wait_for_timeout(PAUSE)
        for visit in visits:
            visit.page.close()
        return memory, times

    @measures("ms", "200 or less")
    def track_hover(self, shots: str) -> float:
        """pointer moved to both images painted, five visitors at once, 95 of 100"""
        return float(np.quantile(self.met[1], 0.95))

    @measures("MiB")
    def track_memory(self, shots: str) -> float:
        """memory of the server for each visitor"""
        return self.met[0]
