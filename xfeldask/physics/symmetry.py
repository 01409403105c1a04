"""Orientations of a symmetric particle, each class of those that look the same by one of them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xfeldask.errors import InputError
from xfeldask.physics.orientations import canonical, multiply

SYMMETRY: Mapping[str, str] = MappingProxyType({"chaperonin": "D8", "virus": "I"})
"""Point groups of built-in particles."""

_CHUNK = 2048
_TIE = 1e-9
# no rotation of a point group leaves it as it is
_ODD = np.array([0.8131, -0.1777, 0.2719, 0.4831])


def fold(quaternions: ArrayLike, group: ArrayLike) -> NDArray[np.float64]:
    """Of all orientations in which a particle looks the same, the one whose z axis points nearest to +x.

    A rotation g of the particle's group maps its atoms r on each other, so that R(q) r and R(q) R(g) r = R(q g) r are
    the same atoms: the class of q is q g. Among those whose axes point equally near, the least turned one is taken
    (the largest abs(w)), then the one nearest to a fixed orientation, so that ties go the same way from any of them.
    Towards +x, and not z, azimuth and elevation of the axis are a map of the class with the fewest edges.

    Parameters
    ----------
    quaternions : (..., 4), any length but zero; NaN where there is no particle
    group : (order, 4), as of `symmetry_group`

    Returns
    -------
    float64 (..., 4), of unit length, canonical; NaN where the quaternion is

    Raises
    ------
    InputError
        Arrays that are no quaternions; a quaternion of length zero.

    Examples
    --------
    >>> from xfeldask.physics.orientations import symmetry_group
    >>> quarter_turn_about_z = [1, 0, 0, 1]
    >>> (fold([quarter_turn_about_z, [1, 0, 0, 0]], symmetry_group("C4")).round(6) + 0).tolist()
    [[1.0, 0.0, 0.0, 0.0], [1.0, 0.0, 0.0, 0.0]]
    """
    q, turns = _unit(quaternions, "quaternions"), _unit(group, "group")
    if turns.ndim != 2 or not len(turns):
        raise InputError(f"a group must be rotations (order, 4), got {turns.shape}; symmetry_group gives one")
    # multiplying by g from the right is linear: one matrix for all components of all equivalents
    right = np.moveaxis(multiply(np.eye(4), turns[:, None]), -1, 0).reshape(-1, 4)
    flat = q.reshape(-1, 4)
    out = np.empty_like(flat)
    for start in range(0, len(flat), _CHUNK):
        part = slice(start, start + _CHUNK)
        alike = (right @ flat[part].T).reshape(4, len(turns), -1)
        out[part] = np.take_along_axis(alike, _first(alike)[None, None], axis=1)[:, 0].T
    return canonical(out.reshape(q.shape))


def turns_about_z(group: ArrayLike) -> int:
    """Rotations of a group about z: that about the axis repeats itself every 360 degrees over this.

    Parameters
    ----------
    group : (order, 4), as of `symmetry_group`

    Examples
    --------
    >>> from xfeldask.physics.orientations import symmetry_group
    >>> turns_about_z(symmetry_group("D8")), turns_about_z(symmetry_group("T"))
    (8, 2)
    """
    return int((np.abs(_unit(group, "group")[:, 1:3]) < _TIE).all(axis=1).sum())


def _first(alike: NDArray[np.float64]) -> NDArray[np.int64]:
    """Which of equivalent quaternions (4, order, n) is taken, (n,)."""
    w, x, y, z = alike
    left = np.ones(w.shape, bool)
    for score in (x * z + w * y, np.abs(w), np.abs(np.tensordot(_ODD, alike, 1))):
        score[~left] = -np.inf
        left &= score >= score.max(axis=0) - _TIE
    return np.asarray(left.argmax(axis=0))


def _unit(q: ArrayLike, name: str) -> NDArray[np.float64]:
    q = np.asarray(q, np.float64)
    if not q.ndim or q.shape[-1] != 4:
        raise InputError(f"{name} must be of shape (..., 4), got {q.shape}")
    length = np.linalg.norm(q, axis=-1, keepdims=True)
    if (length == 0).any():
        raise InputError(f"{name} holds a quaternion of length 0; give (1, 0, 0, 0) for none")
    return np.asarray(q / length)
