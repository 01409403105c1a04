"""What laboratories have: quantities far outside were meant in another unit, and are refused with a guess which."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from pydantic import AfterValidator

from xfeldask.errors import InputError

ELECTRON_CHARGE = 1.602176634e-19
_trusted = ContextVar("trusted", default=False)


@dataclass(frozen=True)
class Limit:
    """Values that a quantity has in laboratories, ends included.

    Attributes
    ----------
    low, high : float
    unit : str
    usual : float, a typical value, by which the unit is guessed that somebody meant
    units : dict, other units by name, in `unit`

    Examples
    --------
    >>> slit = Limit(1e-6, 1e-2, "m", 1e-4, {"mm": 1e-3})
    >>> slit.check("slit", 2e-4)
    0.0002
    >>> slit.check("slit", 0.5)
    Traceback (most recent call last):
    ...
    xfeldask.errors.InputError: slit: 0.5 m is beyond any laboratory (1e-06 to 0.01 m); did you mean 0.5e-3 m (0.5 mm)?
    """

    low: float
    high: float
    unit: str
    usual: float
    units: Mapping[str, float] = field(default_factory=dict)

    def check(self, name: str, value: float, more: Mapping[str, float] | None = None) -> float:
        """Return a value that is within the limits.

        Parameters
        ----------
        name : str, of the quantity
        value : float
        more : dict, optional, other units besides `units`

        Raises
        ------
        InputError
            It is not; the sentence guesses the unit that was meant.

        Examples
        --------
        >>> LIMITS["distance"].check("distance", 150.0)  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        xfeldask.errors.InputError: distance: 150 m is beyond any laboratory ...; did you mean 150e-3 m (150 mm)?
        """
        if self.low <= value <= self.high or _trusted.get():
            return value
        told = f"{name}: {value:g} {self.unit} is beyond any laboratory ({self.low:g} to {self.high:g} {self.unit})"
        units = {**self.units, **(more or {})}
        meant = [(unit, scale) for unit, scale in units.items() if self.low <= value * scale <= self.high]
        if not meant:
            raise InputError(f"{told}; give one that is within")
        unit, scale = min(meant, key=lambda known: abs(math.log(value * known[1] / self.usual)))
        raise InputError(f"{told}; did you mean {_written(value, scale)} {self.unit} ({value:g} {unit})?")


_SMALL = {"angstrom": 1e-10, "nm": 1e-9, "µm": 1e-6, "mm": 1e-3}

LIMITS = {
    "photon_energy": Limit(30.0, 1e6, "eV", 5e3, {"keV": 1e3, "MeV": 1e6, "J": 1 / ELECTRON_CHARGE}),
    "photons_per_pulse": Limit(1e5, 1e20, "photons", 1e12),
    "focus_radius": Limit(1e-9, 1e-3, "m", 1e-6, _SMALL),
    "separation": Limit(1e-10, 1e-4, "m", 3e-8, _SMALL),
    "diameter": Limit(1e-10, 1e-5, "m", 3e-8, _SMALL),
    "pixel_size": Limit(1e-6, 2e-2, "m", 1e-4, _SMALL),
    "distance": Limit(1e-3, 20.0, "m", 0.3, {"µm": 1e-6, "mm": 1e-3, "cm": 1e-2}),
}
"""By name of a quantity. Photon energies begin where lasers in the extreme ultraviolet do and keV end; pulses and foci
reach beyond those of today, as for an experiment that is still to be built."""

WAVELENGTH = Limit(1.24e-12, 4.13e-8, "m", 2e-10, {"angstrom": 1e-10, "nm": 1e-9})
"""Of a pulse, as far as photon energies go."""


def within(name: str) -> AfterValidator:
    """Return what makes a field of a model keep to one of `LIMITS`.

    Examples
    --------
    >>> from typing import Annotated
    >>> from pydantic import TypeAdapter
    >>> TypeAdapter(Annotated[float, within("distance")]).validate_python(0.15)
    0.15
    """
    return AfterValidator(lambda value: LIMITS[name].check(name, value))


def pulse_energies(photon_energy: float) -> dict[str, float]:
    """Return units of the energy of a pulse, in photons of an energy [eV].

    Examples
    --------
    >>> round(pulse_energies(4600.0)["mJ"] / 1e12, 3)
    1.357
    """
    joule = 1 / (photon_energy * ELECTRON_CHARGE)
    return {"J": joule, "mJ": 1e-3 * joule, "µJ": 1e-6 * joule}


@contextmanager
def trusted() -> Iterator[None]:
    """Take values as they are: those of a store were accepted when it was made.

    Examples
    --------
    >>> with trusted():
    ...     LIMITS["distance"].check("distance", 150.0)
    150.0
    """
    token = _trusted.set(True)
    try:
        yield
    finally:
        _trusted.reset(token)


def _written(value: float, scale: float) -> str:
    exponent = round(math.log10(scale))
    small = exponent < 0 and math.isclose(scale, 10.0**exponent) and "e" not in f"{value:g}"
    return f"{value:g}e{exponent}" if small else f"{value * scale:.4g}"
