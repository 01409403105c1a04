"""Assemblies that nothing was chosen by: a subunit of three random ellipsoids, repeated by a random point group."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from xfeldask.physics.atoms import Atoms, make_atoms
from xfeldask.physics.orientations import rotation_matrix, symmetry_group

GROUPS = ("C3", "C4", "C5", "C7", "C11", "D2", "D3", "D4", "D6", "D7", "T", "O")
LIGHTEST, HEAVIEST = 380e3, 1500e3
"""Masses between which assemblies lie [Da]."""
DA_PER_NM3 = 820.0
"""Protein of 1.35 g/cm3."""
SPACING = 0.26
"""Of the heavy atoms [nm], one in 17.5 cubic angstrom."""
ELEMENTS, OF_ALL = ("C", "N", "O", "S"), (0.635, 0.170, 0.189, 0.006)


def assembly(seed: int) -> tuple[str, Atoms]:
    """Point group and atoms of the assembly with this number; in one piece, as wide as its mass says.

    Examples
    --------
    >>> group, atoms = assembly(0)
    >>> group in GROUPS, len(atoms) > 20_000
    (True, True)
    """
    rng = np.random.default_rng([20, seed])
    while True:
        group = str(rng.choice(GROUPS))
        ellipsoids = _ellipsoids(rng, group)
        reach = max(np.linalg.norm(centre) + max(axes) for centre, axes, _ in ellipsoids)
        coarse = _inside(_lattice(reach, reach / 30), ellipsoids)
        side = round(len(coarse) ** (1 / 3))
        if ndimage.label(coarse.reshape(side, side, side))[1] == 1:
            break
    mass = LIGHTEST * (HEAVIEST / LIGHTEST) ** rng.random()
    scale = (mass / DA_PER_NM3 / (coarse.sum() * (reach / 30) ** 3)) ** (1 / 3)
    # what is drawn in any unit becomes nanometres
    sites = _lattice(scale * reach, SPACING)
    inside = sites[_inside(sites / scale, ellipsoids)]
    moved = inside + SPACING * rng.uniform(-0.25, 0.25, inside.shape)
    return group, make_atoms(moved * 1e-9, rng.choice(ELEMENTS, len(moved), p=OF_ALL))


Ellipsoid = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]
"""Centre, half axes and the rotation that turns them."""


def _ellipsoids(rng: np.random.Generator, group: str) -> list[Ellipsoid]:
    """Those of one subunit, a short way from each other, and all that the group makes of them."""
    turns = rotation_matrix(symmetry_group(group))
    centre, found = rng.normal(size=3) * 1.5, []
    for _ in range(3):
        axes, frame = rng.uniform(0.6, 1.6, 3), np.linalg.qr(rng.normal(size=(3, 3)))[0]
        found += [(turn @ centre, axes, turn @ frame) for turn in turns]
        centre = centre + rng.normal(size=3)
    return found


def _inside(points: NDArray[np.float64], ellipsoids: list[Ellipsoid]) -> NDArray[np.bool_]:
    """Which points lie in any of them."""
    inside = np.zeros(len(points), bool)
    for centre, axes, frame in ellipsoids:
        inside |= ((((points - centre) @ frame) / axes) ** 2).sum(axis=1) < 1
    return inside


def _lattice(reach: float, spacing: float) -> NDArray[np.float64]:
    """Points of a cube around the origin, (side^3, 3)."""
    axis = np.arange(-np.ceil(reach / spacing), np.ceil(reach / spacing) + 1) * spacing
    return np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1).reshape(-1, 3)
