"""Parameters and returned values told in one breath, ``name : type, what it is``: lines that run on are joined."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # what it does to lines can be tested where the site is not built
    from sphinx.application import Sphinx

NAMED, RETURNED = ("Parameters", "Attributes"), ("Returns", "Yields")


def joined(lines: list[str]) -> list[str]:
    """Join what runs on in the sections that tell of parameters, attributes and returned values.

    A parameter's lines run on indented. A returned value that has no name runs on as it began.
    """
    out: list[str] = []
    section = ""
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        begins = out and not out[-1].startswith("---")
        if following.startswith("---"):
            section = line
        elif (section in NAMED and line.startswith("    ") and out and " : " in out[-1]) or (
            section in RETURNED and begins and out[-1] and line[:1].strip() and " : " not in line and line[:3] != "---"
        ):
            out[-1] += f" {line.strip()}"
            continue
        out.append(line)
    return out


def process(app: Sphinx, what: str, name: str, thing: object, options: object, lines: list[str]) -> None:
    lines[:] = joined(lines)


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("autodoc-process-docstring", process, priority=400)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
