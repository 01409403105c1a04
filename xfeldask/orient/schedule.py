"""From few rotations and the innermost bins to many and all: the order in which an intensity is found."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from xfeldask.errors import InputError
from xfeldask.orient.rotations import FINEST


@dataclass(frozen=True)
class Level:
    """Iterations with the same rotations and the same pixels.

    Attributes
    ----------
    refinement : int, of the rotations, as of `rotation_grid`
    radius : float [bins], pixels that are looked at
    iterations : int, at most
    exponent : float, of the likelihood at the first iteration, 1 for none; from the photons where it is 0
    everywhere : bool, compare each shot with all rotations; else with those near its likeliest ones
    gain : float [nat], of log likelihood a shot; an iteration that gains less at exponent 1 is the level's last

    Examples
    --------
    >>> Level(3, 10.0, 12).exponent
    1.0
    """

    refinement: int
    radius: float
    iterations: int
    exponent: float = 1.0
    everywhere: bool = False
    gain: float = 0.05

    def __post_init__(self) -> None:
        if not 1 <= self.refinement <= FINEST:
            raise InputError(f"the refinement of rotations must be 1 to {FINEST}, got {self.refinement}")
        if not (np.isfinite(self.radius) and self.radius >= 2):
            raise InputError(f"a reconstruction needs a radius of at least 2 bins, got {self.radius}")
        if self.iterations < 1:
            raise InputError(f"a level needs at least 1 iteration, got {self.iterations}")
        if not 0 <= self.exponent <= 1:
            raise InputError(f"the exponent of the likelihood must be 0 (from the photons) to 1, got {self.exponent}")


COARSE, FINE = (3, 14.0, 14), (0.65, 0.82, 1.0)
"""Refinement, radius [bins] and iterations of the first level; fractions of the radius of those that follow."""

A_ROTATION = 0.29
"""Refinement of the rotations over the radius [bins]: at the rim neighbouring slices are four bins apart, a speckle."""

LEAST_FINE = 6
"""Refinement of the last level at least: where the radius is few bins, speckles are narrow beside a bin."""

GROWTH = 1.5
"""How much the exponent of the likelihood grows from one iteration to the next, until it is 1."""


def first_exponent(photons: float) -> float:
    """Exponent that keeps shots of so many photons from settling on the first model.

    Notes
    -----
    The rule of Dragonfly: K. Ayyer et al., Journal of Applied Crystallography 49, 1320 (2016), and its program.

    Examples
    --------
    >>> round(first_exponent(500.0), 3)
    0.053
    """
    return float(min(1.0, np.exp(-6.5 * (max(photons, 0.0) * 1e-5) ** 0.15)))


def schedule(radius: float, finest: int | None = None) -> tuple[Level, ...]:
    """Plan levels up to a radius.

    Parameters
    ----------
    radius : [bins]
    finest : int, largest refinement of the rotations; by the radius when not given

    Raises
    ------
    InputError
        A radius below 2, a refinement out of range.

    Examples
    --------
    >>> [(level.refinement, level.radius) for level in schedule(34.0)]
    [(3, 14.0), (6, 22.0), (8, 28.0), (10, 34.0)]
    >>> [(level.refinement, level.radius) for level in schedule(9.0)]
    [(3, 9.0), (6, 9.0)]
    """
    most = FINEST if finest is None else finest
    first, inner, iterations = COARSE
    levels = [Level(min(most, first), min(inner, radius), iterations, 0.0, everywhere=True)]
    for i, part in enumerate(FINE):
        reach = radius if part == 1 else float(np.rint(part * radius))
        refinement = min(most, max(LEAST_FINE if part == 1 else first, round(A_ROTATION * reach)))
        if reach > inner or (part == 1 and refinement > levels[-1].refinement):
            levels.append(Level(refinement, reach, 8 if i else 20, 1.0 if len(levels) > 1 else 0.3))
    return tuple(levels)


def refinement_of(rotations: int) -> int:
    """Return the largest refinement of no more than so many rotations.

    Raises
    ------
    InputError
        Fewer than 60.

    Examples
    --------
    >>> refinement_of(50_000), refinement_of(1_380)
    (9, 3)
    """
    fitting = [n for n in range(1, FINEST + 1) if 10 * (n + 5 * n**3) <= rotations]
    if not fitting:
        raise InputError(f"a reconstruction needs at least 60 rotations, got {rotations}")
    return fitting[-1]
