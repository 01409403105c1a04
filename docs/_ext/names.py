"""The role of `words` in backticks of docstrings: a link where they name something public, code otherwise."""

from __future__ import annotations

from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.roles import XRefRole

import xfeldask


class Name(XRefRole):
    """A link to a public name of the package, or plain code."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        name = self.text.removeprefix("xfeldask.")
        if name not in xfeldask.__all__:
            return [nodes.literal(text=self.text)], []
        self.refdomain, self.reftype, self.target, self.title = "py", "obj", f"xfeldask.{name}", self.text
        self.classes = ["xref", "py", "py-obj"]
        return self.create_xref_node()


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_role("name", Name())
    return {"parallel_read_safe": True, "parallel_write_safe": True}
