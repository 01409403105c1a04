"""The selection and the latent plot to take away."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from io import BytesIO
from typing import Any

import numpy as np
import panel as pn
import panel_material_ui as pmui
from numpy.typing import NDArray

from xfeldask.explorer.model.pictures import Pictures
from xfeldask.explorer.model.session import Session
from xfeldask.explorer.tabs.recipe import recipe, recipe_pane
from xfeldask.explorer.tabs.watch import Watch
from xfeldask.explorer.tabs.widgets import caption, heading
from xfeldask.store.selecting import shots_as

KINDS = ("png", "pdf", "svg")
"""Of files that the latent plot can be."""


def export(session: Session, _: Pictures, watch: Watch) -> pn.viewable.Viewable:
    """Make the tab of downloads."""
    told, words = caption(), recipe_pane(session)
    stem = session.shots.path.stem + (f"-{session.embedding}" if session.embedding else "")
    files = [
        _download(f"shots.{kind}", f"{stem}-shots.{kind}", partial(_shots, session, kind)) for kind in ("npy", "csv")
    ]
    kind = pmui.RadioButtonGroup(options=list(KINDS), value=KINDS[0], width=180, size="small", margin=(5, 10))
    picture = _download(f"latent plot.{kind.value}", f"{stem}.{kind.value}", lambda: _poster(session, kind.value))

    def show(*_: Any) -> None:
        n, hidden = int(session.selected.sum()), int((session.selected & ~session.visible).sum())
        more = f", {hidden:,} of them hidden in the plots" if hidden else ""
        told.object = (
            f"Absolute indices of the <b>{n:,}</b> selected of {session.shots.n_shots:,} shots{more}, ascending."
            if n else "Nothing is selected: lasso shots in the latent plot, or select in words."
        )  # fmt: skip
        for file in files:
            file.disabled = not n
        words.object = recipe(session)

    def name(*_: Any) -> None:
        picture.param.update(label=f"latent plot.{kind.value}", filename=f"{stem}.{kind.value}")

    kind.param.watch(name, "value")
    watch(show, ["selected", "hidden", "where", "colour"])
    show()
    return pn.Column(
        heading("the selected shots"),
        told,
        pn.Row(*files),
        heading("the latent plot"),
        caption(
            "With its axes, colours, selection, counts and origin, at its first zoom: 1520 x 1440 pixels as png, lines "
            "and text that stay sharp as pdf and svg. Metadata of the file hold all parameters besides."
        ),
        pn.Row(kind, picture),
        heading("the selection in words"),
        words,
        sizing_mode="stretch_width",
    )


def chosen(session: Session) -> NDArray[np.int64]:
    """Return the absolute indices of the selected shots, ascending."""
    return np.asarray(session.shots.column("shot").values[session.selected], np.int64)


def _poster(session: Session, kind: str) -> bytes:
    from xfeldask.explorer.view.poster import poster  # matplotlib takes a while

    return poster(session, kind)


def _shots(session: Session, kind: str) -> bytes:
    return shots_as(kind, chosen(session))


def _download(label: str, filename: str, make: Callable[[], bytes]) -> Any:
    def give() -> BytesIO:
        file.data = None  # a browser saves nothing where the bytes are those of the last time
        return BytesIO(make())

    file = pmui.FileDownload(callback=give, filename=filename, label=label, size="small", margin=(5, 10))
    return file
