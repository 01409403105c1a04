"""How well the latent space of single hits tells the orientation of their particles."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xfeldask.errors import InputError
from xfeldask.physics.orientations import angle_between, equivalents, first_in_row, rotations_of


@dataclass(frozen=True)
class OrientationScores:
    """Rotations between a shot and its neighbours in a latent space [deg]; made by `orientation_scores`.

    Attributes
    ----------
    median_error : float, median of the rotations to the nearest in the latent space
    random : float, to shots at random
    oracle : float, to the truly nearest
    shots : int, whose neighbours were looked at
    neighbours : int, of each

    Examples
    --------
    >>> q = [[1, 0, 0, 0], [1, 0, 0, 0], [0, 1, 0, 0], [0, 1, 0, 0]]
    >>> found = orientation_scores([[0], [5], [0], [5]], q, friedel=False, neighbours=1)
    >>> found.median_error, found.oracle, found.shots
    (180.0, 0.0, 4)
    """

    median_error: float
    random: float
    oracle: float
    shots: int
    neighbours: int


def orientation_scores(
    latent: ArrayLike,
    orientation: ArrayLike,
    group: ArrayLike | None = None,
    friedel: bool = True,
    neighbours: int = 10,
    seed: int = 0,
    shots: int | None = None,
) -> OrientationScores:
    """Compute the rotations between the particles of shots that are neighbours in the latent space.

    Parameters
    ----------
    latent : (shot, component)
    orientation : (shot, 4), quaternions
    group : (order, 4), rotations that leave the particle as it is, as of `symmetry_group`; none when not given
    friedel : bool, count a pattern rotated by 180 degrees as the same
    neighbours : int, of each shot
    seed : int, of the random neighbours, of the sample, and of the order in which ties are broken
    shots : int, how many to sample and look at among the neighbours of all; all when not given

    Returns
    -------
    OrientationScores, medians over all pairs of a shot and its neighbour

    Raises
    ------
    InputError
        Arrays that do not match or are not finite, a quaternion of length 0, too few shots, numbers out of range.

    Examples
    --------
    >>> from xfeldask.physics.orientations import rotation_matrix, super_fibonacci
    >>> q = super_fibonacci(2000)
    >>> scores = orientation_scores(rotation_matrix(q).reshape(-1, 9), q, friedel=False)
    >>> round(scores.median_error) == round(scores.oracle) < 30 < scores.random
    True
    """
    x, q = _latent_and_orientation(latent, orientation)
    n = len(q)
    if not 1 <= neighbours < n:
        raise InputError(f"neighbours must be at least 1 and fewer than the {n} shots, got {neighbours}")
    if shots is not None and not 1 <= shots <= n:
        raise InputError(f"shots must be 1 to {n}, as many as there are, got {shots}")
    looked = n if shots is None else shots
    rng = np.random.default_rng(seed)
    # the first of a shuffle are the sample, and ties favour no part of the file
    order = rng.permutation(n)
    x, q = x[order], q[order]
    others = (np.arange(looked)[:, None] + rng.integers(1, n, (looked, neighbours))) % n
    nearest = _nearest_points(x, looked, neighbours)
    symmetry = rotations_of(group)
    median_error, random = (
        _median_degrees(angle_between(q[:looked, None], q[at], symmetry, friedel)) for at in (nearest, others)
    )
    oracle = _median_degrees(_nearest_angles(q, looked, neighbours, symmetry, friedel))
    return OrientationScores(median_error, random, oracle, looked, neighbours)


def _median_degrees(angle: NDArray[np.float64]) -> float:
    return float(np.rad2deg(np.median(angle)))


def _nearest_points(x: NDArray[np.float64], looked: int, neighbours: int) -> NDArray[np.int64]:
    """Index (looked, neighbours) of those nearest to each of the first points, itself left out."""
    from sklearn.neighbors import NearestNeighbors  # scikit-learn takes a second to import

    found = NearestNeighbors(n_neighbors=neighbours + 1).fit(x).kneighbors(x[:looked], return_distance=False)
    left_out = found == np.arange(looked)[:, None]
    # among equal points a point may miss itself
    left_out[:, -1] |= ~left_out.any(axis=1)
    return np.asarray(found[~left_out].reshape(looked, neighbours), np.int64)


def _nearest_angles(
    q: NDArray[np.float64], looked: int, neighbours: int, group: NDArray[np.float64], friedel: bool
) -> NDArray[np.float64]:
    """Smallest angles (looked, neighbours) from each of the first orientations to those of other shots [rad].

    All quaternions that look like a shot's are points of one tree; the chord between two at angle a is
    2 sin(a / 4). A shot counts once, by the nearest of its points.
    """
    from scipy.spatial import cKDTree

    tree = cKDTree(equivalents(q, group, friedel), balanced_tree=False)
    angle = np.empty((looked, neighbours))
    left = np.arange(looked)
    k = 2 * (neighbours + 1)
    while left.size:
        k = min(k, tree.n)
        chord, at = tree.query(q[left], k)
        other = first_in_row(at % len(q)) & (at % len(q) != left[:, None])
        enough = other.sum(axis=1) >= neighbours
        taken = (other & (other.cumsum(axis=1) <= neighbours))[enough]
        angle[left[enough]] = 4 * np.arcsin(np.minimum(chord[enough][taken].reshape(-1, neighbours) / 2, 1))
        left, k = left[~enough], 2 * k
    return angle


def _latent_and_orientation(
    latent: ArrayLike, orientation: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    x, q = np.asarray(latent, np.float64), np.asarray(orientation, np.float64)
    if x.ndim != 2 or q.shape != (len(x), 4):
        raise InputError(f"give latent (shot, component) and orientation (shot, 4), got {x.shape} and {q.shape}")
    for name, value in (("latent", x), ("orientation", q)):
        if not np.isfinite(value).all():
            raise InputError(f"{name} holds NaN or infinity; leave out shots without a particle")
    length = np.linalg.norm(q, axis=1, keepdims=True)
    if (length == 0).any():
        raise InputError("a quaternion of length 0 is no orientation; leave out shots without a particle")
    return x, q / length
