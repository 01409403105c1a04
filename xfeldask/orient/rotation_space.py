"""Coordinates of rotations: near for those that look alike, whatever symmetry the particle has."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xfeldask.orient.rotations import RotationGrid, rotation_grid
from xfeldask.physics.orientations import angle_between, rotations_of

MOST_LANDMARKS = 1400
"""Rotations at most that the coordinates are worked out for; others lie between those near to them."""

NEAREST = 24
"""Of them, that another rotation lies between."""


def rotation_coordinates(quaternion: ArrayLike, group: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """Map rotations to coordinates in which two are near where patterns of the particle are alike.

    They are the slowest functions on all rotations that neither the symmetry of the particle changes nor half a turn
    about the beam, which a pattern hardly tells: without symmetry the first three are the direction of the beam. Each
    is scaled by its eigenvalue, so that quicker ones count less.

    Parameters
    ----------
    quaternion : (n, 4), of unit length
    group : float64 (order, 4), symmetry of the particle, as of `symmetry_group`
    count : int, coordinates

    Returns
    -------
    float64 (n, count)

    Notes
    -----
    A diffusion map of a grid of rotations: R. R. Coifman and S. Lafon, Applied and Computational Harmonic Analysis 21,
    5 (2006).

    Examples
    --------
    >>> from xfeldask.physics.orientations import symmetry_group
    >>> group, one = symmetry_group("D8"), np.array([0.8, 0.0, 0.6, 0.0])
    >>> at = rotation_coordinates([one, [0.8, 0.0, 0.59, 0.1]], group, 3)
    >>> at.shape
    (2, 3)
    """
    turns = np.ascontiguousarray(rotations_of(group))
    marks, known = _landmarks(turns.tobytes())
    at, q = marks.nearest(quaternion, NEAREST), np.asarray(quaternion, np.float64)
    weight = np.exp(-((angle_between(q[:, None], marks.quaternion[at], turns) / marks.spacing) ** 2))
    return np.asarray((weight[..., None] * known[at, :count]).sum(axis=1) / weight.sum(axis=1, keepdims=True))


@lru_cache(maxsize=4)
def _landmarks(group: bytes) -> tuple[RotationGrid, NDArray[np.float64]]:
    """Return the finest grid of no more than so many rotations, and coordinates of those (rotation, coordinate)."""
    turns, refinement = np.frombuffer(group).reshape(-1, 4), 1
    while rotation_grid(refinement + 1, turns).n_rotations <= MOST_LANDMARKS:
        refinement += 1
    marks = rotation_grid(refinement, turns)
    real = marks.quaternion[marks.weight > 0]
    near = np.exp(-((angle_between(real[:, None], real, turns, friedel=True) / (2 * marks.spacing)) ** 2))
    sums = np.sqrt(near.sum(axis=1))
    value, vector = np.linalg.eigh(near / sums[:, None] / sums)
    # the largest eigenvalue is that of what is everywhere the same
    return marks, (value * vector / sums[:, None] * np.linalg.norm(sums))[:, -2::-1]
