"""The pictures of the explorer in the documentation, made anew.

Run ``make demo``, then ``python -m benchmarks.explorer_pictures demo/run.zarr docs``; needs Debian's chromium.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from tests.explorer.browsing import FLAGS, Server, Visit, find_chromium
from xfeldask.store.choosing.columns import Shots
from xfeldask.store.run import open_run

if TYPE_CHECKING:
    from playwright.sync_api import ViewportSize

SIZE: ViewportSize = {"width": 1280, "height": 900}
SCALE = 1.5
"""Of the browser [CSS pixels], and pixels of the picture in each: text can be read where a page shows it smaller."""
COLOURS = 256
LABELLED, OWN = 6, "ice"
"""How many shots, and a class that somebody named."""
MOVES = 3
"""By how many keys the bar between plots and tabs is moved up."""
AT_REST = 1500
"""For what comes after a page says that it stands [ms]."""


def latent_plot(visit: Visit, shots: Shots) -> None:
    """A double hit pinned, whose fringes can be seen."""


def threshold(visit: Visit, shots: Shots) -> None:
    """The threshold by hand."""
    visit.tab("verdict")
    _to_tabs(visit)


def labels(visit: Visit, shots: Shots) -> None:
    """The sorting bench, some shots labelled as what they are."""
    visit.tab("labels")
    own = visit.page.get_by_label("a class of your own")
    own.fill(OWN)
    own.press("Enter")
    visit.page.get_by_role("button", name=f"{OWN} (3)").wait_for()
    for n in range(1, LABELLED + 1):
        here = int(visit.query()["shot"])
        key = {0: "0", 1: "1"}.get(int(shots.column("n_particles").values[here]), "2")
        visit.page.get_by_role("button", name=f"({key})").click()
        visit.reads(f"{n} label")
        visit.until("here => new URLSearchParams(location.search).get('shot') != here", str(here))
    _to_tabs(visit)


PICTURES: dict[str, Callable[[Visit, Shots], None]] = {
    "explorer": latent_plot, "explorer-verdict": threshold, "explorer-labels": labels,
}  # fmt: skip


def _to_tabs(visit: Visit) -> None:
    """Give the tabs more of the window."""
    bar = visit.page.get_by_role("separator", name="height of the plots")
    for _ in range(MOVES):
        bar.press("ArrowUp")
    bar.evaluate("bar => bar.blur()")
    visit.settle()


def double_hit(shots: Shots) -> int:
    """Find the double hit of most photons."""
    doubles = shots.column("n_particles").values == 2
    return int(np.argmax(np.where(doubles, shots.column("photon_count").values, 0)))


def main(store: str, out: str) -> None:
    from playwright.sync_api import sync_playwright

    shots = Shots.of(open_run(store))
    with TemporaryDirectory() as folder, Server(Path(folder), [Path(store)]) as server, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=FLAGS)
        for name, prepare in PICTURES.items():
            page = browser.new_page(viewport=SIZE, device_scale_factor=SCALE)
            visit = Visit(page).open(server.address(shot=double_hit(shots)))
            visit.settle()
            prepare(visit, shots)
            page.wait_for_timeout(AT_REST)
            _save(page.screenshot(), Path(out, f"{name}.png"))
            page.close()


def _save(png: bytes, path: Path) -> None:
    picture: Any = Image.open(BytesIO(png)).convert("RGB")
    picture.quantize(COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)
    print(f"{path}: {picture.width} x {picture.height}, {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main(*sys.argv[1:])
