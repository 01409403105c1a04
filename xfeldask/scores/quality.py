"""How good a reconstructed intensity and its orientations are: against the exact ones, and by halves."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xfeldask.errors import InputError
from xfeldask.orient.alignment import alignment, turned_by
from xfeldask.orient.models import radii, symmetrised
from xfeldask.physics.orientations import angle_between, conjugate, multiply, uniform_quaternion

FIRST_SHELL = 2
"""Shells nearer to the middle have too few points to correlate."""

RANDOM_TURNS = 8
"""Random turns that tell what correlates by chance."""


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
    >>> shells.resolution(0.5), shells.significant.tolist()
    (5e-09, [False, True, True])
    """

    s: NDArray[np.float64]
    correlation: NDArray[np.float64]
    chance: NDArray[np.float64] | None = None

    @property
    def significant(self) -> NDArray[np.bool_]:
        """Whether each shell correlates more than by chance; all do where that is not known."""
        return np.ones(len(self.s), bool) if self.chance is None else self.correlation > self.chance

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


def chance_correlation(
    a: NDArray[np.float64], b: NDArray[np.float64], group: ArrayLike | None = None
) -> NDArray[np.float64]:
    """Estimate the correlation in each shell that intensities with nothing in common but their axes reach.

    Parameters
    ----------
    a, b : float64 (n, n, n), that lie alike
    group : (order, 4), symmetry that both were given, as they lie; none when not given

    Returns
    -------
    float64 (shell,), twice the root mean square, or 1, over random turns of `b` that are made symmetric again

    Examples
    --------
    >>> from xfeldask.physics.orientations import symmetry_group
    >>> a, b = np.random.default_rng(0).random((2, 13, 13, 13))
    >>> chance_correlation(a, b, symmetry_group("D8")).shape
    (4,)
    """
    turns = np.array([[1.0, 0, 0, 0]]) if group is None else np.atleast_2d(np.asarray(group, np.float64))
    random = uniform_quaternion(np.random.default_rng(0).random((RANDOM_TURNS, 3)))
    apart = [symmetrised(np.stack([turned_by(b, turn)] * 2, axis=-1), turns)[..., 0] for turn in random]
    found = np.array([shell_correlation(a, each, 1.0).correlation for each in apart])
    return np.asarray(np.minimum(1, 2 * np.sqrt((found**2).mean(axis=0))))


def half_set_shells(halves: NDArray[np.float64], step: float, group: ArrayLike | None = None) -> Shells:
    """Correlate the intensities of half sets, shell by shell, with what chance reaches.

    Parameters
    ----------
    halves : float64 (2, n, n, n), that lie alike
    step : of the grid [1/m]
    group : (order, 4), symmetry that both were given; none when not given

    Examples
    --------
    >>> half = np.random.default_rng(0).random((13, 13, 13))
    >>> half_set_shells(np.stack([half, half]), 1e7).correlation.round(3).tolist()
    [1.0, 1.0, 1.0, 1.0]
    """
    one, other = halves
    return replace(shell_correlation(one, other, step), chance=chance_correlation(one, other, group))


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
    chance = uniform_quaternion(np.random.default_rng((1, len(q))).random((len(q), 3)))
    at_random = np.rad2deg(angle_between(true, chance, group, friedel=True))
    return Quality(
        replace(shell_correlation(intensity, lying, step), chance=chance_correlation(intensity, lying, imposed)),
        None if oracle is None else shell_correlation(oracle, exact, step),
        float(np.median(error)),
        float(np.median(at_random)),
        float((error < 10).mean()),
        turn,
    )
