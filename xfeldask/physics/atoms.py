"""Atoms of a particle: checked positions and elements, form factors, and the direct sum over atoms."""

from __future__ import annotations

import hashlib
import json
import math
import re
import sqlite3
from contextlib import closing
from dataclasses import dataclass, replace
from functools import cache
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xfeldask.errors import InputError
from xfeldask.physics.elementary import cosine_sine, exp_of
from xfeldask.physics.jit import kernel

H_MAX = 6.0
"""Largest sin(theta)/lambda [1/angstrom] that the Waasmaier-Kirfel fits hold for."""

LARGEST = 10e-6
"""Of a particle along x, y and z [m]; nothing larger is a single particle of an X-ray laser."""

_LENGTHS = {"pm": 1e-12, "angstrom": 1e-10, "nm": 1e-9, "µm": 1e-6}
_BOND = 1.5e-10


@dataclass(frozen=True, eq=False)
class Atoms:
    """Atoms of one particle; made by `make_atoms`, which checks them.

    Attributes
    ----------
    position : float64 (n, 3) [m]
    element : str (n,), symbols such as ``'C'``, ``'Fe'`` or ``'Fe2+'``
    occupancy : float64 (n,), from 0 to 1

    Examples
    --------
    >>> co = make_atoms([[0, 0, 0], [1.13e-10, 0, 0]], ["C", "O"])
    >>> len(co), co.mass.round(3).tolist(), co.radius
    (2, [12.011, 15.999], 1.13e-10)
    """

    position: NDArray[np.float64]
    element: NDArray[np.str_]
    occupancy: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.position)

    @property
    def mass(self) -> NDArray[np.float64]:
        """Mass of each atom times its occupancy, float64 (n,) [Da]."""
        symbol, index = np.unique(self.element, return_inverse=True)
        mass = [_atomic_masses()[re.sub(r"\d*[+-]$", "", str(name))] for name in symbol]
        return np.array(mass)[index] * self.occupancy

    @property
    def radius(self) -> float:
        """Largest distance of an atom from the origin [m]."""
        return float(np.sqrt((self.position**2).sum(axis=1).max()))

    @property
    def digest(self) -> str:
        """SHA-256 of positions, elements and occupancies, in hexadecimal."""
        state = hashlib.sha256()
        # adding zero turns -0.0 into 0.0
        state.update(np.ascontiguousarray(self.position + 0.0, "<f8").tobytes())
        state.update("\n".join(self.element.tolist()).encode())
        state.update(np.ascontiguousarray(self.occupancy + 0.0, "<f8").tobytes())
        return state.hexdigest()

    @property
    def middle(self) -> NDArray[np.float64]:
        """Centre of mass, float64 (3,) [m]."""
        mass = self.mass
        return np.asarray((mass[:, None] * self.position).sum(axis=0) / mass.sum())

    def chosen(self, which: NDArray[np.bool_]) -> Atoms:
        """Return some of the atoms.

        Raises
        ------
        InputError
            None is left.
        """
        if not which.any():
            raise InputError("no atom is left; keep more of the particle")
        return Atoms(self.position[which], self.element[which], self.occupancy[which])

    def centered(self) -> Atoms:
        """Move the atoms so that the centre of mass lies at the origin.

        Examples
        --------
        >>> make_atoms([[0, 0, 0], [2e-10, 0, 0]], ["C", "C"]).centered().position[:, 0].tolist()
        [-1e-10, 1e-10]
        """
        return replace(self, position=self.position - self.middle)


