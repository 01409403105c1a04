"""The selection as text that makes it again."""

from __future__ import annotations

import html
import json
import shlex
from uuid import uuid4

import panel as pn

from xfeldask.explorer.model.session import Session
from xfeldask.explorer.view.copying import copying

BOX = (
    "font-family:monospace;font-size:13px;white-space:pre-wrap;overflow-wrap:anywhere;margin:0;padding:8px 12px;"
    "border:1px solid rgba(128,128,128,.4);border-radius:6px;background:rgba(128,128,128,.1)"
)
BUTTON = (
    "float:right;font:inherit;font-size:12px;color:inherit;background:none;border:1px solid rgba(128,128,128,.6);"
    "border-radius:4px;padding:1px 8px;cursor:pointer"
)


def python_text(session: Session) -> str:
    """Write Python that gives the selected shots; empty where they were not selected in words."""
    if not session.where:
        return ""
    embedding = f", embedding={session.embedding!r}" if session.embedding else ""
    path = str(session.shots.path.absolute())
    return f"from xfeldask import select\n\nshots = select({path!r}, {session.where!r}{embedding})\n"


def shell_text(session: Session) -> str:
    """Write a command that gives the selected shots; empty where they were not selected in words."""
    if not session.where:
        return ""
    words = ["xfeldask", "select", str(session.shots.path.absolute()), "--where", session.where]
    words += ["--embedding", session.embedding] if session.embedding else []
    return shlex.join([*words, "--out", "shots.npy"]) + "\n"


def block(title: str, text: str) -> str:
    """Write text in a box with a button that copies it, as HTML."""
    code = html.escape(copying(json.dumps(text), "this.textContent = 'copied'"), quote=True)
    # another button at each change: its word is "copy" again
    return (
        f'<div style="font-size:13px;margin:8px 0 4px" id="{uuid4().hex}"><button style="{BUTTON}" onclick="{code}">'
        f'copy</button>{html.escape(title)}</div><pre style="{BOX}">{html.escape(text)}</pre>'
    )


def recipe(session: Session) -> str:
    """Write the selection as Python and as a command, as HTML; a sentence where it has no words."""
    if session.where:
        return block("Python", python_text(session)) + block("command", shell_text(session))
    n = int(session.selected.sum())
    if not n:
        return "Nothing is selected."
    return html.escape(
        f"{n:,} shots were selected by hand, which no expression tells: download their indices from the tab export, "
        "or select in words to have Python and a command that select them again."
    )


def recipe_pane(session: Session) -> pn.pane.HTML:
    """Make a pane of the recipe."""
    return pn.pane.HTML(recipe(session), styles={"font-size": "14px"}, sizing_mode="stretch_width", margin=(4, 10))
