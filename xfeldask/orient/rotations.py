"""Grids of rotations: even over all orientations, thinned by the particle's symmetry, in tiles of neighbours."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xfeldask.errors import InputError
from xfeldask.physics.orientations import (
    canonical,
    equivalents,
    first_in_row,
    multiply,
    rotation_matrix,
    rotations_of,
)

TILE = 32
"""Neighbouring rotations that are compared with a shot together."""

FINEST = 40
"""Most often that an edge of the 600-cell may be cut: 3.2 million rotations."""

_SAME = 1e-7


@dataclass(frozen=True, eq=False)
class RotationGrid:
    """Rotations in tiles; made by `rotation_grid`.

    Attributes
    ----------
    quaternion : float64 (rotation, 4), a whole number of tiles; the last are repeated to fill the last tile
    weight : float64 (rotation,), share of all rotations that each stands for, of sum 1; 0 for those repeated
    matrix : float64 (rotation, 3, 3)
    spacing : float, from one rotation to the next [rad]
    group : float64 (order, 4), symmetry by which rotations were left out
    refinement : int

    Examples
    --------
    >>> grid = rotation_grid(2)
    >>> grid.n_rotations, grid.n_tiles, round(grid.spacing, 3)
    (420, 14, 0.628)
    """

    quaternion: NDArray[np.float64]
    weight: NDArray[np.float64]
    matrix: NDArray[np.float64]
    spacing: float
    group: NDArray[np.float64]
    refinement: int

    @property
    def n_tiles(self) -> int:
        """Tiles of `TILE` rotations."""
        return len(self.quaternion) // TILE

    @property
    def n_rotations(self) -> int:
        """Rotations that differ."""
        return int((self.weight > 0).sum())

    def nearest(self, quaternion: ArrayLike, count: int) -> NDArray[np.int64]:
        """Return the rotations of the grid nearest to others, up to the symmetry.

        Parameters
        ----------
        quaternion : (n, 4), of unit length
        count : int, how many of each; all where the grid has fewer

        Returns
        -------
        int64 (n, count), the nearest first
        """
        from scipy.spatial import cKDTree  # takes a while to import, and few processes need it

        real = np.flatnonzero(self.weight > 0)
        tree = cKDTree(equivalents(self.quaternion[real], self.group))
        count = min(count, len(real))
        # equivalents of one rotation are further apart than its neighbours, but for very coarse grids
        at = np.atleast_2d(tree.query(np.asarray(quaternion), min(2 * count, tree.n))[1]) % len(real)
        return np.asarray(real[_first_different(at, count)])


def _first_different(at: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """Return the first `count` different numbers of each row; the last of them again where there are fewer."""
    fresh = first_in_row(at)
    place = np.where(fresh, np.arange(at.shape[1]), at.shape[1])
    place.sort(axis=1)
    last = fresh.sum(axis=1, keepdims=True) - 1
    chosen = np.take_along_axis(place, np.minimum(np.arange(count), last), 1)
    return np.take_along_axis(at, chosen, 1)


@lru_cache(maxsize=8)
def _grid(refinement: int, group: bytes) -> RotationGrid:
    turns = np.frombuffer(group).reshape(-1, 4)
    quaternion, weight = _refined(refinement)
    alike = _alike(quaternion, turns)
    inside = alike > 0
    quaternion, weight = quaternion[inside], weight[inside] / alike[inside]
    order = _tiled(quaternion)
    quaternion, weight = quaternion[order], weight[order] / weight.sum()
    missing = -len(quaternion) % TILE
    quaternion = np.concatenate([quaternion, np.repeat(quaternion[-1:], missing, axis=0)])
    weight = np.concatenate([weight, np.zeros(missing)])
    spacing = 2 * np.arccos(_PHI / 2) / refinement
    return RotationGrid(quaternion, weight, rotation_matrix(quaternion), float(spacing), turns, refinement)


def rotation_grid(refinement: int, group: ArrayLike | None = None) -> RotationGrid:
    """Spread rotations evenly: the 600-cell with each edge cut into `refinement`.

    Of rotations that look the same by the symmetry the least turned is taken.

    Parameters
    ----------
    refinement : int; n gives 10 (n + 5 n^3) rotations over the order of the group
    group : (order, 4), as of `symmetry_group`; none when not given

    Raises
    ------
    InputError
        A refinement that is no number from 1 to `FINEST`.

    Notes
    -----
    N. D. Loh and V. Elser, Reconstruction algorithm for single-particle diffraction imaging experiments, Physical
    Review E 80, 026705 (2009), appendix C. A point of a flat cell that is projected to the sphere stands for a share
    that falls off with the fourth power of its distance from the middle.

    Examples
    --------
    >>> [rotation_grid(n).n_rotations for n in (1, 2, 3)]
    [60, 420, 1380]
    """
    if not 1 <= refinement <= FINEST:
        raise InputError(f"the refinement of rotations must be 1 to {FINEST}, got {refinement}")
    turns = rotations_of(group)
    return _grid(int(refinement), np.ascontiguousarray(turns).tobytes())


_PHI = (1 + np.sqrt(5)) / 2


def _vertices() -> NDArray[np.float64]:
    """Return the 120 vertices of the 600-cell, of unit length."""
    axes = np.concatenate([np.eye(4), -np.eye(4)])
    signs = np.stack(np.meshgrid(*[[-0.5, 0.5]] * 4, indexing="ij"), -1).reshape(-1, 4)
    even = [(0, 1, 2, 3), (0, 2, 3, 1), (0, 3, 1, 2), (1, 0, 3, 2), (1, 2, 0, 3), (1, 3, 2, 0),
            (2, 0, 1, 3), (2, 1, 3, 0), (2, 3, 0, 1), (3, 0, 2, 1), (3, 1, 0, 2), (3, 2, 1, 0)]  # fmt: skip
    half = signs[::2] * 2 * np.array([_PHI / 2, 0.5, 1 / (2 * _PHI), 0])
    return np.concatenate([axes, signs, *(half[:, list(p)] for p in even)])


def _cells(vertex: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the 600 tetrahedra of vertices that touch each other, (600, 4)."""
    close = vertex @ vertex.T > _PHI / 2 - 1e-9
    np.fill_diagonal(close, val=False)
    found = []
    for a in range(len(vertex)):
        around = [b for b in np.flatnonzero(close[a]) if b > a]
        for b, c, d in combinations(around, 3):
            if close[b, c] and close[b, d] and close[c, d]:
                found.append((a, b, c, d))
    return np.array(found)


