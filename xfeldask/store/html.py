"""Facts as a small table of HTML, for notebooks."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape


def run_html(title: str, facts: Mapping[str, str]) -> str:
    """Return a table of facts under a title.

    Examples
    --------
    >>> run_html("<run>", {"shots": "4"})
    '<b>&lt;run&gt;</b><table><tr><th style="text-align:left">shots</th><td style="text-align:left">4</td></tr></table>'
    """
    left = 'style="text-align:left"'
    rows = "".join(f"<tr><th {left}>{escape(k)}</th><td {left}>{escape(v)}</td></tr>" for k, v in facts.items())
    return f"<b>{escape(title)}</b><table>{rows}</table>"
