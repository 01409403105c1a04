"""Copies of a body that touch: chains, rings and clusters.

A copy comes along a straight line until its atoms are as near as they may be to those that are there already. Random
directions and turns come from hashed numbers, so that the arrangements of a body are always the same.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from xfeldask.physics.draws import hashed
from xfeldask.physics.elementary import cosine_sine_of
from xfeldask.physics.orientations import rotated, rotation_matrix, uniform_quaternion

Points = NDArray[np.float64]
Placed = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Quaternions (variant, member, 4) and places (variant, member, 3) [m]."""

AXES = {"x": (1.0, 0.0, 0.0), "y": (0.0, 1.0, 0.0), "z": (0.0, 0.0, 1.0)}
_UNTURNED = np.array([1.0, 0.0, 0.0, 0.0])
_LEAST_GAP = 2e-10
MOST_POINTS = 20_000
"""Of a body's surface, by which it is known where copies touch that come from random directions."""


def contact_distance(there: Points, coming: Points, direction: NDArray[np.float64], gap: float) -> float:
    """Distance along `direction` at which points that come from infinity stop before others.

    Parameters
    ----------
    there : (n, 3) [m]
    coming : (m, 3) [m], moved by distance x direction
    direction : (3,), of unit length
    gap : float, between any two points [m]

    Returns
    -------
    float [m], how far the origin of `coming` is from that of `there`; 0 where they pass each other

    Examples
    --------
    >>> contact_distance(np.zeros((1, 3)), np.zeros((1, 3)), np.array([0.0, 0.0, 1.0]), 3e-10)
    3e-10
    """
    from scipy.spatial import cKDTree

    first = np.cross(direction, np.eye(3)[np.abs(direction).argmin()])
    first /= np.sqrt((first * first).sum())
    plane = np.stack([first, np.cross(direction, first)])
    upper, lower = _front(there, plane, direction, gap), _front(coming, plane, -direction, gap)
    pairs = cKDTree(upper[:, :2]).sparse_distance_matrix(cKDTree(lower[:, :2]), gap, output_type="ndarray")
    if not len(pairs):
        return 0.0
    apart = np.sqrt(np.maximum(gap * gap - pairs["v"] * pairs["v"], 0))
    return float(max(0.0, (upper[pairs["i"], 2] + lower[pairs["j"], 2] + apart).max()))


def chain(points: Points, copies: int, along: str, gap: float) -> Placed:
    """Put copies one behind another along an axis, all turned alike.

    Parameters
    ----------
    points : (n, 3) [m], of the body about its centre
    copies : int
    along : "x", "y" or "z"
    gap : float, between points of two copies [m]

    Examples
    --------
    >>> ball = np.array([[-1e-9, 0, 0], [1e-9, 0, 0]])
    >>> _, place = chain(ball, 3, "x", 0.5e-9)
    >>> (place[0, :, 0] * 1e9).round(3).tolist()
    [-2.5, 0.0, 2.5]
    """
    axis = np.array(AXES[along])
    step = contact_distance(points, points, axis, max(gap, _LEAST_GAP))
    places = (np.arange(copies) - (copies - 1) / 2)[:, None] * step * axis
    return np.tile(_UNTURNED, (1, copies, 1)), places[None]


def ring(points: Points, copies: int, gap: float) -> Placed:
    """Put copies around the z axis, each turned with its place, that touch their neighbours; as of `chain`.

    Examples
    --------
    >>> _, place = ring(np.zeros((1, 3)), 4, 1e-9)
    >>> # four at the corners of a square, neighbours 1 nm apart
    >>> (np.linalg.norm(place[0], axis=1) * 1e9).round(3).tolist()
    [0.707, 0.707, 0.707, 0.707]
    """
    half, full = 0.5 / copies, np.arange(copies) / copies
    cosine, sine = cosine_sine_of(full / 2)
    turns = np.stack([cosine, 0 * cosine, 0 * cosine, sine], axis=-1)
    # the chord from the first to the second copy
    c, s = (float(value) for value in cosine_sine_of(np.float64(0.25 + half)))
    second = rotated(rotation_matrix(turns[1]), points)
    chord = contact_distance(points, second, np.array([c, s, 0.0]), max(gap, _LEAST_GAP))
    radius = chord / (2 * float(cosine_sine_of(np.float64(half))[1]))
    cosine, sine = cosine_sine_of(full)
    return turns[None], (np.stack([cosine, sine, 0 * cosine], axis=-1) * radius)[None]


def grown(points: Points, copies: int, towards: Literal["last", "middle"], gap: float, variants: int) -> Placed:
    """Put copies turned at random, each from a random direction towards the last one or the middle of all.

    Parameters
    ----------
    points, copies, gap : as of `chain`
    towards : "last" makes chains, "middle" clusters
    variants : int, how many arrangements
    """
    points, spacing = _surface(points)
    gap = max(gap, spacing, _LEAST_GAP)
    u = hashed(np.arange(variants * copies * 5, dtype=np.uint64)).reshape(variants, copies, 5)
    turns = uniform_quaternion(u[..., :3])
    turns[:, 0] = _UNTURNED
    z = 2 * u[..., 3] - 1
    cosine, sine = cosine_sine_of(u[..., 4])
    across = np.sqrt(1 - z * z)
    directions = np.stack([across * cosine, across * sine, z], axis=-1)
    places = np.zeros((variants, copies, 3))
    for variant in range(variants):
        there = points
        for copy in range(1, copies):
            earlier = places[variant, :copy]
            start = earlier[-1] if towards == "last" else earlier.mean(axis=0)
            coming = rotated(rotation_matrix(turns[variant, copy]), points)
            direction = directions[variant, copy]
            distance = contact_distance(there - start, coming, direction, gap)
            places[variant, copy] = start + distance * direction
            there = np.concatenate([there, coming + places[variant, copy]])
        places[variant] -= places[variant].mean(axis=0)
    return turns, places


def _surface(points: Points) -> tuple[Points, float]:
    """Return points on the surface of others, as many as are soon dealt with, and about how far they are apart [m].

    A point is taken of each cell that holds some and has an empty one beside it.
    """
    low = points.min(axis=0)
    spacing = 3.5e-10
    while True:
        # the outermost cells are empty, so that no row of them goes on in the next
        cell = np.floor((points - low) / spacing).astype(np.int64) + 1
        shape = cell.max(axis=0) + 2
        filled, first = np.unique(np.ravel_multi_index(tuple(cell.T), shape), return_index=True)
        outer = np.zeros(len(filled), bool)
        for stride in (shape[1] * shape[2], shape[2], 1):
            for beside in (filled - stride, filled + stride):
                outer |= filled[np.searchsorted(filled, beside).clip(max=len(filled) - 1)] != beside
        if outer.sum() <= MOST_POINTS:
            return points[first[outer]], spacing
        spacing *= 1.25


def _front(points: Points, plane: NDArray[np.float64], direction: NDArray[np.float64], gap: float) -> Points:
    """Coordinates (n, 3) across and along a direction of the points that nothing is before."""
    across, along = (points[:, None] * plane).sum(axis=-1), (points * direction).sum(axis=-1)
    cell = np.floor(across / gap).astype(np.int64)
    cell -= cell.min(axis=0)
    filled, where = np.unique(cell[:, 0] * (cell[:, 1].max() + 1) + cell[:, 1], return_inverse=True)
    top = np.full(len(filled), -np.inf)
    np.maximum.at(top, where, along)
    first = along > top[where] - gap
    return np.column_stack([across[first], along[first]])
