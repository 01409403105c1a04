"""Networks that weigh the measures of shots."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import logit

from xfeldask.sorting.pairs.batches import Array

LAYERS = (32, 16)
STEPS = 2000
"""Steps of the optimiser for a network, at least."""
ROUNDS = 25
LESSONS = 256
"""Lessons that a step of the optimiser takes."""
ORDINARY = 0.75
"""Fraction of the single hits whose one-sided measures are taken for equally low."""


@dataclass(frozen=True)
class Networks:
    """Networks whose answers are averaged.

    Attributes
    ----------
    center, width : float32 (measure,), mean and standard deviation of the lessons
    lesson_odds : float, log odds of a single hit among the lessons
    floor : float32 (measure,), lower values are taken for this; -inf where the lowest tells as much as the highest
    layers : for each network, for each layer, weight (in, out) and bias (out,)

    Examples
    --------
    >>> x = np.random.default_rng(0).normal(size=(400, 2)).astype(np.float32)
    >>> networks = Networks.trained(x, (x[:, 0] > 0).astype(int), members=1, seed=0)
    >>> ratio = networks.log_ratio(np.array([[2, 0], [-2, 0]], np.float32))
    >>> bool(ratio[0] > 3), bool(ratio[1] < -3)
    (True, True)
    """

    center: Array
    width: Array
    lesson_odds: float
    floor: Array
    layers: list[list[tuple[Array, Array]]]

    @classmethod
    def trained(cls, x: Array, y: NDArray[Any], members: int, seed: int, one_sided: slice = slice(0)) -> Self:
        """Train on measures (lesson, measure), and on which of them are of a single hit (lesson,).

        Measures that are `one_sided` speak for several particles where they are high, and for nothing where they are
        low: what is low in most single hits is taken for ordinary. Else a band far lower than any lesson's would speak
        for one particle so much that fringes in another could not outweigh it.
        """
        floor = np.full(x.shape[1], -np.inf, np.float32)
        floor[one_sided] = np.quantile(x[y == 1][:, one_sided], ORDINARY, axis=0)
        x = np.maximum(x, floor)
        center, width = x.mean(axis=0), np.maximum(x.std(axis=0), 1e-6)
        layers = [_train((x - center) / width, y, seed + i) for i in range(members)]
        return cls(center, width, float(logit(y.mean())), floor, layers)

    def log_ratio(self, measures: Array) -> NDArray[np.float64]:
        """Mean of the networks' log odds of a single hit (shot,), less what their lessons had of each kind."""
        x = (np.maximum(measures, self.floor) - self.center) / self.width
        return np.asarray(np.mean([_forward(x, layers) for layers in self.layers], axis=0) - self.lesson_odds)


def _train(x: Array, y: NDArray[Any], seed: int) -> list[tuple[Array, Array]]:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPClassifier  # scikit-learn takes a second to import

    rounds = max(ROUNDS, STEPS * LESSONS // len(x))
    network = MLPClassifier(LAYERS, alpha=1e-2, batch_size=min(LESSONS, len(x)), max_iter=rounds, random_state=seed)
    with warnings.catch_warnings():
        # a fixed number of rounds is the point: the networks are averaged, not polished
        warnings.simplefilter("ignore", ConvergenceWarning)
        network.fit(x, y)
    return [
        (a.astype(np.float32), b.astype(np.float32)) for a, b in zip(network.coefs_, network.intercepts_, strict=True)
    ]


def _forward(x: Array, layers: list[tuple[Array, Array]]) -> NDArray[np.float64]:
    for weight, bias in layers[:-1]:
        x = np.maximum(x @ weight + bias, 0)
    weight, bias = layers[-1]
    return np.asarray((x @ weight + bias)[:, 0], np.float64)
