"""``{variables} GROUP``: the table of a group of the store's variables."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from docutils import nodes
from docutils.parsers.rst import Directive
from schema_tables import HEAD, groups, row
from sphinx.application import Sphinx


def table(rows: Iterable[tuple[str, ...]]) -> nodes.table:
    """Make a table whose first column is code."""
    group = nodes.tgroup(cols=len(HEAD))
    group += [nodes.colspec(colwidth=1) for _ in HEAD]
    head, body = nodes.thead(), nodes.tbody()
    head += line(nodes.paragraph(text=text) for text in HEAD)
    for name, *rest in rows:
        code = nodes.paragraph("", "", nodes.literal(text=name))
        body += line([code, *(nodes.paragraph(text=text) for text in rest)])
    group += [head, body]
    out = nodes.table(classes=["variables"])
    out += group
    return out


def line(cells: Iterable[nodes.Node]) -> nodes.row:
    """Make a row of a table."""
    out = nodes.row()
    for cell in cells:
        entry = nodes.entry()
        entry += cell
        out += entry
    return out


class Variables(Directive):
    """The table of the group that is named."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        return [table(map(row, groups()[self.arguments[0]]))]


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_directive("variables", Variables)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
