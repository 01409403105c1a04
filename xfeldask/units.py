"""Units for people: how a quantity that is stored in CF units is shown, everywhere."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True)
class Shown:
    """A unit in which a quantity is shown.

    Attributes
    ----------
    factor : float, by which stored values are multiplied
    name : str, for people; empty for pure numbers

    Examples
    --------
    >>> Shown(1e9, "nm").of([2e-9]).tolist()
    [2.0]
    """

    factor: float
    name: str

    def of(self, values: ArrayLike) -> NDArray[Any]:
        """Return stored values in this unit."""
        values = np.asarray(values)
        return values if self.factor == 1 else values * self.factor

    def label(self, quantity: str) -> str:
        """Return the name of a quantity with the unit.

        Examples
        --------
        >>> shown("rad").label("angle"), shown("1").label("score")
        ('angle (°)', 'score')
        """
        return f"{quantity} ({self.name})" if self.name else quantity


PLAIN = Shown(1.0, "")
_LADDERS: dict[str, tuple[tuple[float, Shown], ...]] = {
    "1": ((math.inf, PLAIN),),
    "m": (
        (1e-6, Shown(1e9, "nm")), (1e-3, Shown(1e6, "µm")), (1.0, Shown(1e3, "mm")), (math.inf, Shown(1.0, "m")),
    ),
    "eV": ((1e4, Shown(1.0, "eV")), (math.inf, Shown(1e-3, "keV"))),
    "rad": ((math.inf, Shown(180 / math.pi, "°")),),
    "degree": ((math.inf, Shown(1.0, "°")),),
    "m-1": ((math.inf, Shown(1e-9, "1/nm")),),
    "angstrom-1": ((math.inf, Shown(10.0, "1/nm")),),
    "um-2": ((1e9, Shown(1.0, "1/µm²")), (math.inf, Shown(1e-12, "10¹²/µm²"))),
}  # fmt: skip
"""For each stored unit, units to show it in, each with the largest value below which it serves."""


def shown(units: str, values: ArrayLike = ()) -> Shown:
    """Return the unit that a quantity is shown in.

    Parameters
    ----------
    units : str, as stored, CF style; one that is not known is shown as it is
    values : array of numbers, of which the largest decides between such as nm and µm; those not finite are passed over

    Returns
    -------
    Shown

    Examples
    --------
    >>> shown("m"), shown("m", [2e-6, 7e-5])
    (Shown(factor=1000000000.0, name='nm'), Shown(factor=1000000.0, name='µm'))
    """
    ladder = _LADDERS.get(units)
    if ladder is None:
        return Shown(1.0, units)
    if len(ladder) == 1:
        return ladder[0][1]
    size = np.abs(np.asarray(values, np.float64))
    largest = size.max(where=np.isfinite(size), initial=0.0)
    return next(unit for most, unit in ladder if largest < most)


def told(value: float, units: str, digits: int = 4) -> str:
    """Return a quantity as text, in the unit that suits it.

    Parameters
    ----------
    value : float, as stored
    units : str, as stored, CF style
    digits : int, significant ones

    Examples
    --------
    >>> told(5e-7, "m"), told(9234.0, "eV"), told(12000.0, "eV"), told(1.27324e12, "um-2"), told(0.5, "1")
    ('500 nm', '9234 eV', '12 keV', '1.273·10¹²/µm²', '0.5')
    """
    unit = shown(units, value)
    return with_unit(f"{value * unit.factor:.{digits}g}", unit.name)


def with_unit(number: str, name: str) -> str:
    """Return a number with its unit as people write it.

    Examples
    --------
    >>> with_unit("30", "°"), with_unit("80", "nm"), with_unit("0.5", "1/nm"), with_unit("7", "")
    ('30°', '80 nm', '0.5/nm', '7')
    """
    if name.startswith("1/"):
        return number + name[1:]
    between = "" if name in ("", "°") else "·" if name[0].isdigit() else " "
    return f"{number}{between}{name}"
