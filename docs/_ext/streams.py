"""What a cell prints, joined as it was printed: myst-nb puts the end of a line between the pieces in which it came."""

from __future__ import annotations

from itertools import groupby
from typing import Any

from myst_nb.core import render
from sphinx.application import Sphinx


def joined(outputs: list[Any]) -> list[Any]:
    """Join neighbouring outputs of one stream."""
    out = []
    for name, group in groupby(outputs, lambda output: output.get("name")):
        first, *rest = group
        if name is not None:
            first["text"] += "".join(output["text"] for output in rest)
            rest = []
        out += [first, *rest]
    return out


def setup(app: Sphinx) -> dict[str, Any]:
    render.coalesce_streams = joined
    return {"parallel_read_safe": True, "parallel_write_safe": True}
