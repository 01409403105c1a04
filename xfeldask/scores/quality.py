"""How good a reconstructed intensity and its orientations are: against the exact ones, and by halves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xfeldask.errors import InputError
from xfeldask.orient.alignment import alignment, isotropic, turned_by, turned_onto
from xfeldask.orient.models import estimate, radii, radius_of_gyration, symmetrised
from xfeldask.physics.orientations import (
    angle_between,
    conjugate,
    multiply,
    rotation_matrix,
    rotations_of,
    uniform_quaternion,
)

FIRST_SHELL = 2
"""Shells nearer to the middle have too few points to correlate."""

STRANGERS = 8
"""Particles of nothing but chance that tell what correlates by chance."""

PLACES = 24
"""Scatterers of such a particle, about; intensities of few agree best by chance."""

UNKNOWN_SPECKLE = 4.0
"""Width of its speckles where the size of the particle cannot be told [steps]."""


@dataclass(frozen=True, eq=False)
class Shells:
    """Correlation of two intensities, shell by shell; made by `shell_correlation`.

    Attributes
    ----------
    s : float64 (shell,), middle of each shell [1/m]
    correlation : float64 (shell,), of what differs from the mean of all points at the same distance
    chance : float64 (shell,) or None, that intensities which have nothing in common reach in one shell of twenty, as of
        `chance_correlation`; a symmetric particle has one independent value or two in its inner shells, where it is 1

    Examples
    --------
    >>> shells = Shells(np.array([1e8, 2e8, 3e8]), np.array([0.99, 0.95, 0.4]), np.array([1.0, 0.4, 0.2]))
    >>> shells.resolution(0.5)
    5e-09
    """

    s: NDArray[np.float64]
    correlation: NDArray[np.float64]
    chance: NDArray[np.float64] | None = None

    def resolution(self, least: float) -> float:
        """Return 1/s of the last shell before the correlation falls below `least` [m]; infinity for none.

        Shells that may reach `least` by chance neither end it nor count.
        """
        telling = np.ones(len(self.s), bool) if self.chance is None else self.chance < least
        below = np.flatnonzero(telling & ~(self.correlation >= least))
        reached = np.flatnonzero(telling[: below[0] if below.size else None])
        return float(1 / self.s[reached[-1]]) if reached.size else float("inf")


def shell_correlation(a: NDArray[np.float64], b: NDArray[np.float64], step: float) -> Shells:
    """Correlate two intensities that lie alike, shell by shell, about the mean of all points at the same distance.

    Parameters
    ----------
    a, b : float64 (n, n, n), index n // 2 is s = 0
    step : of the grid [1/m]

    Raises
    ------
    InputError
        Grids of different sizes.

    Examples
    --------
    >>> grid = np.random.default_rng(0).random((13, 13, 13))
    >>> shell_correlation(grid, 3 * grid, 1e7).correlation.round(3).tolist()
    [1.0, 1.0, 1.0, 1.0]
    """
    if a.shape != b.shape:
        raise InputError(f"intensities on grids of {a.shape} and {b.shape} points cannot be compared")
    far = radii(len(a)).reshape(-1)
    shell = np.rint(far).astype(np.int64)
    # within a shell an intensity falls so steeply that any two of them would be alike about its mean
    _, alike = np.unique(np.rint(far * far).astype(np.int64), return_inverse=True)
    count = np.bincount(alike)

    def about_mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(values.reshape(-1) - (np.bincount(alike, values.reshape(-1)) / count)[alike])

    x, y = about_mean(a), about_mean(b)
    xy, xx, yy = (np.bincount(shell, part) for part in (x * y, x * x, y * y))
    number = np.arange(FIRST_SHELL, len(a) // 2)
    with np.errstate(invalid="ignore", divide="ignore"):
        correlation = (xy / np.sqrt(xx * yy))[number]
    return Shells(np.asarray(number * step, np.float64), np.asarray(np.nan_to_num(correlation), np.float64))


class Agreement(NamedTuple):
    """A curve that tells from which distance on a reconstruction no longer agrees with itself; made by `agreements`.

    Attributes
    ----------
    name : str, what agrees
    shells : Shells
    limit : float, at which the resolution is read
    """

    name: str
    shells: Shells
    limit: float

    @property
    def resolution(self) -> float:
        """1/s of the last shell before the curve falls below its limit [m]; infinity for none."""
        return self.shells.resolution(self.limit)


def agreements(found: Mapping[Any, Any]) -> dict[str, Agreement]:
    """Return the curves that a reconstruction has of its half sets and of its phases, by the variable they are of.

    Two half maps agree at 0.143 as well as both together do with the truth at 0.5 (Rosenthal & Henderson, J. Mol. Biol.
    333, 721, 2003); intensities of half sets and the phase transfer are read at 0.5.

    Parameters
    ----------
    found : arrays by name, such as the Dataset ``/reconstruction/<name>``

    Examples
    --------
    >>> made = {"s": (np.arange(9) - 4) * 1e8, "density_correlation": [0.99, 0.4, 0.1], "phase_transfer": [1, 0.4, 0.3]}
    >>> [(curve.name, curve.resolution) for curve in agreements(made).values()]
    [('densities of half sets', 5e-09), ('phases of all starts', 1e-08)]
    """
    s = np.asarray(found["s"], np.float64)
    step = float(s[-1] - s[-2])
    out = {}
    if "half_intensity" in found:
        first, second = np.asarray(found["half_intensity"])
        out["half_intensity"] = Agreement("intensities of half sets", shell_correlation(first, second, step), 0.5)
    for variable, name, limit in (
        ("density_correlation", "densities of half sets", 0.143),
        ("phase_transfer", "phases of all starts", 0.5),
    ):
        if variable in found:
            values = np.asarray(found[variable], np.float64)
            out[variable] = Agreement(name, Shells(step * np.arange(1.0, len(values) + 1), values), limit)
    return out


def chance_correlation(
    intensity: NDArray[np.float64], step: float, group: ArrayLike | None = None
) -> NDArray[np.float64]:
    """Estimate the correlation in each shell that a particle which has nothing in common with another one reaches.

    Such particles are of the same size and symmetry, their scatterers at random. They are compared as they lie, with
    the same axes of symmetry, and after they were turned onto the intensity as a half set is, or a truth: the best of
    many rotations agrees to some degree with anything.

    Parameters
    ----------
    intensity : float64 (n, n, n), index n // 2 is s = 0
    step : of the grid [1/m]
    group : (order, 4), symmetry that it was given, as it lies; none when not given

    Returns
    -------
    float64 (shell,), mean and two standard deviations of those that are turned, or two of the others if that is more; 1
    at most

    Examples
    --------
    >>> from xfeldask.physics.orientations import symmetry_group
    >>> intensity = np.random.default_rng(0).random((13, 13, 13))
    >>> chance_correlation(intensity, 1e7, symmetry_group("D8")).shape
    (4,)
    """
    turns = rotations_of(group)
    known, least = radius_of_gyration(intensity, step), 1 / (len(intensity) * step)
    radius = max(known, least) if known > 0 else 1 / (2 * UNKNOWN_SPECKLE * step)
    strangers = [_stranger(len(intensity), step, radius, turns, number) for number in range(STRANGERS)]

    def correlations(others: Iterable[NDArray[np.float64]]) -> NDArray[np.float64]:
        return np.array([shell_correlation(other, intensity, step).correlation for other in others])

    lying, turned = correlations(strangers), correlations(turned_onto(other, intensity) for other in strangers)
    apart = 2 * np.sqrt((lying**2).mean(axis=0))
    return np.asarray(np.minimum(1, np.maximum(apart, turned.mean(axis=0) + 2 * turned.std(axis=0, ddof=1))))


def _stranger(size: int, step: float, radius: float, group: NDArray[np.float64], seed: int) -> NDArray[np.float64]:
    """Return the intensity of scatterers at random on a sphere, and of their equivalents.

    No body of the same radius of gyration has less extent, and therefore wider speckles.
    """
    rng = np.random.default_rng(seed)
    place = rng.normal(size=(max(2, PLACES // len(group)), 3))
    place *= radius / np.linalg.norm(place, axis=1, keepdims=True)
    alike = (rotation_matrix(group)[:, None] @ place[..., None])[..., 0].reshape(-1, 3)
    density, at = np.zeros((size, size, size)), np.rint(alike * size * step).astype(np.int64) % size
    np.add.at(density, tuple(at.T), 1.0)
    intensity = np.abs(np.fft.fftshift(np.fft.fftn(density))) ** 2
    whole = symmetrised(np.stack([intensity, np.ones_like(intensity)], axis=-1), group)
    return estimate(whole, 0.0, isotropic(intensity))


@dataclass(frozen=True, eq=False)
class Quality:
    """A reconstruction against the truth; made by `quality`.

    Attributes
    ----------
    shells : Shells, correlation with the exact intensity
    oracle : Shells or None, of an intensity merged with the true orientations
    orientation_error : float, median up to the symmetry and a turn by 180 degrees about the beam [deg]
    random : float, that of orientations at random [deg]
    within_10_degrees : float, fraction of the shots
    turn : float64 (4,), rotation by which ``exact(R x)`` lies as the intensity does
    """

    shells: Shells
    oracle: Shells | None
    orientation_error: float
    random: float
    within_10_degrees: float
    turn: NDArray[np.float64]


def quality(
    intensity: NDArray[np.float64],
    exact: NDArray[np.float64],
    step: float,
    orientation: ArrayLike,
    true_orientation: ArrayLike,
    group: ArrayLike | None = None,
    oracle: NDArray[np.float64] | None = None,
    imposed: ArrayLike | None = None,
) -> Quality:
    """Compare a reconstruction with the truth, after the exact intensity was turned to lie as it does.

    Parameters
    ----------
    intensity, exact : float64 (n, n, n)
    step : of the grid [1/m]
    orientation, true_orientation : (shot, 4), quaternions
    group : (order, 4), rotations that leave the particle as it is, as of `symmetry_group`; none when not given
    oracle : float64 (n, n, n), optional, merged with the true orientations
    imposed : (order, 4), symmetry that the intensity was given, in its own frame; none when not given

    Returns
    -------
    Quality

    Examples
    --------
    >>> from xfeldask.physics.orientations import super_fibonacci
    >>> grid, q = np.random.default_rng(0).random((21, 21, 21)), super_fibonacci(50)
    >>> found = quality(grid, grid, 1e7, q, q)
    >>> round(found.orientation_error), found.within_10_degrees
    (0, 1.0)
    """
    turn, _ = alignment(exact, intensity)
    lying = turned_by(exact, turn)
    q, true = np.asarray(orientation, np.float64), np.asarray(true_orientation, np.float64)
    if group is None and imposed is not None:
        group = multiply(multiply(turn, np.asarray(imposed, np.float64)), conjugate(turn))
    # intensity(x) = exact(R x): what lies at R_rec^T s in the one lies at R R_rec^T s in the other
    error = np.rad2deg(angle_between(true, multiply(q, conjugate(turn)), group, friedel=True))
    anyhow = uniform_quaternion(np.random.default_rng((1, len(q))).random((len(q), 3)))
    at_random = np.rad2deg(angle_between(true, anyhow, group, friedel=True))
    return Quality(
        shell_correlation(intensity, lying, step),
        None if oracle is None else shell_correlation(oracle, exact, step),
        float(np.median(error)),
        float(np.median(at_random)),
        float((error < 10).mean()),
        turn,
    )
