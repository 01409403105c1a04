"""The built-in virus: an icosahedron of 70 nm after PR772, of beads.

Atoms of a whole virus are millions. At the resolution of its patterns they are a density, which beads of 92 electrons
fill as well: a capsid, a gap of membrane and a core. Nothing is drawn from a random generator whose stream could
change: each lattice point is hashed.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from xfeldask.physics.atoms import Atoms, make_atoms
from xfeldask.physics.draws import hashed
from xfeldask.physics.elementary import GOLDEN_RATIO
from xfeldask.physics.orientations import rotated, rotation_matrix, symmetry_group

DIAMETER = 700.0
"""From vertex to vertex [angstrom]."""
APOTHEM = DIAMETER / 2 * 0.7946544722917661
"""Distance of the faces from the centre [angstrom]."""

BEAD = "U"
"""Element that stands for a bead of density, 92 electrons."""

_SPACING = 6.0
_JITTER = 0.5
# from the faces inwards [angstrom]: capsid, membrane, core; part of the beads that are there
_LAYERS = ((0.0, 0.94), (32.0, 0.62), (70.0, 0.80))
_ODD = np.array([0.2963, 0.5127, 0.8058])
"""A direction that no turn of the group leaves as it is."""
_CONE = 0.6
"""Cosine of an angle; no point that is nearer to that direction than to its images lies further from it."""


def virus() -> Atoms:
    """Beads of the built-in virus, centred, of icosahedral symmetry, a two-fold axis along z.

    Returns
    -------
    Atoms
        About 400,000 beads of uranium: 400 electrons in a cubic nanometre of capsid, 260 of membrane and 340 of core;
        always the same.

    Examples
    --------
    >>> particle = virus()
    >>> len(particle) % 60, round(2e9 * particle.radius)
    (0, 69)
    """
    turns = rotation_matrix(symmetry_group("I"))
    vertices = _vertices(turns)
    normals = _face_normals(vertices)
    site = _lattice(DIAMETER / 2)
    u = hashed(np.arange(4 * len(site), dtype=np.uint64).reshape(4, -1))
    xyz = site + _JITTER * _SPACING * (u[:3].T - 0.5)
    near = (xyz * _ODD).sum(axis=1) > _CONE * np.sqrt((xyz * xyz).sum(axis=1))
    xyz, u = xyz[near], u[:, near]
    everywhere = rotated(turns, xyz[_kept(xyz, u[3], turns, normals)]).reshape(-1, 3)
    # rounded, so that no platform's last bit of a sine changes the digest
    return make_atoms(everywhere.round(4) * 1e-10, np.full(len(everywhere), BEAD))


def _lattice(radius: float) -> NDArray[np.float64]:
    axis = np.arange(-np.ceil(radius / _SPACING), np.ceil(radius / _SPACING) + 1) * _SPACING
    site = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1).reshape(-1, 3)
    return np.asarray(site[(site * site).sum(axis=1) < radius * radius])


def _kept(
    xyz: NDArray[np.float64], u: NDArray[np.float64], turns: NDArray[np.float64], normals: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Points of the part of the icosahedron from which the group makes the whole, thinned by layer."""
    depth = APOTHEM - _dot(xyz, normals).max(axis=1)
    inside = depth > 0
    share = np.select([depth > start for start, _ in reversed(_LAYERS)], [part for _, part in reversed(_LAYERS)], 0.0)
    # nearer to one odd direction than to all that look the same
    views = _dot(xyz, rotated(turns, _ODD[None])[:, 0])
    return np.asarray(inside & (u < share) & (views.argmax(axis=1) == _identity(turns)))


def _identity(turns: NDArray[np.float64]) -> int:
    return int(np.abs(turns - np.eye(3)).sum(axis=(1, 2)).argmin())


def _dot(points: NDArray[np.float64], vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(sum(points[:, i, None] * vectors[:, i] for i in range(3)))


def _vertices(turns: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return unit vectors to the twelve vertices, on the five-fold axes."""
    # a turn by 72 degrees has the trace 1 + 2 cos 72
    trace = np.trace(turns, axis1=1, axis2=2)
    five = turns[np.abs(trace - GOLDEN_RATIO) < 1e-6]
    axis = np.stack([five[:, 2, 1] - five[:, 1, 2], five[:, 0, 2] - five[:, 2, 0], five[:, 1, 0] - five[:, 0, 1]], -1)
    return np.asarray(axis / np.sqrt((axis * axis).sum(axis=1, keepdims=True)))


def _face_normals(vertices: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return unit vectors to the middles of the twenty faces: of three vertices next to each other."""
    near = _dot(vertices, vertices) > 0.4
    faces = [
        vertices[[i, j, k]].sum(axis=0)
        for i in range(12)
        for j in range(i + 1, 12)
        for k in range(j + 1, 12)
        if near[i, j] and near[j, k] and near[i, k]
    ]
    middles = np.array(faces)
    return np.asarray(middles / np.sqrt((middles * middles).sum(axis=1, keepdims=True)))
