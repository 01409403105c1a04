"""Shells of water around atoms."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from xfeldask.physics.atoms import Atoms, make_atoms
from xfeldask.physics.draws import hashed
from xfeldask.physics.elementary import cosine_sine_of
from xfeldask.physics.orientations import rotation_matrix, uniform_quaternion

SPACING = 3.1043e-10
"""Of a cubic lattice with one molecule of liquid water a cell [m]: 33.43 in a cubic nanometre."""

EXCLUDED = 3.0e-10
"""Distance from an atom below which there is no oxygen of water [m], a contact of van der Waals radii."""

BOND, ANGLE = 0.9572e-10, 104.52
"""Of a water molecule [m, degree]."""

_JITTER = 0.35


def hydrated(atoms: Atoms, thickness: float) -> Atoms:
    """Put atoms into a shell of water that ends `thickness` from where water could begin.

    Molecules sit on a jittered lattice of liquid water's density, turned at random, wherever the nearest atom is
    between `EXCLUDED` and `EXCLUDED` + `thickness` away: outside, and in what is hollow. Where atoms are, there is no
    water; in vacuum there is nothing to be displaced.

    Parameters
    ----------
    atoms : Atoms
    thickness : float [m]

    Returns
    -------
    Atoms, those given first

    Examples
    --------
    >>> wet = hydrated(make_atoms([[0, 0, 0]], ["C"]), 3e-10)
    >>> sorted(set(wet.element.tolist())), len(wet) % 3
    (['C', 'H', 'O'], 1)
    """
    oxygen, index = _sites(atoms.position, thickness)
    if not len(oxygen):
        return atoms
    turns = rotation_matrix(uniform_quaternion(hashed(np.stack([3 * index, 3 * index + 1, 3 * index + 2], axis=-1))))
    cosine, sine = cosine_sine_of(np.float64(ANGLE / 720))
    hydrogens = np.array([[sine, 0.0, cosine], [-sine, 0.0, cosine]]) * BOND
    moved = oxygen[:, None] + (turns[:, None] * hydrogens[:, None]).sum(axis=-1)
    position = np.concatenate([atoms.position, oxygen, moved.reshape(-1, 3)])
    n = len(oxygen)
    element = np.concatenate([atoms.element, np.repeat(["O", "H"], [n, 2 * n])])
    return make_atoms(position, element, np.concatenate([atoms.occupancy, np.ones(3 * n)]))


def _sites(position: NDArray[np.float64], thickness: float) -> tuple[NDArray[np.float64], NDArray[np.uint64]]:
    """Places of the shell's molecules (n, 3) [m], and a number that each one has of its own."""
    from scipy.spatial import cKDTree

    tree, reach = cKDTree(position), EXCLUDED + thickness
    low, high = position.min(axis=0) - reach, position.max(axis=0) + reach
    first, last = np.floor(low / SPACING).astype(np.int64), np.ceil(high / SPACING).astype(np.int64)
    rows = np.stack(np.meshgrid(*(np.arange(first[i], last[i] + 1) for i in (1, 2)), indexing="ij"), -1).reshape(-1, 2)
    places, indices = [], []
    for i in range(first[0], last[0] + 1):
        site = np.column_stack([np.full(len(rows), i), rows])
        # of lattice points within +-2^20 no two have one number
        index = ((site + 2**20).astype(np.uint64) * np.array([2**42, 2**21, 1], np.uint64)).sum(axis=1)
        jitter = hashed(np.stack([5 * index, 5 * index + 2, 5 * index + 4], axis=-1)) - 0.5
        place = (site + _JITTER * jitter) * SPACING
        distance, _ = tree.query(place, distance_upper_bound=reach)
        inside = (distance > EXCLUDED) & (distance <= reach)
        places.append(place[inside])
        indices.append(index[inside])
    return np.concatenate(places), np.concatenate(indices)
