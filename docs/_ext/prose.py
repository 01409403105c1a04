"""Parameters told in one breath, ``name : type, what it is``: lines that run on are joined for napoleon."""

from __future__ import annotations

from typing import Any

from sphinx.application import Sphinx

SECTIONS = ("Parameters", "Attributes")


def joined(lines: list[str]) -> list[str]:
    """Join what runs on in the sections that tell of parameters and attributes."""
    out: list[str] = []
    inside = False
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        if following.startswith("---"):
            inside = line in SECTIONS
        if inside and line.startswith("    ") and out and " : " in out[-1]:
            out[-1] += f" {line.strip()}"
        else:
            out.append(line)
    return out


def process(app: Sphinx, what: str, name: str, thing: object, options: object, lines: list[str]) -> None:
    lines[:] = joined(lines)


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("autodoc-process-docstring", process, priority=400)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
