"""What is known of intensities and of shots between two iterations."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from xfeldask.orient.models import Models
from xfeldask.orient.posterior import MOST_KEPT


class Look(NamedTuple):
    """What an iteration found of itself.

    Attributes
    ----------
    level, iteration : int, both from 0
    exponent : float, of the likelihood
    information : float, what a shot tells of its rotation and kind [bit], mean of the shots
    log_likelihood : float, mean of the shots
    change : float, relative change of the intensities
    """

    level: int
    iteration: int
    exponent: float
    information: float
    log_likelihood: float
    change: float


PER_SHOT = ("rotation", "probability", "responsibility", "log_likelihood", "contrast", "information", "fluence")
"""What a state knows of each shot."""


@dataclass(frozen=True, eq=False)
class State:
    """What is known between two iterations; the next one needs nothing else.

    Attributes
    ----------
    models : Models
    exposure : float64 (model, n, n, n), how much was looked at each point of the models
    level, iteration : int, those that come next, from 0
    refinement : int, of the rotations that `rotation` is of; 0 before the first iteration
    rotation : int32 (shot, some), likeliest rotations of each shot, the likeliest first, ``model * rotations +
        rotation`` of ``rotation_grid(refinement, group)``; -1 for none
    probability : float32 (shot, some), of each of them
    responsibility : float64 (shot, model), probability of each kind
    log_likelihood : float64 (shot,), log of the mean likelihood over rotations and kinds, without ``log n!``
    contrast : float64 (shot,), log likelihood over that of the mean pattern
    information : float64 (shot,), what the shot tells of its rotation and kind [bit]
    fluence : float64 (shot,), photons over those of the model's slices
    history : tuple of Look

    Examples
    --------
    >>> State(Models(np.ones((1, 9, 9, 9)), np.ones(1), 1e7)).level
    0
    """

    models: Models
    exposure: NDArray[np.float64] = field(default_factory=lambda: np.zeros((1, 0, 0, 0)))
    level: int = 0
    iteration: int = 0
    refinement: int = 0
    rotation: NDArray[np.int32] = field(default_factory=lambda: np.zeros((0, MOST_KEPT), np.int32))
    probability: NDArray[np.float32] = field(default_factory=lambda: np.zeros((0, MOST_KEPT), np.float32))
    responsibility: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 1)))
    log_likelihood: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    contrast: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    information: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    fluence: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    history: tuple[Look, ...] = ()

    def of(self, shots: NDArray[Any]) -> Self:
        """Return the state of some of the shots, by number or as bool (shot,)."""
        values: dict[str, Any] = {name: getattr(self, name)[shots] for name in PER_SHOT}
        return replace(self, **values)

    def with_shots(self, other: Self) -> Self:
        """Return the state of these shots and of those of another, which was compared with the same rotations."""
        values: dict[str, Any] = {n: np.concatenate([getattr(self, n), getattr(other, n)]) for n in PER_SHOT}
        return replace(self, **values)