def make_atoms(position: ArrayLike, element: ArrayLike, occupancy: ArrayLike | None = None) -> Atoms:
    """Check and normalise the atoms of a particle.

    Parameters
    ----------
    position : (n, 3) [m]
    element : (n,), symbols or ions in any case; ``'D'`` becomes ``'H'``
    occupancy : (n,), from 0 to 1; all 1 when not given

    Raises
    ------
    InputError
        No atoms, shapes that differ, coordinates that are not finite or not in m, an element without a form
        factor, an occupancy outside 0 to 1.

    Examples
    --------
    >>> make_atoms([[0, 0, 0], [1e-9, 0, 0]], ["FE", "D"]).element.tolist()
    ['Fe', 'H']
    """
    try:
        xyz = np.array(position, dtype=np.float64)
    except (TypeError, ValueError) as error:
        told = "atom positions are numbers of shape (n, 3) [m], given before the elements"
        raise InputError(f"{told}; these cannot be read as such ({error})") from None
    symbol = np.asarray(element, dtype=np.str_)
    if xyz.size == 0:
        raise InputError("a particle needs at least one atom, got none; give positions and elements")
    if xyz.ndim != 2 or xyz.shape[1] != 3:
        raise InputError(f"atom positions must have shape (n, 3) [m], got {xyz.shape}")
    n = len(xyz)
    if symbol.shape != (n,):
        raise InputError(f"{n} atom positions need elements of shape ({n},), got {symbol.shape}")
    bad = ~np.isfinite(xyz).all(axis=1)
    if bad.any():
        first = int(bad.argmax())
        raise InputError(
            f"atom {first} has the position {xyz[first].tolist()} m; give finite coordinates "
            f"({bad.sum()} of {n} are not)"
        )
    _refuse_giant(xyz)
    return Atoms(xyz, _known_elements(symbol), _occupancies(occupancy, n))


def form_factor(element: str, s: ArrayLike) -> NDArray[np.float64]:
    """Atomic form factor f(h) at h = abs(s) / 2 = sin(theta) / lambda.

    Parameters
    ----------
    element : a symbol or ion, such as ``'C'`` or ``'Fe2+'``
    s : (..., 3) [1/m]

    Returns
    -------
    float64 (...) [electrons]

    Raises
    ------
    InputError
        An unknown element, or h beyond `H_MAX`, where the fit turns negative.

    Notes
    -----
    Waasmaier and Kirfel, Acta Cryst. A51, 416 (1995); coefficients from xraydb.

    Examples
    --------
    >>> round(float(form_factor("C", [2 * 0.06423393e10, 0, 0])), 6)
    5.598148
    """
    name = str(_known_elements(np.array([element]))[0])
    h = np.asarray(np.linalg.norm(np.asarray(s, dtype=np.float64), axis=-1) * 0.5e-10)
    if h.size and not h.max() <= H_MAX:
        raise InputError(
            f"form factors hold up to sin(theta)/lambda = {H_MAX:g} 1/angstrom, asked at {h.max():.3g}; "
            "use a lower photon energy or a smaller detector"
        )
    scale, exponent, offset = _waasmaier_kirfel()[name]
    out = np.full(h.shape, offset)
    for a, b in zip(scale, exponent, strict=True):
        out += a * exp_of(-b * h * h)
    return out


def amplitude(atoms: Atoms, s: ArrayLike) -> NDArray[np.complex128]:
    """Form factor of the particle, F(s) = sum_j occupancy_j f_j(abs(s)/2) exp(+2 pi i s.r_j), atom by atom.

    The exact and slow way: about 20 ns an atom and an s.

    Parameters
    ----------
    atoms : the particle
    s : (..., 3) [1/m]

    Returns
    -------
    complex128 (...) [electrons]

    Raises
    ------
    InputError
        s beyond the range of the form factors.

    Examples
    --------
    >>> pair = make_atoms([[-1e-10, 0, 0], [1e-10, 0, 0]], ["C", "C"])
    >>> abs(amplitude(pair, [[0, 0, 0], [2.5e9, 0, 0]])).round(3).tolist()
    [11.994, 0.0]
    """
    s = np.asarray(s, dtype=np.float64)
    flat = np.ascontiguousarray(s.reshape(-1, 3))
    total = np.zeros(len(flat), dtype=np.complex128)
    for name in np.unique(atoms.element):
        chosen = atoms.element == name
        part = np.empty_like(total)
        _phase_sums(atoms.position[chosen], atoms.occupancy[chosen], flat, part)
        total += form_factor(str(name), flat) * part
    return total.reshape(s.shape[:-1])


@kernel
def _phase_sums(
    position: NDArray[np.float64], weight: NDArray[np.float64], s: NDArray[np.float64], out: NDArray[np.complex128]
) -> None:
    for i in range(len(s)):
        re, im = 0.0, 0.0
        for j in range(len(position)):
            turns = s[i, 0] * position[j, 0] + s[i, 1] * position[j, 1] + s[i, 2] * position[j, 2]
            cosine, sine = cosine_sine(turns)
            re += weight[j] * cosine
            im += weight[j] * sine
        out[i] = complex(re, im)


