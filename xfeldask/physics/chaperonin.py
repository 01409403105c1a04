"""The built-in chaperonin: a D8 double ring of 16 subunits after an open group II chaperonin (PDB 3IYF).

Nothing is drawn from a random generator whose stream could change: each lattice point is hashed.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from xfeldask.physics.atoms import Atoms, make_atoms
from xfeldask.physics.draws import hashed
from xfeldask.physics.elementary import cosine_sine_of
from xfeldask.physics.orientations import rotated, rotation_matrix, symmetry_group

_SPACING = 2.5962470509255517
_JITTER = 0.65
_GAP = 0.8
_ELEMENTS = np.array(["C", "N", "O", "S"])
_SHARES = np.cumsum([0.635, 0.170, 0.189])

# equatorial, intermediate and apical domain of the subunit on +x [angstrom]: centre (x, y, z), semi-axes,
# lean of the third axis outwards from z [deg]
_DOMAINS = (
    ((52.0, 0.0, 20.0), (24.0, 19.5, 20.5), 0.0),
    ((57.0, 4.0, 45.0), (13.5, 12.0, 17.0), 15.0),
    ((61.0, 8.0, 71.0), (16.0, 16.0, 24.0), 20.0),
)


def chaperonin() -> Atoms:
    """Heavy atoms of the built-in chaperonin, centred, eight-fold axis along z, a two-fold along x.

    Each subunit has an equatorial, an intermediate and an apical domain, filled at one heavy atom in
    17.5 cubic angstrom with protein's shares of C, N, O and S.

    Returns
    -------
    Atoms
        65,984 atoms, 868 kDa without hydrogens, 15.7 nm wide and 18.6 nm long; always the same.

    Examples
    --------
    >>> particle = chaperonin()
    >>> len(particle) % 16, round(particle.radius * 1e9, 1)
    (0, 11.6)
    """
    position, element = _subunit()
    turns = rotation_matrix(symmetry_group("D8"))
    everywhere = rotated(turns, position).reshape(-1, 3)
    # rounded, so that no platform's last bit of a sine changes the digest
    return make_atoms(everywhere.round(6) * 1e-10, np.tile(element, len(turns)))


def _subunit() -> tuple[NDArray[np.float64], NDArray[np.str_]]:
    """Positions [angstrom] and elements of the subunit around +x and above z = 0."""
    axes = [np.arange(low, high, _SPACING) for low, high in ((10.0, 95.0), (-45.0, 45.0), (1.45, 110.0))]
    site = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    index = np.arange(4 * len(site), dtype=np.uint64).reshape(4, -1)
    uniform = hashed(index)
    xyz = site + _JITTER * (2 * uniform[:3].T - 1)
    inside = _in_sector(xyz) & np.any([_in_domain(xyz, *domain) for domain in _DOMAINS], axis=0)
    return xyz[inside], _ELEMENTS[np.searchsorted(_SHARES, uniform[3, inside], side="right")]


def _in_sector(xyz: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Within the eighth of the upper half that belongs to one subunit, a gap away from its borders."""
    x, y, z = xyz.T
    cosine, sine = cosine_sine_of(1 / 16)
    # distance from the two planes through the axis, and from the plane between the rings
    return np.asarray((x * sine - np.abs(y) * cosine > _GAP) & (z > _GAP))


def _in_domain(
    xyz: NDArray[np.float64],
    centre: tuple[float, float, float],
    semi_axes: tuple[float, float, float],
    lean: float,
) -> NDArray[np.bool_]:
    cosine, sine = cosine_sine_of(lean / 360)
    out, across, up = (xyz - np.array(centre)).T
    along = np.stack([out * cosine - up * sine, across, up * cosine + out * sine])
    return np.asarray(((along.T / np.array(semi_axes)) ** 2).sum(axis=1) < 1)
