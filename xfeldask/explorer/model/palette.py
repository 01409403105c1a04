"""Colours that hold: of classes, told apart by people who see colours differently, and of numbers."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import cycle
from types import MappingProxyType

from xfeldask.scores.classes import BLUE, COLORS, GREEN, GREY, ORANGE, PURPLE, SKY, VERMILION

MEANINGS: Mapping[str, str] = MappingProxyType(
    COLORS
    | {
        "no": SKY,
        "yes": ORANGE,
        "0": GREY,
        "1": BLUE,
        "2": VERMILION,
        "3": ORANGE,
        "none": "#c4c4c4",
        "pending": GREY,
        "done": BLUE,
    }
)
"""Colours of classes by what they mean; those of shots are the same in every figure of the package."""
OTHERS = (GREEN, PURPLE, SKY, ORANGE, BLUE, VERMILION, GREY, "#882255", "#999933", "#44aa99")
"""Of other classes; the last three are of P. Tol's scheme "muted" (Colour Schemes, SRON/EPS/TN/09-002)."""
NUMBERS = ("Viridis256", "Cividis256", "Inferno256", "Magma256", "Greys256")
"""Names of Bokeh's palettes for numbers; the lightness of each rises all the way."""
CIRCLE = (BLUE, GREEN, ORANGE, PURPLE, BLUE)
"""Colours that end where they begin."""
CYCLIC = ("azimuth", "rotation")
"""Quantities that end where they begin."""


def class_colours(meanings: tuple[str, ...]) -> dict[str, str]:
    """Choose the colour of each class; those that `MEANINGS` knows have the same whichever classes are there.

    Examples
    --------
    >>> class_colours(("multiple", "odd"))
    {'multiple': '#d55e00', 'odd': '#009e73'}
    """
    fixed = {MEANINGS[meaning] for meaning in meanings if meaning in MEANINGS}
    others = cycle([colour for colour in OTHERS if colour not in fixed])
    return {meaning: MEANINGS.get(meaning) or next(others) for meaning in meanings}
