"""What is known of each shot after it was compared with slices."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from xfeldask.orient.rotations import RotationGrid

MOST_KEPT = 12
"""Rotations that are kept of a shot."""

SHARE = 1e-3
"""Of the likeliest rotation's probability that others must have to be kept."""

LEAST = 1e-6
"""Probability below which a rotation of a shot is left out of the merging."""


class Posterior(NamedTuple):
    """What is known of each shot after it was compared.

    Attributes
    ----------
    rotation : int32 (shot, some), likeliest rotations, ``model * rotations + rotation``; -1 for none
    chance : float32 (shot, some), of each of them
    responsibility : float64 (shot, model), probability of each model
    evidence : float64 (shot,), log of the likelihood's mean over rotations, over that of the mean pattern
    information : float64 (shot,), what the shot tells of its rotation and model [bit]
    exposure : float64 (shot,), mean of 1 over the sum of the slice
    """

    rotation: NDArray[np.int32]
    chance: NDArray[np.float32]
    responsibility: NDArray[np.float64]
    evidence: NDArray[np.float64]
    information: NDArray[np.float64]
    exposure: NDArray[np.float64]

    @classmethod
    def blank(cls, shots: int, models: int) -> Posterior:
        """Return room for what is known of so many shots.

        Examples
        --------
        >>> Posterior.blank(3, 2).responsibility.shape
        (3, 2)
        """
        return cls(
            np.full((shots, MOST_KEPT), -1, np.int32),
            np.zeros((shots, MOST_KEPT), np.float32),
            np.zeros((shots, models)),
            *np.zeros((3, shots)),
        )


def log_prior(grid: RotationGrid, prior: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return logarithms of the prior of each rotation of each model; minus infinity for rotations that are none.

    Parameters
    ----------
    grid : RotationGrid
    prior : float64 (model,), fraction of the shots of each

    Returns
    -------
    float64 (model, rotation)

    Examples
    --------
    >>> from xfeldask.orient.rotations import rotation_grid
    >>> np.exp(log_prior(rotation_grid(1), np.array([0.5, 0.5]))).sum(axis=1).round(9).tolist()
    [0.5, 0.5]
    """
    out, real = np.full((len(prior), len(grid.weight)), -np.inf), grid.weight > 0
    out[:, real] = np.log(grid.weight[real]) + np.log(prior)[:, None]
    return out