def _refined(n: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return rotations, canonical, and the share of each, up to a factor."""
    vertex = _vertices()
    parts = np.array([(a, b, c, n - a - b - c) for a in range(n + 1) for b in range(n + 1 - a)
                      for c in range(n + 1 - a - b)])  # fmt: skip
    flat = np.einsum("pk,ckx->cpx", parts / n, vertex[_cells(vertex)]).reshape(-1, 4)
    length = np.linalg.norm(flat, axis=1, keepdims=True)
    # rounded, so that the same point of two cells, and its opposite, are one
    near = canonical((flat / length).round(9))
    near /= np.linalg.norm(near, axis=1, keepdims=True)
    _, first = np.unique(near.round(7) + 0.0, axis=0, return_index=True)
    first.sort()
    return near[first], length[first, 0] ** -4.0


def _alike(quaternion: NDArray[np.float64], group: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return how many rotations that look the same are turned as little as each; 0 where another is turned less."""
    turn = np.abs(multiply(quaternion, group[:, None])[..., 0])
    own = np.abs(quaternion[:, 0])
    return np.where(own >= turn.max(axis=0) - _SAME, (turn >= own - _SAME).sum(axis=0), 0)


def _tiled(quaternion: NDArray[np.float64]) -> NDArray[np.int64]:
    """Order rotations so that each `TILE` in turn are neighbours: halved along their longest axis, again and again."""
    stack, out = [np.arange(len(quaternion))], []
    while stack:
        part = stack.pop()
        if len(part) <= TILE:
            out.append(part)
            continue
        points = quaternion[part]
        axis = int(np.argmax(np.ptp(points, axis=0)))
        ordered = part[np.argsort(points[:, axis], kind="stable")]
        middle = -(-len(part) // (2 * TILE)) * TILE
        stack += [ordered[middle:], ordered[:middle]]
    return np.concatenate(out)
