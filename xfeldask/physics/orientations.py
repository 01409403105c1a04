"""Orientations as unit quaternions (w, x, y, z), active: a particle's atom r goes to R(q) r.

q and -q are the same orientation; R(p) R(q) = R(multiply(p, q)).
"""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xfeldask.errors import InputError, UnknownNameError
from xfeldask.physics.elementary import GOLDEN_RATIO, cosine_sine_of

_SUPER_FIBONACCI_PSI = 1.533751168755204288118041
IDENTITY = np.array([[1.0, 0.0, 0.0, 0.0]])
"""The group of no symmetry, (1, 4)."""
_FRIEDEL = np.array([[1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0]])


def rotation_matrix(q: ArrayLike) -> NDArray[np.float64]:
    """Rotation matrix R of a quaternion, r' = R r.

    Parameters
    ----------
    q : (..., 4), any length but zero

    Returns
    -------
    float64 (..., 3, 3)

    Raises
    ------
    InputError
        A quaternion of length zero.

    Examples
    --------
    >>> quarter_turn_about_z = rotation_matrix([1, 0, 0, 1])
    >>> (quarter_turn_about_z @ [1, 0, 0]).round(6).tolist()
    [0.0, 1.0, 0.0]
    """
    q = np.asarray(q, dtype=np.float64)
    length = np.linalg.norm(q, axis=-1, keepdims=True)
    if (length == 0).any():
        raise InputError("a quaternion of length 0 is no orientation; give (1, 0, 0, 0) for none")
    w, x, y, z = np.moveaxis(q / length, -1, 0)
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


def rotations_of(group: ArrayLike | None) -> NDArray[np.float64]:
    """Return the rotations of a symmetry group as quaternions, float64 (n, 4); the identity alone where there is none.

    Examples
    --------
    >>> rotations_of(None).tolist(), rotations_of([0, 0, 0, 1]).shape
    ([[1.0, 0.0, 0.0, 0.0]], (1, 4))
    """
    return IDENTITY if group is None else np.atleast_2d(np.asarray(group, np.float64))


def beam_directions(q: ArrayLike) -> NDArray[np.float64]:
    """Return where the beam comes from in the particle's frame, on a map of half a sphere.

    Patterns from both ends of a direction are the same but for a turn (Friedel's law), so that each is drawn in the
    half of +z; the map keeps areas (Lambert's azimuthal projection) and is a disc of radius 1.

    Parameters
    ----------
    q : (n, 4), orientations

    Returns
    -------
    float64 (n, 2)

    Examples
    --------
    >>> half_turn_about_x = [0, 1, 0, 0]
    >>> abs(beam_directions([[1, 0, 0, 0], half_turn_about_x, [1, 1, 0, 0]])).round(6).tolist()
    [[0.0, 0.0], [0.0, 0.0], [0.0, 1.0]]
    """
    beam = rotation_matrix(np.reshape(q, (-1, 4)))[:, 2]
    beam = np.where(beam[:, 2:] < 0, -beam, beam)
    return np.asarray(beam[:, :2] * np.sqrt(1 / (1 + beam[:, 2:])))


def rotated(rotation: ArrayLike, position: ArrayLike) -> NDArray[np.float64]:
    """Points turned by one or many rotation matrices, each coordinate summed in one order on every processor.

    Parameters
    ----------
    rotation : (..., 3, 3), r' = R r
    position : (n, 3)

    Returns
    -------
    float64 (..., n, 3)

    Examples
    --------
    >>> rotated(rotation_matrix([0, 0, 0, 1]), [[1, 0, 0], [0, 2, 3]]).tolist()
    [[-1.0, 0.0, 0.0], [0.0, -2.0, 3.0]]
    """
    turn, point = np.asarray(rotation, np.float64)[..., None, :, :], np.asarray(position, np.float64)[:, None]
    return np.asarray((turn * point).sum(axis=-1))


