"""Mean and deviation of the selected raw patterns, every pixel of every one of them."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import panel as pn
import panel_material_ui as pmui

from xfeldask.errors import XfeldaskError
from xfeldask.explorer.cards import Card, contrast
from xfeldask.explorer.pictures import Picture, Pictures
from xfeldask.explorer.session import Session
from xfeldask.explorer.statistics import pattern_statistics

AXES = ("x: s (1/nm)", "y: s (1/nm)")


def statistics(session: Session, pictures: Pictures) -> pn.viewable.Viewable:
    """The tab."""
    cards = {name: Card(name, "photons", AXES, reciprocal=True) for name in ("mean", "deviation", "total")}
    run = pmui.Button(label="add up the selected patterns", variant="contained")
    stop = pmui.Button(label="cancel", variant="outlined", disabled=True)
    bar = pmui.LinearProgress(value=0, max=1, width=300, variant="determinate")
    told = pn.pane.HTML("", css_classes=["caption"], align="center")
    cancel = threading.Event()

    def work(mask: np.ndarray[Any, np.dtype[np.bool_]]) -> None:
        n, done = int(mask.sum()), 0

        def advance(shots: int) -> None:
            nonlocal done
            done += shots
            bar.param.update(value=done, max=n)
            told.object = f"{done:,} of {n:,} patterns"

        try:
            found = pattern_statistics(session.shots.path, mask, advance=advance, cancel=cancel)
        except XfeldaskError as error:
            told.object = str(error)
        else:
            told.object = "stopped" if found is None else f"{found.n:,} patterns, every pixel of each"
            for name, card in cards.items():
                if found is not None:
                    values = np.ascontiguousarray(found.assembled[name].T, np.float32)
                    card.show(Picture(values, pictures.whole_extent))
        run.disabled, stop.disabled = False, True

    def start(_: Any) -> None:
        chosen = session.selected & session.visible
        mask = chosen if chosen.any() else session.visible
        cancel.clear()
        run.disabled, stop.disabled = True, False
        threading.Thread(target=work, args=[mask.copy()], daemon=True).start()

    run.on_click(start)
    stop.on_click(lambda _: cancel.set())
    row = pn.Row(*(card.view() for card in cards.values()), sizing_mode="stretch_width", height=430)
    return pn.Column(pn.Row(run, stop, bar, told), row, contrast(cards.values()), sizing_mode="stretch_width")
