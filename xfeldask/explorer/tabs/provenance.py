"""Where everything came from, and the words that make the selection again."""

from __future__ import annotations

import json
import shlex
from typing import Any

import panel as pn

from xfeldask.explorer.pictures import Pictures
from xfeldask.explorer.session import Session
from xfeldask.store.opening import open_dataset


def provenance(session: Session, _: Pictures) -> pn.viewable.Viewable:
    """The tab."""
    words = pn.pane.Markdown(sizing_mode="stretch_width")

    def show(_: Any = None) -> None:
        words.object = recipe(session)

    session.param.watch(show, ["where", "selected", "embedding"])
    show()
    parts: list[pn.viewable.Viewable] = [words]
    root = open_dataset(session.shots.path, chunks=None, allow_incomplete=True)
    told: dict[str, Any] = {"store": {k: _parsed(v) for k, v in root.attrs.items()}}
    if session.embedding is not None:
        group = open_dataset(session.shots.path, group=f"latent/{session.embedding}", chunks=None)
        told["embedding"] = {k: _parsed(v) for k, v in group.attrs.items()}
    parts.append(pn.pane.JSON(told, depth=2, sizing_mode="stretch_width"))
    return pn.Column(*parts, sizing_mode="stretch_width")


def recipe(session: Session) -> str:
    """The selection as Python and as a command, in Markdown."""
    path = str(session.shots.path)
    if not session.where:
        n = int(session.selected.sum())
        return (
            f"{n:,} shots were selected by hand; export them, or select in words to have a recipe here."
            if n else "Nothing is selected."
        )  # fmt: skip
    embedding = f", embedding={session.embedding!r}" if session.embedding else ""
    flag = f" --embedding {shlex.quote(session.embedding)}" if session.embedding else ""
    return (
        "```python\nfrom xfeldask.explorer.selecting import select_shots\n\n"
        f"shots = select_shots({path!r}, {session.where!r}{embedding})\n```\n"
        f"```sh\nxfeldask select {shlex.quote(path)} --where {shlex.quote(session.where)}{flag} --out shots.npy\n```\n"
    )


def _parsed(value: Any) -> Any:
    if isinstance(value, str) and value[:1] in "{[":
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value.tolist() if hasattr(value, "tolist") else value
