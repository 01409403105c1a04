"""The bar over the page: data set, counts, steps from shot to shot, links."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import panel as pn
import panel_material_ui as pmui

from xfeldask.explorer.model.session import Session
from xfeldask.explorer.view.frame import DASK, WHITE, data_sets
from xfeldask.explorer.view.icons import Icons
from xfeldask.explorer.view.keys import Keys
from xfeldask.explorer.view.spoken import COUNTS
from xfeldask.explorer.view.widgets import table
from xfeldask.store.storage.urls import StorePath
from xfeldask.work.compute import active_client, cluster_waits

ON_BLUE = ".bk-input { color: white; border-color: rgba(255, 255, 255, .6) } .bk-input::placeholder { color: #ddd }"
WIDE = "@media (max-width: 760px) { :host { display: none !important; } }"
"""Of what a narrow window has no room for: it is told below the latent plot as well."""

KEYS_TOLD = {
    "left, right": "shot before and after, of the selection where there is one",
    "r": "random shot of the selection",
    "Escape": "nothing is selected any more",
    "Ctrl+Z, Ctrl+Shift+Z": "selection before, and the undone one again",
    "1, 2, 0, x": "label the shot single, multiple, blank or other, while the tab of labels is open",
    "3 to 9": "label the shot with a class that you named",
    "u, y": "take the last label back, and give it again",
    "up, down": "height of the plots, while the bar below them has the focus",
    "?": "this list",
}


def bar(session: Session, stores: Sequence[StorePath], here: int) -> list[Any]:
    """Make what stands in the bar."""
    told = pn.pane.HTML("", styles={"color": "white", "font-size": "14px"}, align="center", margin=(0, 16),
                        stylesheets=[WIDE], css_classes=[COUNTS])  # fmt: skip

    def count(*_: Any) -> None:
        there, stored = session.shots.n_done, session.shots.n_stored
        shots = f"{there:,} shots" if there == stored else f"{there:,} of {stored:,} shots"
        told.object = f"{shots} · {int(session.selected.sum()):,} selected"

    session.param.watch(count, ["selected", "embedding"])
    count()
    before, after, chance = lambda: session.step(-1), lambda: session.step(1), lambda: session.jump(session.rng)
    icons = Icons({
        "previous": ("previous shot of the selection (left arrow)", before),
        "next": ("next shot of the selection (right arrow)", after),
        "random": ("random shot of the selection (r)", chance),
        "copy": ("copy the address of this view", None),
        "keys": ("list of keys (?)", None),
    }, table(KEYS_TOLD.items()))  # fmt: skip
    keys = Keys({
        "ArrowLeft": before, "ArrowRight": after, "r": chance, "?": icons.turn,
        "Escape": lambda: session.choose_where(""), "Control+z": session.undo, "Control+Z": session.redo,
    })  # fmt: skip
    out = [*data_sets(stores, here), told, icons, number(session), keys]
    link = DASK if cluster_waits() else getattr(active_client(), "dashboard_link", None)
    if link:
        dask = pmui.Button(label="Dask", href=link, target="_blank", size="small", sx=WHITE,
                           variant="outlined", description="what the workers do", align="center")  # fmt: skip
        out.append(dask)
    return out


def number(session: Session) -> Any:
    """Make the field that shows the number of the pinned shot, and pins the one that is typed."""
    field = pn.widgets.IntInput(value=session.shot, start=0, end=session.shots.n_shots - 1, placeholder="shot",
                                width=104, align="center", margin=(0, 10), stylesheets=[ON_BLUE])  # fmt: skip
    field.param.watch(lambda event: session.param.update(shot=event.new), "value")
    session.param.watch(lambda event: field.param.update(value=event.new), "shot")
    # of the same embedding there are more shots as they come
    session.param.watch(lambda *_: field.param.update(end=session.shots.n_shots - 1), ["embedding", "selected"])
    return field
