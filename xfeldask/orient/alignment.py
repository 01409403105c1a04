"""How one intensity has to be turned to lie as another does: neither knows where the particle's axes were."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from xfeldask.orient import kernels
from xfeldask.orient.models import radii
from xfeldask.orient.rotations import rotation_grid
from xfeldask.physics.orientations import multiply, rotation_matrix

POINTS = 1500
"""Grid points that are compared."""

LEAST_RADIUS, MOST_RADIUS = 4.0, 14.0
"""Shells that are compared [steps]: there both are known well."""

COARSE = 6
"""Refinement of the rotations that are tried first."""


def isotropic(intensity: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean of the shell of each point of an intensity (n, n, n).

    Examples
    --------
    >>> isotropic(np.arange(27.0).reshape(3, 3, 3))[1, 1].tolist()
    [13.0, 13.0, 13.0]
    """
    shell = np.rint(radii(len(intensity))).astype(np.int64)
    mean = np.bincount(shell.reshape(-1), intensity.reshape(-1)) / np.bincount(shell.reshape(-1))
    return np.asarray(mean[shell])


def alignment(moving: NDArray[np.float64], still: NDArray[np.float64]) -> tuple[NDArray[np.float64], float]:
    """Find the rotation R by which ``moving(R x)`` is most like ``still(x)``.

    Parameters
    ----------
    moving, still : float64 (n, n, n), on grids of the same step; index n // 2 is s = 0

    Returns
    -------
    quaternion : float64 (4,), of R
    correlation : float, of what differs from the mean of each shell, between radii 4 and 14

    Examples
    --------
    >>> still = np.random.default_rng(0).random((21, 21, 21))
    >>> quaternion, correlation = alignment(still, still)
    >>> bool(correlation > 0.99), quaternion.round(2).tolist()
    (True, [1.0, 0.0, 0.0, 0.0])
    """
    rng = np.random.default_rng(0)
    far = radii(len(still))
    most = min(MOST_RADIUS, len(still) // 2 - 1, len(moving) // 2 - 1)
    place = np.argwhere((far >= min(LEAST_RADIUS, most / 2)) & (far <= most))
    place = place[rng.permutation(len(place))[:POINTS]]
    a, b = (still / isotropic(still))[tuple(place.T)], moving / isotropic(moving)
    at = (place - len(still) // 2).astype(np.float64)
    a = (a - a.mean()) / np.linalg.norm(a - a.mean())

    def correlations(turns: NDArray[np.float64]) -> NDArray[np.float64]:
        read = np.empty((len(at), len(turns)))
        kernels.slices(b, at, np.ascontiguousarray(rotation_matrix(turns).swapaxes(1, 2)), read)
        read -= read.mean(axis=0)
        return np.asarray(a @ read / np.linalg.norm(read, axis=0))

    grid = rotation_grid(COARSE)
    found = correlations(grid.quaternion)
    best, width = grid.quaternion[int(found.argmax())], grid.spacing / 2
    for _ in range(7):
        small = rng.normal(size=(300, 4)) * width / 2
        small[:, 0] = 1
        small[0] = 1, 0, 0, 0
        near = multiply(best, small / np.linalg.norm(small, axis=1, keepdims=True))
        found = correlations(near)
        best, width = near[int(found.argmax())], width / 1.8
    return best, float(found.max())


def turned_by(intensity: NDArray[np.float64], quaternion: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return ``intensity(R x)`` on the same grid, R the rotation of a quaternion.

    Examples
    --------
    >>> grid = np.zeros((5, 5, 5))
    >>> grid[3, 2, 2] = 1
    >>> quarter_turn_about_z = np.array([1.0, 0, 0, 1])
    >>> np.argwhere(turned_by(grid, quarter_turn_about_z) > 0.5).tolist()
    [[2, 1, 2]]
    """
    n = len(intensity)
    axis = np.arange(n) - n // 2
    at = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1).reshape(-1, 3).astype(np.float64)
    out = np.empty((len(at), 1))
    kernels.slices(intensity, at, np.ascontiguousarray(rotation_matrix(quaternion).T)[None], out)
    return out.reshape(intensity.shape)


def turned_onto(moving: NDArray[np.float64], still: NDArray[np.float64]) -> NDArray[np.float64]:
    """Turn an intensity so that it lies as another one does."""
    return turned_by(moving, alignment(moving, still)[0])
