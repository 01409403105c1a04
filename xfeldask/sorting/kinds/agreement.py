"""Whether two intensities are those of one particle."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from xfeldask.orient import kernels
from xfeldask.orient.rotations import TILE, rotation_grid
from xfeldask.physics.orientations import even_directions, multiply, rotation_matrix

Array = NDArray[np.float64]

SHELLS = 8
DIRECTIONS = 400
REFINEMENT = 6
"""Of the rotations that are tried: 10,860."""
TURNS = ((0.1, 200), (0.03, 200))
"""Angle [rad] and number of the rotations that are tried around the best one, twice."""


def agreement(one: Array, other: Array, low: float = 4.0, high: float = 18.0) -> float:
    """Compute how alike two intensities are after the best rotation: the mean correlation on shells.

    Parameters
    ----------
    one, other : float64 (n, n, n), intensities on grids of the same step, index n // 2 is s = 0
    low, high : radius of the innermost and of the outermost shell [grid steps]

    Returns
    -------
    float, from -1 to 1; that of the contrasts, intensity over the mean of its shell, so that a profile alone agrees
    with nothing

    Examples
    --------
    >>> axis = np.linspace(-1, 1, 41)
    >>> bar = np.exp(-6 * axis[:, None, None] ** 2 - axis[:, None] ** 2 - 0 * axis)
    >>> round(agreement(bar, bar.transpose(2, 0, 1)), 2), bool(agreement(bar, np.ones((41, 41, 41))) < 0.1)
    (1.0, True)
    """
    direction = even_directions(DIRECTIONS)
    direction = direction[direction[:, 2] >= 0]  # the other half is the same by Friedel's law
    at = (np.linspace(low, high, SHELLS)[:, None, None] * direction).reshape(-1, 3)
    fixed = _contrast(_slices(one, at, np.eye(3)[None]))
    best, found = np.array([1.0, 0, 0, 0]), -np.inf
    grid = rotation_grid(REFINEMENT)
    tried = grid.quaternion[grid.weight > 0]
    for angle, count in ((0.0, 0), *TURNS):
        turns = tried if not count else multiply(best, _small(angle, count))
        values = _correlations(fixed, other, at, turns)
        if values.max() > found:
            best, found = turns[int(values.argmax())], float(values.max())
    return found


def _small(angle: float, count: int) -> Array:
    """Return rotations by up to an angle, spread evenly, unit quaternions (count, 4)."""
    axis = even_directions(count)
    turn = angle * ((np.arange(count) * 0.7548776662466927) % 1) ** (1 / 3) / 2
    return np.concatenate([np.cos(turn)[:, None], np.sin(turn)[:, None] * axis], axis=1)


def _correlations(fixed: Array, other: Array, at: Array, turns: Array) -> Array:
    """Correlate contrasts at rotations, mean of the shells."""
    out = np.empty(len(turns))
    for start in range(0, len(turns), TILE):
        some = slice(start, start + TILE)
        moved = _contrast(_slices(other, at, rotation_matrix(turns[some])))
        out[some] = (fixed * moved).mean(axis=1).mean(axis=0)
    return out


def _slices(model: Array, at: Array, matrix: Array) -> Array:
    values = np.empty((len(at), len(matrix)))
    kernels.slices(model, at, matrix, values)
    return values.reshape(SHELLS, -1, len(matrix))


def _contrast(values: Array) -> Array:
    """Standardise on each shell, (shell, direction, rotation)."""
    values = values - values.mean(axis=1, keepdims=True)
    return np.asarray(values / np.maximum(values.std(axis=1, keepdims=True), 1e-300))
