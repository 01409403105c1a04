"""Spaces that do not break: between a number and its per cent sign."""

from __future__ import annotations

import re
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform

BEFORE_PER_CENT = re.compile(r"(?<=\d) (?=%)")


class Spaces(SphinxTransform):
    """Keeps numbers and their per cent signs on one line."""

    default_priority = 800

    def apply(self, **kwargs: Any) -> None:
        for text in list(self.document.findall(nodes.Text)):
            if not isinstance(text.parent, (nodes.literal, nodes.FixedTextElement)) and BEFORE_PER_CENT.search(text):
                text.parent.replace(text, nodes.Text(BEFORE_PER_CENT.sub("\N{NO-BREAK SPACE}", text)))


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_transform(Spaces)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
