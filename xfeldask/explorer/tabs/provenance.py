"""Where everything came from, and the words that make the selection again."""

from __future__ import annotations

import ast
import html
import json
from collections.abc import Mapping
from typing import Any

import panel as pn

from xfeldask.config.limits import LIMITS
from xfeldask.explorer.model.pictures import Pictures
from xfeldask.explorer.model.session import Session
from xfeldask.explorer.tabs.recipe import block, recipe, recipe_pane
from xfeldask.explorer.tabs.watch import Watch
from xfeldask.explorer.view.widgets import heading
from xfeldask.units import told

LONG = 60


def provenance(session: Session, _: Pictures, watch: Watch) -> pn.viewable.Viewable:
    """Make the tab of how the store, the embedding and the selection were made."""
    words = recipe_pane(session)
    watch(lambda *_: words.param.update(object=recipe(session)), ["where", "selected"])
    origin = parameters(session)
    text = json.dumps(origin, indent=2, default=str) + "\n"
    trees = [
        pn.pane.HTML(tree(name, value), styles={"font-size": "13px", "flex": "1 1 380px", "overflow-wrap": "anywhere"})
        for name, value in origin.items()
    ]
    return pn.Column(
        heading("the selection"),
        words,
        heading("parameters"),
        pn.FlexBox(*trees, align_items="flex-start", sizing_mode="stretch_width", margin=(4, 10)),
        pn.pane.HTML(
            f"<details><summary>as JSON</summary>{block('all parameters', text)}</details>",
            sizing_mode="stretch_width", margin=(8, 10), styles={"font-size": "13px"},
        ),
        sizing_mode="stretch_width",
    )  # fmt: skip


def parameters(session: Session) -> dict[str, Any]:
    """Collect what is written about the store and about the embedding."""
    run = session.shots.run
    out = {"store": {"path": str(run.path.absolute()), **{k: parsed(v) for k, v in run.attributes.items()}}}
    if session.embedding is not None:
        attributes = run.embedding(session.embedding).attributes
        out["embedding"] = {"name": session.embedding, **{str(k): parsed(v) for k, v in attributes.items()}}
    if (known := run.known_background) is not None:
        out["background"] = {"told": known.told, "source": known.source, "digest": known.digest}
        if (cells := known.cells) is not None:
            each = cells.image.sum(axis=(1, 2))
            out["background"][f"photons by {cells.by}"] = {
                str(value): f"{photons:.3g} in {shots:,} shots"
                for value, photons, shots in zip(cells.cell, each, cells.shots, strict=True)
            }
    return out


def parsed(value: Any) -> Any:
    """Return a value of an attribute, as an object where its text is one."""
    if isinstance(value, str) and value[:1] in ("{", "["):
        for read in (json.loads, ast.literal_eval):
            try:
                return read(value)
            except (ValueError, SyntaxError):
                continue
    return value.tolist() if hasattr(value, "tolist") else value


def written(name: str, value: Any) -> str:
    """Return a value as text, a quantity of an experiment in a unit for people.

    Examples
    --------
    >>> written("focus_radius", 5e-7), written("separation", [2e-8, 5e-8]), written("seed", 7)
    ('500 nm', '20 nm, 50 nm', '7')
    """
    values = value if isinstance(value, list) else [value]
    if name in LIMITS and values and all(isinstance(one, int | float) for one in values):
        return ", ".join(told(one, LIMITS[name].unit) for one in values)
    return "none" if value is None else value if isinstance(value, str) else json.dumps(value, default=str)


def tree(name: str, value: Any, deep: int = 0) -> str:
    """Write anything as nested HTML; the first level is open."""
    label = f'<span style="opacity:.7">{html.escape(str(name))}</span>'
    if isinstance(value, list) and len(json.dumps(value, default=str)) > LONG:
        value = dict(enumerate(value))
    if not isinstance(value, Mapping):
        return f'<div style="padding:1px 0 1px 14px">{label}&ensp;{html.escape(written(name, value))}</div>'
    inside = "".join(tree(str(key), each, deep + 1) for key, each in value.items())
    count = "" if value else " (none)"
    return (
        f'<details {"open" if deep < 2 else ""} style="padding:1px 0 1px {14 * bool(deep)}px">'
        f'<summary style="cursor:pointer;font-weight:600">{html.escape(str(name))}{count}</summary>{inside}</details>'
    )
