"""A store without an embedding: the offer to make one."""

from __future__ import annotations

import html
import shlex
from collections.abc import Callable
from typing import Any

import panel_material_ui as pmui

from xfeldask.explorer.model.session import Session
from xfeldask.explorer.view.making import Making


def offer(session: Session, allow_write: bool) -> list[Any]:
    """Offer to make an embedding where there is none; nothing where there is one."""
    if session.shots.embeddings:
        return []
    command = f"xfeldask embed {shlex.quote(str(session.shots.path))}"
    advice = (
        f"This store has no embedding yet. Make one with: {command}, or restart with --allow-write and make it here."
    )
    view: Any = MakingEmbedding(session, command).view if allow_write else pmui.Alert(
        html.escape(advice), severity="info", margin=10
    )  # fmt: skip
    session.param.watch(lambda _: view.param.update(visible=False), "embedding")
    return [view]


class MakingEmbedding(Making):
    """The making of an embedding; it is in the store even if the page is closed meanwhile.

    Parameters
    ----------
    session : Session
    command : str, that does the same
    """

    beginning = "begins; about a minute for 100,000 shots"

    def __init__(self, session: Session, command: str) -> None:
        super().__init__(session, "make an embedding")
        self.make.size = "medium"
        self.told.object = f"This store has no embedding yet ({html.escape(command)})."

    def _make(self, tell: Callable[..., None]) -> None:
        from xfeldask.verbs.embed import embed  # takes a second to import

        embed(self._session.shots.path, progress=tell)

    def _made(self) -> None:
        self._session.reopen()
