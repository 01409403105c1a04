"""A lasso or a box as one line of text, short enough for an address, that selects the same shots again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil, log10
from typing import Self

import numpy as np
import shapely
from numpy.typing import ArrayLike, NDArray

from xfeldask.errors import InputError
from xfeldask.explorer.model.drawing import coordinates
from xfeldask.explorer.model.masks import Mask, in_box, in_polygon

LASSO, BOX = "lasso", "box"
MOST = 100
"""Vertices of a lasso: more are told apart by no eye, and would be too long for an address."""
COARSE = 0.25
"""How far a line may be moved to have fewer vertices, at first [pixels]."""
FINE = 0.05
"""Step to which places are rounded [pixels]."""
ADVICE = "draw it again, or leave it out of the address"


@dataclass(frozen=True)
class Outline:
    """A lasso or a box in the plane of two quantities.

    Attributes
    ----------
    kind : str, `LASSO` or `BOX`
    axes : names of the quantities along x and y
    numbers : x and y of the vertices of a lasso, or of two corners of a box, one after the other

    Examples
    --------
    >>> outline = Outline.drawn(BOX, ("c0", "c1"), [[0.0012, 0], [3, 4.5]], (0.1, 0.1))
    >>> outline.text
    'box c0 c1 0.001 0 3 4.5'
    >>> Outline.read(outline.text) == outline
    True
    """

    kind: str
    axes: tuple[str, str]
    numbers: tuple[float, ...]

    @classmethod
    def drawn(cls, kind: str, axes: tuple[str, str], vertices: ArrayLike, pixel: tuple[float, float]) -> Self:
        """Take what was drawn on a screen, as finely as the screen could show it.

        Parameters
        ----------
        kind, axes : as of the class
        vertices : (vertex, 2)
        pixel : width and height of a pixel of the screen, in units of x and y
        """
        places = np.asarray(vertices, np.float64)
        if kind == LASSO and len(places) > 2 and np.isfinite(places).all():
            places = _fewer(places / pixel) * pixel
        numbers = tuple(fine(*one) for place in places.tolist() for one in zip(place, pixel, strict=True))
        return cls(kind, axes, numbers)

    @classmethod
    def read(cls, text: str) -> Self:
        """Read what `text` wrote.

        Raises
        ------
        InputError
            It is no outline.
        """
        kind, *words = text.split()[: 3 + 2 * MOST] or [""]
        try:
            numbers = tuple(float(word) for word in words[2:])
        except ValueError:
            numbers = ()
        enough = len(numbers) == 4 if kind == BOX else kind == LASSO and len(numbers) >= 6
        if not enough or len(numbers) % 2 or not np.isfinite(numbers).all():
            raise InputError(f"{text[:40]!r} is no lasso and no box; {ADVICE}")
        return cls(kind, (words[0], words[1]), numbers)

    @property
    def text(self) -> str:
        """The outline in words."""
        return " ".join([self.kind, *self.axes, *(f"{value:.15g}" for value in self.numbers)])

    def inside(self, values: Callable[[str], NDArray[np.generic]]) -> Mask:
        """Find the shots inside.

        Parameters
        ----------
        values : called with the name of a quantity, returns its values (shot,) as they are drawn
        """
        x, y = (coordinates(values(name)) for name in self.axes)
        if self.kind == BOX:
            left, low, right, high = self.numbers
            return in_box(x, y, (left, low, right, high))
        return in_polygon(x, y, np.reshape(self.numbers, (-1, 2)))


def fine(place: float, pixel: float) -> float:
    """Round a place along an axis to what a screen could show, whose pixels are that large.

    Examples
    --------
    >>> fine(1_600_000_010.123, 0.5), fine(0.123456, 0.5)
    (1600000010.12, 0.12)
    """
    return round(place, ceil(-log10(FINE * pixel)))


def _fewer(places: NDArray[np.float64]) -> NDArray[np.float64]:
    """Leave out vertices of a line that change it by less than can be seen."""
    line, tolerance = shapely.LineString(places), COARSE
    while len((kept := line.simplify(tolerance)).coords) > MOST:
        tolerance *= 2
    found = np.asarray(kept.coords, np.float64)
    return found if len(found) > 2 else places[:MOST]