def multiply(p: ArrayLike, q: ArrayLike) -> NDArray[np.float64]:
    """Hamilton product: first q, then p.

    Parameters
    ----------
    p, q : (..., 4), broadcast against each other

    Returns
    -------
    float64 (..., 4)

    Examples
    --------
    >>> multiply([0, 1, 0, 0], [0, 0, 1, 0]).tolist()
    [0.0, 0.0, 0.0, 1.0]
    """
    a, b, c, d = np.moveaxis(np.asarray(p, dtype=np.float64), -1, 0)
    w, x, y, z = np.moveaxis(np.asarray(q, dtype=np.float64), -1, 0)
    return np.stack(
        [
            a * w - b * x - c * y - d * z,
            a * x + b * w + c * z - d * y,
            a * y - b * z + c * w + d * x,
            a * z + b * y - c * x + d * w,
        ],
        axis=-1,
    )


def conjugate(q: ArrayLike) -> NDArray[np.float64]:
    """Inverse of a unit quaternion, (..., 4).

    Examples
    --------
    >>> conjugate([1, 2, 3, 4]).tolist()
    [1.0, -2.0, -3.0, -4.0]
    """
    return np.asarray(np.asarray(q, dtype=np.float64) * np.array([1.0, -1.0, -1.0, -1.0]))


def canonical(q: ArrayLike) -> NDArray[np.float64]:
    """Of q and -q the one whose first component that is not zero is positive, (..., 4).

    Examples
    --------
    >>> canonical([[0, -1, 0, 0], [1, -2, 0, 0]]).tolist()
    [[0.0, 1.0, 0.0, 0.0], [1.0, -2.0, 0.0, 0.0]]
    """
    q = np.asarray(q, dtype=np.float64)
    first = np.take_along_axis(q, (q != 0).argmax(axis=-1, keepdims=True), axis=-1)
    return np.asarray(np.where(first < 0, -q, q) + 0.0)


def uniform_quaternion(u: ArrayLike) -> NDArray[np.float64]:
    """Uniformly random unit quaternions from uniform numbers.

    Parameters
    ----------
    u : (..., 3) in [0, 1)

    Returns
    -------
    float64 (..., 4), w not negative

    Notes
    -----
    K. Shoemake, Uniform random rotations, Graphics Gems III (1992).

    Examples
    --------
    >>> uniform_quaternion([0, 0.25, 0]).round(6).tolist()
    [1.0, 0.0, 0.0, 0.0]
    """
    u1, u2, u3 = np.moveaxis(np.asarray(u, dtype=np.float64), -1, 0)
    inner, outer = np.sqrt(1 - u1), np.sqrt(u1)
    return canonical(_on_two_circles(inner, u2, outer, u3))


def super_fibonacci(n: int) -> NDArray[np.float64]:
    """Make an even set of n orientations, float64 (n, 4).

    Raises
    ------
    InputError
        n below 1.

    Notes
    -----
    M. Alexa, Super-Fibonacci spirals, CVPR 2022.

    Examples
    --------
    >>> super_fibonacci(1000).shape
    (1000, 4)
    """
    if n < 1:
        raise InputError(f"a set of orientations needs at least 1, got {n}")
    i = np.arange(n) + 0.5
    inner, outer = np.sqrt(i / n), np.sqrt(1 - i / n)
    return canonical(_on_two_circles(inner, i / math.sqrt(2), outer, i / _SUPER_FIBONACCI_PSI))


def even_directions(n: int) -> NDArray[np.float64]:
    """Return unit vectors spread evenly over the sphere along a golden spiral, float64 (n, 3).

    Examples
    --------
    >>> even_directions(4)[:, 2].tolist()
    [0.75, 0.25, -0.25, -0.75]
    """
    i = np.arange(n) + 0.5
    z = 1 - 2 * i / n
    across = np.sqrt(1 - z * z)
    cosine, sine = cosine_sine_of(i * GOLDEN_RATIO)
    return np.stack([across * cosine, across * sine, z], axis=-1)


