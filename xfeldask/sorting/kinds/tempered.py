"""How far log likelihoods are to be trusted: shots whose kinds are known tell.

Intensities that are worked out are never quite those of the particles: these differ in size, touch in other ways, and
bins are wide. What such faults add to the log ratio of two kinds grows with the photons, and its spread with them, that
of counting noise with their root. Where a log ratio has the mean ``d n`` and the variance ``2 d n + s n^2`` it is to be
divided by ``1 + s n / 2 d``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

SPREAD = 3.0
"""Standard deviation of intercepts that are expected [nat]."""
RATES = 1e-7, 1.0
"""Least and largest rate at which trust falls with the photons."""
FIRST_RATE = 1e-3


@dataclass(frozen=True)
class Tempered:
    """What is done to log likelihoods so that probabilities are right.

    Attributes
    ----------
    rate : float, of the photons at which a log likelihood counts less: it is divided by ``1 + rate * photons``

    Examples
    --------
    >>> Tempered(0.01).of([[0, -8], [0, -8]], [0, 300]).tolist()
    [[0.0, -8.0], [0.0, -2.0]]
    """

    rate: float

    def of(self, log_likelihood: ArrayLike, photons: ArrayLike) -> NDArray[np.float64]:
        """Return log likelihoods as far as they are to be trusted.

        Parameters
        ----------
        log_likelihood : (shot, kind) [nat]
        photons : (shot,), that they were computed from

        Returns
        -------
        float64 (shot, kind) [nat]
        """
        trust = 1 / (1 + self.rate * np.asarray(photons, np.float64))
        return np.asarray(log_likelihood, np.float64) * trust[:, None]


def temper(log_likelihood: ArrayLike, kind: ArrayLike, photons: ArrayLike) -> Tempered:
    """Tell how far log likelihoods are to be trusted, from shots of known kinds.

    Parameters
    ----------
    log_likelihood : (shot, kind) [nat]
    kind : int (shot,), of which each is
    photons : (shot,)

    Returns
    -------
    Tempered, under which these kinds are likeliest

    Notes
    -----
    It is a multinomial logistic regression with one slope for all kinds (C. Guo et al., Proceedings of the 34th
    International Conference on Machine Learning, 1321, 2017), which falls with the photons, and a normal prior of width
    `SPREAD` of the intercepts. These are not applied: views of a particle that scatter more are seen in brighter shots,
    which those drawn do not know, and that shifts them.

    Examples
    --------
    >>> dice = np.random.default_rng(0)
    >>> kind = dice.integers(0, 2, 5000)
    >>> ratio = 4 * dice.normal(3.0 * kind - 1.5, 1.0)  # its logarithm is 3 x: told four thirds as surely as it is
    >>> found = temper(np.stack([0 * ratio, ratio], axis=1), kind, np.full(5000, 100))
    >>> round(1 + 100 * found.rate, 1)
    1.3
    """
    from scipy.optimize import minimize  # takes long to import, and who simulates has no use for it
    from scipy.special import logsumexp

    told, of, n = np.asarray(log_likelihood, np.float64), np.asarray(kind), np.asarray(photons, np.float64)
    told = told - told.max(axis=1, keepdims=True)
    counts = np.bincount(of, minlength=told.shape[1]).astype(np.float64)
    prior, own = np.log(np.maximum(counts, 1) / len(of)), np.arange(len(of))

    def cost(values: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        rate, added = np.exp(values[0]), np.append(0.0, values[1:])
        trust = 1 / (1 + rate * n)
        joint = told * trust[:, None] + added + prior
        whole = logsumexp(joint, axis=1)
        probability = np.exp(joint - whole[:, None])
        fall = -rate * n * trust**2
        slope = (fall * ((probability * told).sum(axis=1) - told[own, of])).sum()
        wrong = (whole - joint[own, of]).sum() + (added**2).sum() / (2 * SPREAD**2)
        return float(wrong), np.append(slope, (probability.sum(axis=0) - counts)[1:] + added[1:] / SPREAD**2)

    first = np.append(np.log(FIRST_RATE), np.zeros(len(counts) - 1))
    bounds = [(np.log(RATES[0]), np.log(RATES[1])), *[(None, None)] * (len(counts) - 1)]
    found = minimize(cost, first, jac=True, method="L-BFGS-B", bounds=bounds)
    return Tempered(float(np.exp(found.x[0])))
