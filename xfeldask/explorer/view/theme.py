"""What Material makes of the figures of a light page, given from the start: else each would be laid out twice."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain
from typing import Any

from bokeh.models import Axis, ColorBar, Title

FONT = '"Roboto", "Helvetica", "Arial", sans-serif'
TEXT, FAINT, LINE = (f"rgba(0, 0, 0, {alpha})" for alpha in (0.87, 0.6, 0.22))
PAPER = "#fff"
LINES = ("axis", "major_tick", "minor_tick")

FIGURE: dict[str, Any] = {
    "background_fill_color": PAPER,
    "border_fill_color": PAPER,
    "outline_line_color": TEXT,
    "outline_line_alpha": 0,
}
PARTS: dict[type[Any], dict[str, Any]] = {
    Title: {"text_color": TEXT, "text_font": FONT, "text_font_size": "1.05em", "text_font_style": "normal"},
    Axis: {
        **{f"{part}_line_color": LINE for part in LINES},
        **{f"{part}_line_alpha": 0 for part in LINES},
        "major_label_text_color": FAINT,
        "major_label_text_font": FONT,
        "major_label_text_font_size": "0.925em",
        "axis_label_text_color": TEXT,
        "axis_label_text_font": FONT,
        "axis_label_text_font_size": "1em",
        "axis_label_text_font_style": "normal",
        "axis_label_standoff": 12,
    },
    ColorBar: {
        "background_fill_color": PAPER,
        "background_fill_alpha": 0,
        "major_tick_line_alpha": 0,
        "minor_tick_line_alpha": 0,
        "bar_line_alpha": 0,
        "title_text_color": TEXT,
        "title_text_font": FONT,
        "title_text_font_size": "0.95em",
        "title_text_font_style": "normal",
        "major_label_text_color": FAINT,
        "major_label_text_font": FONT,
        "major_label_text_font_size": "0.9em",
    },
}
"""By what is beside the frame of a figure."""


def describe(figure: Any, told: str) -> None:
    """Say what a figure is to those who hear the page.

    Examples
    --------
    >>> from bokeh.plotting import figure
    >>> fig = figure()
    >>> describe(fig, "scree")
    >>> fig.html_attributes
    {'role': 'figure', 'aria-label': 'scree'}
    """
    figure.html_attributes = {"role": "figure", "aria-label": told}


def dress(figure: Any) -> None:
    """Let a figure with all its axes and colour bars look as it does on a light page; a dark one changes colours alone.

    Examples
    --------
    >>> from bokeh.plotting import figure
    >>> fig = figure()
    >>> dress(fig)
    >>> fig.left[0].axis_label_standoff, fig.title.text_font_size
    (12, '1.05em')
    """
    figure.update(**FIGURE)
    parts: Iterable[Any] = chain([figure.title], figure.above, figure.below, figure.left, figure.right)
    for part in parts:
        for kind, looks in PARTS.items():
            if isinstance(part, kind):
                part.update(**looks)
