"""The explorer as a visitor meets it: a server of its own, and its page in Debian's chromium."""

from __future__ import annotations

import html
import json
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import parse_qsl, urlencode, urlsplit

import numpy as np
from numpy.typing import NDArray

from xfeldask.store.choosing.columns import Shots
from xfeldask.store.storage.urls import StorePath

if TYPE_CHECKING:
    from playwright.sync_api import ViewportSize

ROOT = Path(__file__).resolve().parents[2]
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
VIEWPORT: ViewportSize = {"width": 1500, "height": 1000}
READY = "() => window.Bokeh && Bokeh.documents.length && Bokeh.documents[0].is_idle"
WAIT = 180_000
"""Longest that anything on the page may take on a busy machine [ms]; a page itself may take four times as long."""
OFTEN = 50
"""From one look at the page to the next [ms]: those of each frame would keep it busy."""

GONE = re.compile(
    r"^[^\n]*never retrieved\nfuture: [^\n]*WebSocketClosedError\(\)>\n"
    r".*?^tornado\.websocket\.WebSocketClosedError[^\n]*\n"
    r"|^[^\n]*panel\.io\.document - Failed sending message as connection was closed\n",
    re.MULTILINE | re.DOTALL,
)
"""What the server logs when a visitor leaves while something is being sent to them."""

HELPERS = """
() => {
  if (window.explorer) return;
  const views = () => {
    const found = new Set();
    const add = v => { if (v && !found.has(v)) { found.add(v); (v.child_views ?? []).forEach(add); } };
    (Bokeh.index.roots ?? Object.values(Bokeh.index)).forEach(add);
    return [...found];
  };
  const glyphs = v => v.model.renderers.map(r => r.glyph?.type);
  const plots = () => views().filter(v => v.model?.type == "Figure" && v.frame);
  const plane = () => plots().find(v => glyphs(v).includes("ImageRGBA"));
  const cards = () => plots().filter(v => glyphs(v).includes("Image"));
  const drawn = (v, kind) => v.model.renderers.find(r => r.glyph?.type == kind);
  const image = v => {
    const renderer = drawn(v, "Image"), data = renderer.data_source.data, one = data.image[0];
    return {values: Array.from(one), shape: one.shape, visible: renderer.visible,
            extent: ["x", "y", "dw", "dh"].map(k => data[k][0])};
  };
  const frame = () => {
    const v = plane(), box = v.frame.bbox, at = v.el.getBoundingClientRect(), {x_range, y_range} = v.model;
    return {left: at.left + box.left, top: at.top + box.top, width: box.width, height: box.height,
            x: [x_range.start, x_range.end], y: [y_range.start, y_range.end]};
  };
  // rings: the first two scatters mark the pinned shot, the other two the one under the pointer
  const marks = i => plane().model.renderers.filter(r => r.glyph?.type == "Scatter")[i].data_source.data;
  const texts = () => views().filter(v => typeof v.model?.text == "string").map(v => v.model.text);

  // whether the picture of the latent plot is of the size and of the ranges that the plot has, and has them still
  let before = null;
  const near = (a, b) => Math.abs(a - b) <= 1e-9 * Math.max(Math.abs(a), Math.abs(b));
  const settled = () => {
    if (!plane() || !Bokeh.documents[0].is_idle || document.fonts.status != "loaded") return false;
    const {image, x, y, dw, dh} = drawn(plane(), "ImageRGBA").data_source.data, [rows, columns] = image[0].shape;
    const now = frame(), same = JSON.stringify(now) == before;
    before = JSON.stringify(now);
    return same && columns == Math.round(now.width) && rows == Math.round(now.height)
      && near(x[0], now.x[0]) && near(x[0] + dw[0], now.x[1]) && near(y[0], now.y[0]) && near(y[0] + dh[0], now.y[1]);
  };

  // whether a tab holds something, and all of it stands
  const opened = name => {
    const all = views(), bar = all.find(v => v.model?.name == "Tabs");
    const parts = all.find(v => v.child_views?.includes(bar));
    const box = parts?.child_views.find(v => v.model.name == name);
    const within = v => [v, ...(v.child_views ?? []).flatMap(within)];
    return box?.model.visible && box.child_views.length > 0
      && !box.child_views.some(v => v.model.css_classes.includes("working")) && Bokeh.documents[0].is_idle
      && within(box).every(v => v.has_finished());
  };

  // from a gesture to the frame in which everything that it changes is painted
  let from = null, kind = null, missing = new Map(), result = null;
  for (const name of ["pointermove", "pointerup", "wheel"])
    window.addEventListener(name, e => { if (kind == name && from == null) from = e.timeStamp; }, true);
  const watch = name => {
    const watched = name == "pointermove" ? cards().slice(0, 2).map(v => [v, "Image"]) : [[plane(), "ImageRGBA"]];
    missing = new Map(watched.map(([v]) => [v, "old"]));
    for (const [v, glyph] of watched) {
      if (v.watched) continue;
      v.watched = true;
      drawn(v, glyph).data_source.properties.data.change.connect(() => {
        if (from != null && missing.get(v) == "old") missing.set(v, "new");
      });
      const paint = v.paint.bind(v);
      v.paint = (...all) => {
        paint(...all);
        if (missing.get(v) != "new") return;
        missing.delete(v);
        if (missing.size > 0) return;
        const channel = new MessageChannel();   // runs after the frame
        channel.port1.onmessage = () => { result = performance.now() - from; kind = null; };
        channel.port2.postMessage(0);
      };
    }
    from = null; result = null; kind = name;
  };
  const took = () => result;
  window.explorer = {views, plots, plane, cards, image, frame, marks, texts, settled, opened, watch, took};
}
"""


