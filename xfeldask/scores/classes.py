"""The classes of shots, and the colour and marker by which each is drawn everywhere.

A single hit holds exactly one particle. Two words for the rest are in use, as there are two questions:

- What does a shot hold? It is a blank (no particle), a single or a multiple (several particles): `KINDS`.
- Can it go into a reconstruction? A single can. There, "multiple" is the opposite of single and means every shot that
  does not hold exactly one particle of the wanted species, blanks among them: `OUTCOMES` and everything else that
  scores a verdict.
"""

from __future__ import annotations

from dataclasses import dataclass

from xfeldask.schema import OF_KINDS

BLACK, ORANGE, SKY, GREEN, YELLOW, BLUE, VERMILION, PURPLE = (
    "#000000", "#e69f00", "#56b4e9", "#009e73", "#f0e442", "#0072b2", "#d55e00", "#cc79a7",
)  # fmt: skip
"""M. Okabe and K. Ito, Color Universal Design (2008): told apart by people who see colours differently."""
GREY = "#8c8c8c"


@dataclass(frozen=True)
class ShotClass:
    """A class of shots and how it is drawn.

    Attributes
    ----------
    name : str
    color : str, as matplotlib and Bokeh read it
    marker : str, matplotlib's

    Examples
    --------
    >>> KINDS[2]
    ShotClass(name='multiple', color='#d55e00', marker='s')
    """

    name: str
    color: str
    marker: str


KINDS = tuple(
    ShotClass(name, color, marker)
    for (_, name), color, marker in zip(OF_KINDS.flags, (GREY, BLUE, VERMILION, YELLOW), "+.sD", strict=True)
)
"""Blank, single, multiple and a single particle of another kind, by the code that a store has for each."""

OUTCOMES = (
    ShotClass("single accepted", BLUE, "."),
    ShotClass("multiple accepted", VERMILION, "s"),
    ShotClass("multiple rejected", GREEN, "^"),
    ShotClass("single rejected", ORANGE, "x"),
)
"""Truth and verdict, by the code that `confusion_class` gives; the colours of errors are warm, those of the rest cold.

An accepted shot has the colour of what it is.
"""

COLORS = {found.name: found.color for found in KINDS + OUTCOMES}
"""Colour of each class by its name."""
