"""A store without an embedding: the offer to make one."""

from __future__ import annotations

import html
import shlex
import threading
from typing import Any

import panel as pn
import panel_material_ui as pmui

from xfeldask.errors import XfeldaskError
from xfeldask.explorer.plane import locked
from xfeldask.explorer.session import Session
from xfeldask.pipeline.embedding import embed


def offer(session: Session, allow_write: bool) -> list[Any]:
    """What to say where there is no embedding; nothing where there is one."""
    if session.shots.embeddings:
        return []
    command = f"xfeldask embed {shlex.quote(str(session.shots.path))}"
    if not allow_write:
        text = f"This store has no embedding yet. Make one with: {command}, or start the explorer with --allow-write."
        alert = pmui.Alert(html.escape(text), severity="info", margin=10)
        session.param.watch(lambda _: alert.param.update(visible=False), "embedding")
        return [alert]
    make = pmui.Button(label="make an embedding", variant="contained")
    busy = pmui.LinearProgress(variant="indeterminate", visible=False, sizing_mode="stretch_width")
    told = pn.pane.HTML(f"This store has no embedding yet ({html.escape(command)}).", align="center")
    box = pn.Column(pn.Row(make, told), busy, sizing_mode="stretch_width", margin=10)
    document = pn.state.curdoc

    def done(error: Exception | None) -> None:
        busy.visible, make.disabled = False, False
        if error is None:
            session.reopen()
            box.visible = False
        else:
            told.object = html.escape(str(error))

    def work() -> None:
        failed: Exception | None = None
        try:
            embed(session.shots.path, progress=False)
        except XfeldaskError as error:
            failed = error
        locked(lambda: done(failed), document)

    def start(_: Any) -> None:
        busy.visible, make.disabled = True, True
        told.object = "features, fit, projection and verdict; about a minute for 100,000 shots"
        threading.Thread(target=work, daemon=True).start()

    make.on_click(start)
    return [box]