def find_chromium() -> str | None:
    """Debian's chromium, if it is installed."""
    return shutil.which("chromium")


SERVE = """
import sys
from xfeldask.explorer.serving import serve
from xfeldask.explorer.serving_options import read_options
serve(read_options(sys.argv[1:], {{}}), port={port})
"""


class Server:
    """A server of some stores, a process of its own, as `xfeldask explore` has it; ends with the context.

    Parameters
    ----------
    folder : where its log is kept
    stores : to be served, in this order, there or not
    flags : if given, `panel serve` serves them, with these words for itself
    port : to listen on; a free one by default
    allow_write : whether pages may write into the stores
    """

    def __init__(
        self,
        folder: Path,
        stores: Sequence[StorePath],
        flags: Sequence[str] | None = None,
        port: int = 0,
        allow_write: bool = False,
    ) -> None:
        self.log, self._page = folder / "server.log", "" if flags is None else "dashboard"
        named = [word for store in stores for word in ("--store", str(store))]
        if flags is None:
            named += ["--allow-write"] if allow_write else []
            self._command = [sys.executable, "-c", SERVE.format(port=port), *named]
            return
        command = [sys.executable, "-m", "panel", "serve", str(ROOT / "xfeldask" / "dashboard.py")]
        self._command = [*command, "--port", "0", "--address", "127.0.0.1", *flags, "--args", *named]

    def __enter__(self) -> Self:
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(self._command, stdout=log, stderr=subprocess.STDOUT, cwd=ROOT,
                                            env=os.environ | {"PYTHONUNBUFFERED": "1"})  # fmt: skip
        end = time.monotonic() + 4 * WAIT / 1000
        while not (found := re.search(r"(?:running at:|server at) http://127\.0\.0\.1:(\d+)", self.told())):
            if self.process.poll() is not None or time.monotonic() > end:
                self.__exit__()
                raise RuntimeError(f"the server did not start:\n{self.told()}")
            time.sleep(0.05)
        self.port = int(found[1])
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def told(self) -> str:
        """All that it wrote."""
        return self.log.read_text(errors="replace")

    def faults(self, since: int = 0) -> str:
        """The log from a character on if it tells of something wrong, else nothing; `GONE` is no fault."""
        told = GONE.sub("", self.told()[since:])
        return told if re.search(r"error|traceback|warning|exception", told, re.IGNORECASE) else ""

    def address(self, **query: object) -> str:
        """Address of a page."""
        return f"http://127.0.0.1:{self.port}/{self._page}" + ("?" + urlencode(query) if query else "")

    def sessions(self) -> int:
        """Sessions that are still there, by Panel's own count; needs ``--rest-session-info``."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/rest/session_info") as answer:
            return int(json.load(answer)["session_info"]["live"])


@dataclass(frozen=True)
class Frame:
    """Where the latent plot lies on the screen, and what it shows.

    Attributes
    ----------
    left, top, width, height : [pixels of the page]
    x, y : (first, last) of the ranges
    """

    left: float
    top: float
    width: float
    height: float
    x: tuple[float, float]
    y: tuple[float, float]

    def pixels(self, x: NDArray[Any], y: NDArray[Any]) -> NDArray[np.float64]:
        """Places on the screen, (n, 2)."""
        (x0, x1), (y0, y1) = self.x, self.y
        across = self.left + (np.asarray(x, np.float64) - x0) / (x1 - x0) * self.width
        return np.column_stack([across, self.top + (y1 - np.asarray(y, np.float64)) / (y1 - y0) * self.height])

    def inside(self, places: NDArray[np.float64], margin: float = 0) -> NDArray[np.bool_]:
        """Which places lie within the plot, bool (n,)."""
        x, y = places.T
        across = (x >= self.left + margin) & (x <= self.left + self.width - margin)
        return np.asarray(across & (y >= self.top + margin) & (y <= self.top + self.height - margin))


class Visit:
    """A page of the explorer in a browser, with everything that went wrong on it.

    Parameters
    ----------
    page : of Playwright

    Attributes
    ----------
    faults : of the page
    warnings : of what draws it, such as of a scale without end
    """

    def __init__(self, page: Any) -> None:
        self.page = page
        page.set_default_timeout(WAIT)
        self.faults: list[str] = []
        self.warnings: list[str] = []
        told = {"error": self.faults, "warning": self.warnings}
        page.on("console", lambda m: told[m.type].append(f"console: {m.text}") if m.type in told else None)
        page.on("pageerror", lambda error: self.faults.append(f"page: {error}"))
        page.on("dialog", lambda dialog: (self.faults.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        page.on("request", self._asked)

    def _asked(self, request: Any) -> None:
        if not re.match(r"(https?|wss?)://(127\.0\.0\.1|localhost)[:/]|data:|blob:|about:", request.url):
            self.faults.append(f"asked outside: {request.url}")

    def open(self, address: str) -> Self:
        """Go to an address and wait until its page stands."""
        # the first visitor waits for the server to import everything
        self.page.goto(address, timeout=4 * WAIT)
        self.page.wait_for_function(READY, polling=OFTEN, timeout=4 * WAIT)
        self.page.evaluate(HELPERS)
        return self

    def ask(self, expression: str) -> Any:
        """The value of some JavaScript."""
        return self.page.evaluate(expression)

    def until(self, condition: str, argument: Any = None) -> Any:
        """Wait until some JavaScript is true, and return what it then is."""
        return self.page.wait_for_function(condition, arg=argument, polling=OFTEN, timeout=WAIT).json_value()

    def settle(self) -> Frame:
        """Wait until the latent plot keeps its place, and has been drawn for its size and its ranges."""
        self.until("() => explorer.settled()")
        return self.frame()

    def frame(self) -> Frame:
        """The latent plot as it is now."""
        told = self.ask("() => explorer.frame()")
        return Frame(**{k: tuple(v) if isinstance(v, list) else v for k, v in told.items()})

    def image(self, card: int) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """What a card shows, the reciprocal space being card 0, and how it is shown."""
        told = self.ask(f"() => explorer.image(explorer.cards()[{card}])")
        values = np.array([np.nan if v is None else v for v in told.pop("values")], np.float32)
        return values.reshape(told["shape"]), told

    def texts(self) -> str:
        """All text of the page that comes from HTML panes, as people read it."""
        joined = html.unescape(" | ".join(self.ask("() => explorer.texts()")))
        return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", joined)))

    def reads(self, text: str) -> None:
        """Wait until a text can be read somewhere on the page."""
        self.page.get_by_text(text).first.wait_for(state="attached", timeout=WAIT)

    def point(self, place: Sequence[float] | NDArray[np.float64]) -> None:
        """Move the pointer."""
        self.page.mouse.move(float(place[0]), float(place[1]))

    def drag(self, path: NDArray[np.float64]) -> None:
        """Press at the first place, move along the others, release."""
        self.point(path[0])
        self.page.mouse.down()
        for place in path[1:]:
            self.point(place)
        self.page.mouse.up()

    def clear(self) -> None:
        """Select nothing."""
        self.page.get_by_role("button", name="clear", exact=True).click()
        self.reads("shots · 0 selected")

    def tool(self, name: str) -> None:
        """Take up a tool of the latent plot."""
        self.ask(
            "() => { const bar = explorer.plane().model.toolbar; "
            f"bar.tools.find(t => t.type == '{name}').active = true; }}"
        )

    def tab(self, name: str) -> None:
        """Open a tab, and wait until what it holds stands."""
        self.page.get_by_role("tab", name=name, exact=True).click()
        self.until("name => explorer.opened(name)", name)

    def query(self) -> dict[str, str]:
        """The state that the address carries."""
        return dict(parse_qsl(urlsplit(self.page.url).query))


def alone(shots: Shots, frame: Frame, x: str = "c0", y: str = "c1", apart: float = 4) -> NDArray[np.int64]:
    """Shots in the middle of the plot that no other one is near to, the loneliest first."""
    places = frame.pixels(shots.column(x).values, shots.column(y).values)
    away = np.linalg.norm(places[:, None] - places[None], axis=2)
    np.fill_diagonal(away, np.inf)
    nearest = np.where(frame.inside(places, 20), away.min(axis=1), 0)
    found = np.argsort(-nearest, kind="stable")
    return found[nearest[found] > apart]