def symmetry_group(name: str) -> NDArray[np.float64]:
    """Rotations of a point group, its main axis along z.

    Parameters
    ----------
    name : ``'C1'``, ``'C7'``, ``'D8'``, ``'T'``, ``'O'`` or ``'I'``, any number after C and D

    Returns
    -------
    float64 (order, 4), canonical; Dn has a two-fold axis along x

    Raises
    ------
    UnknownNameError
        Any other name.

    Examples
    --------
    >>> len(symmetry_group("D8"))
    16
    """
    from scipy.spatial.transform import Rotation

    if not re.fullmatch(r"[CD][1-9]\d{0,3}|[TOI]", name):
        raise UnknownNameError("symmetry group", name, ["C1", "C2", "Cn", "D2", "D8", "Dn", "T", "O", "I"])
    return canonical(np.roll(Rotation.create_group(name).as_quat(), 1, axis=-1))


def angle_between(
    qa: ArrayLike, qb: ArrayLike, group: ArrayLike | None = None, friedel: bool = False
) -> NDArray[np.float64]:
    """Smallest rotation that takes one orientation to another that looks the same.

    min over g in group and f in {1, Rz(180 deg)} of 2 acos abs(<qa, f qb g>), good to 3e-8 rad.

    Parameters
    ----------
    qa, qb : unit quaternions (..., 4), broadcast against each other
    group : (order, 4), as of `symmetry_group`; none when not given
    friedel : count a pattern turned by 180 degrees as the same (Ewald sphere nearly flat)

    Returns
    -------
    float64 (...) [rad]

    Examples
    --------
    >>> float(angle_between([1, 0, 0, 0], [0, 0, 0, 1]).round(6))
    3.141593
    >>> float(angle_between([1, 0, 0, 0], [0, 0, 0, 1], friedel=True))
    0.0
    """
    qa, qb = np.asarray(qa, dtype=np.float64), np.asarray(qb, dtype=np.float64)
    best = np.zeros(np.broadcast_shapes(qa.shape, qb.shape)[:-1])
    for f in _FRIEDEL if friedel else IDENTITY:
        for g in rotations_of(group):
            best = np.maximum(best, np.abs((qa * multiply(multiply(f, qb), g)).sum(axis=-1)))
    return np.asarray(2 * np.arccos(np.minimum(best, 1)))


def equivalents(
    quaternion: NDArray[np.float64], group: NDArray[np.float64], friedel: bool = False
) -> NDArray[np.float64]:
    """All quaternions of orientations that look the same as some, for a tree of neighbours.

    Parameters
    ----------
    quaternion : (n, 4)
    group : (order, 4), as of `symmetry_group`
    friedel : as of `angle_between`

    Returns
    -------
    float64 (m n, 4), f q g and its negative for all f and g; at i is one of the orientation i % n

    Examples
    --------
    >>> equivalents(np.array([[0.5, 0.5, 0.5, 0.5]]), IDENTITY).tolist()
    [[0.5, 0.5, 0.5, 0.5], [-0.5, -0.5, -0.5, -0.5]]
    """
    turned = multiply(_FRIEDEL[:, None], quaternion) if friedel else quaternion[None]
    alike = multiply(turned[:, None], group[:, None]).reshape(-1, 4)
    return np.concatenate([alike, -alike])


def first_in_row(number: NDArray[np.integer]) -> NDArray[np.bool_]:
    """Where rows (..., n) of numbers of 0 and above meet one for the first time.

    Examples
    --------
    >>> first_in_row(np.array([[3, 1, 3, 1, 2]])).tolist()
    [[True, True, False, False, True]]
    """
    order = number.argsort(axis=-1, kind="stable")
    fresh = np.diff(np.take_along_axis(number, order, axis=-1), axis=-1, prepend=-1) != 0
    first = np.empty(number.shape, bool)
    np.put_along_axis(first, order, fresh, axis=-1)
    return first


def _on_two_circles(inner: NDArray[Any], a: NDArray[Any], outer: NDArray[Any], b: NDArray[Any]) -> NDArray[np.float64]:
    """Quaternions (..., 4) of two radii and two angles [turns]."""
    (cos_a, sin_a), (cos_b, sin_b) = cosine_sine_of(a), cosine_sine_of(b)
    return np.stack([inner * sin_a, inner * cos_a, outer * sin_b, outer * cos_b], axis=-1)