def _refuse_giant(position: NDArray[np.float64]) -> None:
    """Refuse a particle of an impossible size, with a guess of the unit by the distances of neighbours."""
    with np.errstate(over="ignore"):
        extent = float(np.ptp(position, axis=0).max())
    if extent <= LARGEST:
        return
    told = f"the particle would be {extent:.3g} m wide, and no more than {LARGEST:g} m is possible"
    near = _neighbour_distance(position)
    unit = min(_LENGTHS, key=lambda name: abs(math.log(near * _LENGTHS[name] / _BOND)))
    if extent * _LENGTHS[unit] > LARGEST:
        raise InputError(f"{told}; give positions in m")
    raise InputError(
        f"{told}; neighbouring atoms are {near:.3g} apart, are positions in {unit}? "
        f"give them in m: positions * {_LENGTHS[unit]:g}"
    )


def _neighbour_distance(position: NDArray[np.float64], sample: int = 1000) -> float:
    """Median distance from an atom to the nearest one elsewhere; there is one."""
    from scipy.spatial import cKDTree

    places = np.unique(position, axis=0)
    some = places[:: max(1, len(places) // sample)]
    return max(float(np.median(cKDTree(places).query(some, k=2)[0][:, 1])), 1e-30)


def _occupancies(occupancy: ArrayLike | None, n: int) -> NDArray[np.float64]:
    try:
        value = np.ones(n) if occupancy is None else np.array(occupancy, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"occupancies are numbers, one for each atom; these cannot be read as such ({error})"
        ) from None
    if value.shape != (n,):
        raise InputError(f"{n} atoms need occupancies of shape ({n},), got {value.shape}")
    bad = ~((value >= 0) & (value <= 1))
    if bad.any():
        first = int(bad.argmax())
        raise InputError(f"atom {first} has the occupancy {value[first]:g}; give a fraction from 0 to 1")
    if not value.any():
        raise InputError(f"all {n} atoms have occupancy 0; at least one must scatter")
    return value


def _known_elements(symbol: NDArray[np.str_]) -> NDArray[np.str_]:
    unique, index = np.unique(symbol, return_inverse=True)
    names = [_normal_symbol(str(name)) for name in unique]
    for i, name in enumerate(names):
        if name not in _waasmaier_kirfel():
            count = int((index == i).sum())
            raise InputError(
                f"unknown element {str(unique[i])!r} of {count} atom{'s' * (count > 1)}; "
                "use a symbol such as 'C' or 'Fe', or an ion such as 'Fe2+'"
            )
    return np.array(names, dtype=np.str_)[index]


def _normal_symbol(text: str) -> str:
    name = text.strip().capitalize()
    return "H" if name == "D" else name


@cache
def _waasmaier_kirfel() -> dict[str, tuple[list[float], list[float], float]]:
    """Factors and exponents of the five Gaussians, and the constant, of each element and ion."""
    rows = _read_xraydb("SELECT ion, scale, exponents, offset FROM Waasmaier")
    # Cval and Siva are valence states, not elements
    return {ion: (json.loads(a), json.loads(b), c) for ion, a, b, c in rows if ion not in ("Cval", "Siva")}


def atomic_number(symbol: str) -> int:
    """Return the atomic number of an element, or of an ion such as ``'Fe2+'``.

    Raises
    ------
    InputError
        There is no such element.

    Examples
    --------
    >>> atomic_number("Fe2+"), atomic_number("D")
    (26, 1)
    """
    number = _atomic_numbers().get(_normal_symbol(symbol.rstrip("+-0123456789")))
    if number is None:
        raise InputError(f"unknown element {symbol!r}; use a symbol such as 'C' or 'Fe'")
    return number


@cache
def _atomic_numbers() -> dict[str, int]:
    return dict(_read_xraydb("SELECT element, atomic_number FROM elements"))


@cache
def _atomic_masses() -> dict[str, float]:
    return dict(_read_xraydb("SELECT element, molar_mass FROM elements"))


def _read_xraydb(query: str) -> list[tuple[Any, ...]]:
    """Ask the database that xraydb comes with; the package itself takes a second to import and to open it."""
    database = Path(str(distribution("xraydb").locate_file("xraydb/xraydb.sqlite")))
    with closing(sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True)) as tables:
        return tables.execute(query).fetchall()
