"""How far two latent spaces lie apart, and how much of the shots one misses."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import subspace_angles
from sklearn.neighbors import KernelDensity

from xfeldask.errors import InputError

# singular values below this fraction of the largest are rounding of float32 Gram matrices
_ROUNDING_OF_LATENTS = 1e-3


def held_out_angle(latent_a: ArrayLike, latent_b: ArrayLike) -> float:
    """Largest principal angle between two sets of coordinates of the same held-out shots.

    The spaces are those of the centred columns, so that a direction of features that no shot uses does not count;
    one with less than a millionth of the strongest variance is such. It does not change when a basis is turned,
    scaled or shifted.

    Parameters
    ----------
    latent_a, latent_b : (shot, component)

    Returns
    -------
    float [rad], 0 to pi/2; pi/2 between spaces of unlike dimension, 0 between two of none

    Raises
    ------
    InputError
        Arrays that do not match or are not finite; fewer than 2 k + 1 shots for k components, which would have
        directions in common whatever they are.

    Examples
    --------
    >>> x = np.random.default_rng(0).normal(size=(50, 2))
    >>> held_out_angle(x, x @ [[0, 3], [-1, 1]] + 7) < 1e-6
    True
    """
    a, b = matrix(latent_a, "latent_a"), matrix(latent_b, "latent_b")
    if len(a) != len(b):
        raise InputError(f"both bases need the same held-out shots, got {len(a)} and {len(b)}")
    needed = 2 * max(a.shape[1], b.shape[1]) + 1
    if len(a) < needed:
        raise InputError(f"{(needed - 1) // 2} components need at least {needed} held-out shots, got {len(a)}")
    return _angle(*(_column_basis(_centred(x), _ROUNDING_OF_LATENTS) for x in (a, b)))


def eigenvalue_change(old: ArrayLike, new: ArrayLike) -> float:
    """Largest change of an eigenvalue, as a fraction of the larger of the two.

    Parameters
    ----------
    old, new : (component,), variances; where one is longer the other is taken as 0, and so is what lies below a
        millionth of the largest

    Returns
    -------
    float, 0 to 1

    Raises
    ------
    InputError
        Values that are negative or not finite.

    Examples
    --------
    >>> eigenvalue_change([10.0, 4.0], [10.0, 5.0])
    0.2
    """
    values = [np.atleast_1d(np.asarray(value, np.float64)) for value in (old, new)]
    if any(value.ndim != 1 or not (np.isfinite(value) & (value >= 0)).all() for value in values):
        raise InputError("eigenvalues (component,) must be finite and not negative")
    both = np.zeros((2, max(map(len, values))))
    for row, value in zip(both, values, strict=True):
        row[: len(value)] = value
    both[both < _ROUNDING_OF_LATENTS**2 * both.max(initial=0)] = 0
    larger = both.max(axis=0)
    return float(np.max(np.abs(both[1] - both[0])[larger > 0] / larger[larger > 0], initial=0))


def jensen_shannon_distance(
    latent_a: ArrayLike, latent_b: ArrayLike, bandwidth: float = 0.2, samples: int = 1000, seed: int = 0
) -> float:
    """Distance between the densities of two sets of coordinates, the reference work's measure.

    Parameters
    ----------
    latent_a, latent_b : (shot, component), each any number of shots
    bandwidth : float, of the Gaussian kernels, in units of the coordinates
    samples : int, drawn from each density
    seed : int, of the draws

    Returns
    -------
    float, 0 (equal) to 1 (apart)

    Raises
    ------
    InputError
        Arrays that do not match or are not finite, numbers out of range.

    Notes
    -----
    Square root of the Jensen-Shannon divergence to base 2 (Endres and Schindelin, IEEE Trans. Inf. Theory 49, 1858,
    2003), whose two expectations are means over draws from each density, good to about 0.5 / sqrt(samples) in
    the divergence. It depends on the scale of the coordinates and on the signs of the components.

    Examples
    --------
    >>> x = np.random.default_rng(0).normal(size=(200, 2))
    >>> jensen_shannon_distance(x, x), round(jensen_shannon_distance(x, x + 20), 6)
    (0.0, 1.0)
    """
    points = [matrix(latent_a, "latent_a"), matrix(latent_b, "latent_b")]
    if points[0].shape[1] != points[1].shape[1] or not min(map(len, points)):
        raise InputError(f"densities need shots of the same components, got {points[0].shape} and {points[1].shape}")
    if not (bandwidth > 0 and samples >= 1):
        raise InputError(f"bandwidth must be above 0 and samples at least 1, got {bandwidth} and {samples}")
    densities = [KernelDensity(bandwidth=bandwidth).fit(x) for x in points]
    bits = 0.0
    for this, that, state in zip(
        densities, densities[::-1], np.random.SeedSequence(seed).generate_state(2), strict=True
    ):
        drawn = this.sample(samples, random_state=int(state))
        ratio = that.score_samples(drawn) - this.score_samples(drawn)
        bits += float(np.mean(1 - np.logaddexp(0, ratio) / np.log(2))) / 2
    return float(np.sqrt(np.clip(bits, 0, 1)))


def reconstruction_error(rows: ArrayLike, components: ArrayLike, mean: ArrayLike) -> float:
    """Squared error of rows rebuilt from their coordinates, as a fraction of their squared distance from the mean.

    Parameters
    ----------
    rows : (shot, feature)
    components : (component, feature), orthonormal rows
    mean : (feature,)

    Returns
    -------
    float, 0 (exact, or rows that all are the mean) to 1 (nothing explained)

    Raises
    ------
    InputError
        Arrays that do not match or are not finite.

    Examples
    --------
    >>> reconstruction_error([[3.0, 4.0]], [[1.0, 0.0]], [0.0, 0.0])
    0.64
    """
    x, basis = matrix(rows, "rows"), matrix(components, "components")
    centred = x - fitting_mean(mean, basis, x.shape[1])
    left = centred - (centred @ basis.T) @ basis
    whole = float(np.vdot(centred, centred))
    return float(np.vdot(left, left)) / whole if whole else 0.0


def matrix(value: ArrayLike, name: str) -> NDArray[np.float64]:
    """Finite matrix with columns, or an error that names it.

    Examples
    --------
    >>> matrix([[1, 2], [3, 4]], "rows").tolist()
    [[1.0, 2.0], [3.0, 4.0]]
    >>> matrix([1, 2], "rows")
    Traceback (most recent call last):
    ...
    xfeldask.errors.InputError: rows must be a matrix with at least one column, got (2,)
    """
    found = np.asarray(value, np.float64)
    if found.ndim != 2 or not found.shape[1]:
        raise InputError(f"{name} must be a matrix with at least one column, got {found.shape}")
    if not np.isfinite(found).all():
        raise InputError(f"{name} holds NaN or infinity")
    return found


def fitting_mean(mean: ArrayLike, basis: NDArray[np.float64], features: int) -> NDArray[np.float64]:
    """Mean (feature,) that fits the rows of a basis and the number of features, or an error.

    Examples
    --------
    >>> fitting_mean([1, 2], np.eye(2), 2).tolist()
    [1.0, 2.0]
    >>> fitting_mean([1, 2, 3], np.eye(2), 2)
    Traceback (most recent call last):
    ...
    xfeldask.errors.InputError: 2 features need components and mean of them, got (2, 2) and (3,)
    """
    center = np.asarray(mean, np.float64)
    if basis.shape[1] != features or center.shape != (features,):
        raise InputError(f"{features} features need components and mean of them, got {basis.shape} and {center.shape}")
    if not np.isfinite(center).all():
        raise InputError("mean holds NaN or infinity")
    return center


def _angle(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Largest principal angle between orthonormal columns."""
    if a.shape != b.shape:
        return float(np.pi / 2)
    return float(subspace_angles(a, b).max()) if a.shape[1] else 0.0


def _column_basis(x: NDArray[np.float64], rounding: float) -> NDArray[np.float64]:
    """Orthonormal basis of the columns, but for directions weaker than `rounding` times the strongest."""
    u, s, _ = np.linalg.svd(x, full_matrices=False)
    return np.asarray(u[:, s > rounding * s.max(initial=0)])


def _centred(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Columns less their means; zero where they are constant but for rounding."""
    centred = x - x.mean(axis=0)
    spread = np.abs(centred).max(axis=0) > len(x) * np.finfo(np.float64).eps * np.abs(x).max(axis=0)
    return np.asarray(centred * spread)
