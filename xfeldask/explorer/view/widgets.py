"""Small things that views are made of."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from typing import Any

import panel as pn
from bokeh.models import Tool
from bokeh.plotting import figure

from xfeldask.explorer.model.words import called
from xfeldask.explorer.view.theme import describe
from xfeldask.store.choosing.column import Column

SMALL = {"font-size": "13px", "line-height": "1.5"}
FAINT = {**SMALL, "opacity": "0.8"}
CHANCE = (
    "Expected from the probability of each shot; in brackets, where the truth is in 95 of 100 runs like this, if the "
    "expected number of singles lost or others accepted is wrong by a factor of three at most."
)
MIDDLE = "#808080"
"""Grey that can be read on white and on black."""


def caption(text: str = "", **options: Any) -> pn.pane.HTML:
    """Make a line of explanation; `text` is HTML."""
    return pn.pane.HTML(text, **{"styles": FAINT, "sizing_mode": "stretch_width", "margin": (4, 10), **options})


def heading(text: str) -> pn.pane.HTML:
    """Make the heading of a section of a tab."""
    styles = {"font-size": "15px", "font-weight": "600"}
    return pn.pane.HTML(html.escape(text), styles=styles, margin=(10, 10, 0, 10), sizing_mode="stretch_width")


def sentence(text: str, **options: Any) -> pn.pane.HTML:
    """Make a sentence that says why there is nothing to be seen."""
    styles = {"font-size": "14px"}
    return pn.pane.HTML(html.escape(text), styles=styles, margin=16, sizing_mode="stretch_width", **options)


def table(rows: Iterable[Sequence[str]], numbers: bool = False) -> str:
    """Write rows of text as an HTML table, the first cell of each faint.

    Parameters
    ----------
    numbers : bool, all but the first column are numbers
    """
    side, nowrap = ("right", ";white-space:nowrap") if numbers else ("left", "")
    style = "padding:1px 18px 1px 0;vertical-align:top;font-variant-numeric:tabular-nums;"
    cells = (
        "".join(
            f'<td style="{style}{"opacity:.7" if not i else f"text-align:{side}{nowrap}"}">{html.escape(cell)}</td>'
            for i, cell in enumerate(row)
        )
        for row in rows
    )
    return "<table>" + "".join(f'<tr style="break-inside:avoid">{row}</tr>' for row in cells) + "</table>"


def named(column: Column) -> str:
    """Write a quantity with its unit."""
    return called(column) if column.units == "1" else f"{called(column)} ({column.units})"


def plot(x: str, y: str, tools: Sequence[Tool] | str = "", **options: Any) -> Any:
    """Make a figure without a toolbar."""
    fig = figure(
        x_axis_label=x, y_axis_label=y, tools=tools, toolbar_location=None,
        **{"width": 400, "height": 300, "min_border_right": 16, **options},
    )  # fmt: skip
    fig.toolbar.active_scroll = None
    describe(fig, str(options.get("title") or f"{y} over {x}"))
    return fig
