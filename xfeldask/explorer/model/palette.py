"""Colours that hold: of classes, told apart by people who see colours differently, and of numbers."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

SKY, BLUE, GREEN, ORANGE, VERMILION, PURPLE, GREY = (
    "#56b4e9", "#0072b2", "#009e73", "#e69f00", "#d55e00", "#cc79a7", "#8c8c8c",
)  # fmt: skip
"""After M. Okabe and K. Ito, Color Universal Design (2008)."""

MEANINGS: Mapping[str, str] = MappingProxyType(
    {
        "blank": GREY,
        "single": BLUE,
        "multiple": VERMILION,
        "single kept": BLUE,
        "other let in": VERMILION,
        "other kept out": GREEN,
        "single lost": PURPLE,
        "no": SKY,
        "yes": ORANGE,
        "0": GREY,
        "1": BLUE,
        "2": VERMILION,
        "3": ORANGE,
        "pending": GREY,
        "done": BLUE,
    }
)
OTHERS = (GREEN, PURPLE, SKY, ORANGE, BLUE, VERMILION, GREY)
NUMBERS = ("Viridis256", "Cividis256", "Inferno256", "Magma256", "Greys256")
"""Names of Bokeh's palettes for numbers; the lightness of each rises all the way."""
CIRCLE = (BLUE, GREEN, ORANGE, PURPLE, BLUE)
"""Colours that end where they begin."""
CYCLIC = ("azimuth", "rotation")
"""Quantities that end where they begin."""


def class_colours(meanings: tuple[str, ...]) -> dict[str, str]:
    """Colour of each class, the same whichever classes are there.

    Examples
    --------
    >>> class_colours(("multiple", "odd"))
    {'multiple': '#d55e00', 'odd': '#009e73'}
    """
    others = iter(OTHERS * (1 + len(meanings) // len(OTHERS)))
    return {meaning: MEANINGS.get(meaning) or next(others) for meaning in meanings}
