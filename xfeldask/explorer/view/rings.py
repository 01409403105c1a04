"""Rings of equal resolution about the beam, over a pattern, on wish."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from bokeh.models import ColumnDataSource, GlyphRenderer

MANTISSAS = (1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 7.0)
"""Of resolutions that rings have."""
APART = 0.19
"""Least distance of a ring to the next and to the beam, as a fraction of what is seen."""
NOTHING: dict[str, list[Any]] = {"radius": [], "x": [], "y": [], "told": []}
STROKES = (("#000000", 3.0, 0.35), ("#ffffff", 1.2, 0.9))
"""Colour, width and opacity of lines over each other, seen on any colour."""


class Rings:
    """Rings with their resolutions in a figure whose axes are q; not to be seen until `show` is called.

    Parameters
    ----------
    fig : Bokeh figure
    """

    def __init__(self, fig: Any) -> None:
        self.source = ColumnDataSource(NOTHING)
        self.drawn: list[GlyphRenderer[Any]] = [
            fig.circle(
                0,
                0,
                radius="radius",
                source=self.source,
                fill_color=None,
                line_color=colour,
                line_width=width,
                line_alpha=alpha,
                line_dash="dashed",
            )
            for colour, width, alpha in STROKES
        ]
        self.drawn.append(
            fig.text(
                "x",
                "y",
                "told",
                source=self.source,
                text_font_size="11px",
                text_color="white",
                padding=2,
                background_fill_color="black",
                background_fill_alpha=0.55,
                text_align="center",
                text_baseline="middle",
            )
        )

    def show(self, reach: float) -> None:
        """Show rings within a distance from the beam [1/nm]; none where it is 0."""
        found = resolutions(reach)
        radius = [1 / d for d in found]
        at = [r * math.sqrt(0.5) for r in radius]
        self.source.data = {"radius": radius, "x": at, "y": at, "told": [f"{d:g} nm" for d in found]}


def resolutions(reach: float) -> list[float]:
    """Choose resolutions [nm] of rings within a distance from the beam [1/nm]: round numbers, rings apart from others.

    Examples
    --------
    >>> resolutions(0.5)
    [2.0, 2.5, 4.0, 7.0]
    >>> resolutions(0.0)
    []
    """
    if not reach > 0:
        return []
    power = math.floor(math.log10(1 / reach))
    each = [m * 10.0**k for k in range(power, power + 3) for m in MANTISSAS]
    found: list[float] = []
    for d in each:
        outer = 1 / found[-1] if found else math.inf
        if APART * reach <= 1 / d <= min(reach * (1 + 1e-9), outer - APART * reach):
            found.append(float(np.format_float_positional(d, 3, fractional=False)))
    return found
