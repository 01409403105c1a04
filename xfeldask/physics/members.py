"""Particles taken apart into the bodies that they are made of."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from xfeldask.physics.orientations import multiply, rotation_matrix
from xfeldask.physics.species import Mixture


class Members(NamedTuple):
    """Bodies of particles, those of a particle beside one another.

    Attributes
    ----------
    particle : int64 (n,), which particle each belongs to
    body : int64 (n,), its index in the mixture
    orientation : float64 (n, 4)
    position : float64 (n, 3) [m]
    size : float64 (n,), relative
    growth : float64 (n,), its electrons over those of its nominal size
    """

    particle: NDArray[np.int64]
    body: NDArray[np.int64]
    orientation: NDArray[np.float64]
    position: NDArray[np.float64]
    size: NDArray[np.float64]
    growth: NDArray[np.float64]


def whole(orientation: NDArray[np.float64], position: NDArray[np.float64], size: NDArray[np.float64]) -> Members:
    """Return particles that are one body each, all the first of a mixture.

    Parameters
    ----------
    orientation : (particle, 4)
    position : (particle, 3) [m]
    size : (particle,)
    """
    n = len(size)
    return Members(np.arange(n), np.zeros(n, np.int64), orientation, position, size, np.ones(n))


def taken_apart(
    mixture: Mixture,
    species: NDArray[np.int16],
    variant: NDArray[np.int32],
    orientation: NDArray[np.float64],
    position: NDArray[np.float64],
    size: NDArray[np.float64],
) -> Members:
    """Take particles apart: a member's atoms r go to ``R (size (R' r + d')) + d``, R' and d' those of its species.

    Parameters
    ----------
    mixture : Mixture
    species, variant : (particle,)
    orientation : (particle, 4)
    position : (particle, 3) [m]
    size : (particle,)

    Examples
    --------
    >>> from xfeldask.physics.chaperonin import chaperonin
    >>> nothing = np.zeros(1, np.int16), np.zeros(1, np.int32)
    >>> at = np.array([[1.0, 0, 0, 0]]), np.array([[0, 0, 1e-8]]), np.ones(1)
    >>> taken_apart(Mixture.single("chaperonin", chaperonin()), *nothing, *at).position.tolist()
    [[0.0, 0.0, 1e-08]]
    """
    count = np.array([kind.members for kind in mixture.species])[species]
    first = np.cumsum(count) - count
    body, turned, offset = np.empty(count.sum(), np.int64), np.empty((count.sum(), 4)), np.empty((count.sum(), 3))
    for index, kind in enumerate(mixture.species):
        mine = np.flatnonzero(species == index)
        places = first[mine][:, None] + np.arange(kind.members)
        body[places] = kind.body[variant[mine]]
        turned[places], offset[places] = kind.orientation[variant[mine]], kind.offset[variant[mine]]
    particle = np.repeat(np.arange(len(count)), count)
    scale, turns = size[particle], orientation[particle]
    shift = (rotation_matrix(turns) * (offset * scale[:, None])[:, None]).sum(axis=-1)
    growth = np.where(mixture.electron_growth[body], scale * scale * scale, 1.0)
    return Members(particle, body, multiply(turns, turned), position[particle] + shift, scale, growth)
