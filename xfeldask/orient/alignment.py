"""How one intensity has to be turned to lie as another does: neither knows where the particle's axes were."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from xfeldask.orient import kernels
from xfeldask.orient.models import radii
from xfeldask.orient.rotations import RotationGrid, rotation_grid
from xfeldask.physics.orientations import multiply, rotation_matrix

POINTS = 1500
"""Grid points that are compared."""

LEAST_RADIUS, MOST_RADIUS = 4.0, 14.0
"""Shells that are compared [steps]: there both are known well."""

COARSE = 6
"""Refinement of the rotations that are tried first."""

AT_ONCE, CLOSER = 512, 300
"""Rotations of the grid whose readings are held at once, and those that are tried around the best."""


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
    place, at = _compared_points(min(len(still), len(moving)), len(still))
    with np.errstate(invalid="ignore", divide="ignore"):  # far points where an exact intensity is 0, which are not read
        a, b = (still / isotropic(still))[tuple(place.T)], moving / isotropic(moving)
    a = (a - a.mean()) / np.linalg.norm(a - a.mean())

    def correlations(turns: NDArray[np.float64]) -> NDArray[np.float64]:
        read = _read_at(b, at, turns)
        read -= read.mean(axis=0)
        return np.asarray(a @ read / np.linalg.norm(read, axis=0))

    return _best_turn(correlations, rotation_grid(COARSE))


def symmetric_turn(intensity: NDArray[np.float64], group: NDArray[np.float64]) -> tuple[NDArray[np.float64], float]:
    """Find the rotation R by which ``intensity(R x)`` is most nearly symmetric.

    Parameters
    ----------
    intensity : float64 (n, n, n); index n // 2 is s = 0
    group : float64 (order, 4), as of `symmetry_group`

    Returns
    -------
    quaternion : float64 (4,), of R
    fraction : float, of the variance about the mean of each shell that the symmetric mean has

    Examples
    --------
    >>> from xfeldask.physics.orientations import symmetry_group
    >>> i = np.arange(-8, 9)
    >>> long_along_x = np.exp(-(i[:, None, None] ** 2 + 3 * i[:, None] ** 2 + 3 * i**2) / 100.0)
    >>> quaternion, fraction = symmetric_turn(long_along_x, symmetry_group("C4"))
    >>> bool(fraction > 0.95), rotation_matrix(quaternion)[:, 2].round(1).tolist() in ([1, 0, 0], [-1, 0, 0])
    (True, True)
    """
    _, at = _compared_points(len(intensity), len(intensity))
    at = at[: max(200, POINTS // len(group))]
    contrast = intensity / isotropic(intensity)
    alike = np.ascontiguousarray((rotation_matrix(group)[:, None] @ at[..., None])[..., 0].reshape(-1, 3))

    def symmetric(turns: NDArray[np.float64]) -> NDArray[np.float64]:
        read = _read_at(contrast, alike, turns).reshape(len(group), len(at), len(turns))
        read -= read.mean(axis=(0, 1))
        return np.asarray((read.mean(axis=0) ** 2).mean(axis=0) / (read**2).mean(axis=(0, 1)))

    return _best_turn(symmetric, rotation_grid(COARSE, group))


def _compared_points(least: int, size: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Choose points of a grid of `size` that grids of `least` points a side have too: indices, and places [steps]."""
    far = radii(size)
    most = min(MOST_RADIUS, least // 2 - 1)
    place = np.argwhere((far >= min(LEAST_RADIUS, most / 2)) & (far <= most))
    place = place[np.random.default_rng(0).permutation(len(place))[:POINTS]]
    return place, (place - size // 2).astype(np.float64)


def _read_at(values: NDArray[np.float64], at: NDArray[np.float64], turns: NDArray[np.float64]) -> NDArray[np.float64]:
    """Read ``values(R x)`` at places x, (point, rotation)."""
    read = np.empty((len(at), len(turns)))
    kernels.slices(values, at, np.ascontiguousarray(rotation_matrix(turns).swapaxes(1, 2)), read)
    return read


def _best_turn(
    score: Callable[[NDArray[np.float64]], NDArray[np.float64]], grid: RotationGrid
) -> tuple[NDArray[np.float64], float]:
    """Find the rotation of the largest score: the best of a grid, then ever closer around it."""
    rng, cuts = np.random.default_rng(0), range(AT_ONCE, grid.n_rotations, AT_ONCE)
    found = np.concatenate([score(some) for some in np.split(grid.quaternion, cuts)])
    best, width = grid.quaternion[int(found.argmax())], grid.spacing / 2
    for _ in range(7):
        small = rng.normal(size=(CLOSER, 4)) * width / 2
        small[:, 0] = 1
        small[0] = 1, 0, 0, 0
        near = multiply(best, small / np.linalg.norm(small, axis=1, keepdims=True))
        found = score(near)
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
