"""How far log likelihoods are to be trusted: shots whose kinds are known tell.

Intensities that are worked out are never quite those of the particles: these differ in size, touch in other ways, and
bins are wide. What such faults add to the log ratio of two kinds grows with the photons, and its spread with them, that
of counting noise with their root. Where a log ratio has the mean ``d n`` and the variance ``2 d n + s n^2`` it is to be
divided by ``1 + s n / 2 d``. Kinds whose intensities have greater faults are trusted less. A few shots stray
altogether, as where no rotation near theirs was tried: they say nothing, however loudly, and must not decide how far
all others are trusted.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

SPREAD = 3.0
"""Standard deviation of intercepts that are expected [nat]."""
RATES = 1e-7, 1.0
"""Least and largest rate at which trust falls with the photons."""
STRAYS = 1e-12, 0.2
"""Least and largest fraction of shots that stray."""
FIRST_RATE, FIRST_STRAYS = 1e-3, 1e-2


@dataclass(frozen=True, eq=False)
class Tempered:
    """What is done to log likelihoods so that probabilities are right.

    Attributes
    ----------
    rate : float64 (kind,), of the photons at which log likelihoods count less of a shot that is likeliest to be of a
        kind: they are divided by ``1 + rate * photons``
    strays : float, fraction of the shots that may be of any kind, whatever their photons tell

    Examples
    --------
    >>> told = Tempered(np.array([0.0, 0.01]), 1e-3).of([[0, -8], [-8, 0]], [300, 300], [0.5, 0.5])
    >>> (told[:, 0] - told[:, 1]).round(1).tolist()  # not 8 and -2
    [7.1, -2.0]
    """

    rate: NDArray[np.float64]
    strays: float

    def of(self, log_likelihood: ArrayLike, photons: ArrayLike, fractions: ArrayLike) -> NDArray[np.float64]:
        """Return log likelihoods as far as they are to be trusted.

        Parameters
        ----------
        log_likelihood : (shot, kind) [nat]
        photons : (shot,), that they were computed from
        fractions : (kind,), of the shots that are of each kind, as far as is known

        Returns
        -------
        float64 (shot, kind) [nat], over the mean likelihood of all kinds
        """
        from scipy.special import logsumexp  # takes long to import, and who simulates has no use for it

        told = np.asarray(log_likelihood, np.float64)
        told = told * trust(self.rate[told.argmax(axis=1)], np.asarray(photons, np.float64))[:, None]
        over = told - logsumexp(told, axis=1, b=np.asarray(fractions), keepdims=True)
        return np.asarray(np.logaddexp(np.log1p(-self.strays) + over, np.log(self.strays)))


def trust(rate: ArrayLike, photons: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the part of log likelihoods that counts, (shot,)."""
    return 1 / (1 + np.asarray(rate) * photons)


def temper(log_likelihood: ArrayLike, kind: ArrayLike, photons: ArrayLike, alike: ArrayLike | None = None) -> Tempered:
    """Tell how far log likelihoods are to be trusted, from shots of known kinds.

    Parameters
    ----------
    log_likelihood : (shot, kind) [nat]
    kind : int (shot,), of which each is
    photons : (shot,)
    alike : (kind,), optional: kinds of one value have one rate; all of them by default

    Returns
    -------
    Tempered, under which these kinds are likeliest

    Notes
    -----
    It is a multinomial logistic regression with one slope for all kinds that are alike (C. Guo et al., Proceedings of
    the 34th International Conference on Machine Learning, 1321, 2017), which falls with the photons, and a normal prior
    of width `SPREAD` of the intercepts; shots that stray are of each kind as often as shots are. Intercepts are not
    applied: views of a particle that scatter more are seen in brighter shots, which those drawn do not know, and that
    shifts them.

    Examples
    --------
    >>> dice = np.random.default_rng(0)
    >>> kind = dice.integers(0, 2, 5000)
    >>> ratio = 4 * dice.normal(3.0 * kind - 1.5, 1.0)  # its logarithm is 3 x: told four thirds as surely as it is
    >>> found = temper(np.stack([0 * ratio, ratio], axis=1), kind, np.full(5000, 100))
    >>> (1 + 100 * found.rate).round(1).tolist(), found.strays < 1e-3
    ([1.3, 1.3], True)
    """
    from scipy.optimize import minimize  # as above
    from scipy.special import logsumexp

    told, of, n = np.asarray(log_likelihood, np.float64), np.asarray(kind), np.asarray(photons, np.float64)
    told = told - told.max(axis=1, keepdims=True)
    kinds = told.shape[1]
    counts, own = np.bincount(of, minlength=kinds).astype(np.float64), np.arange(len(of))
    prior = np.log(np.maximum(counts, 1) / len(of))
    group = np.unique(np.zeros(kinds) if alike is None else np.asarray(alike), return_inverse=True)[1]
    groups, mine = int(group.max()) + 1, group[told.argmax(axis=1)]
    is_own = np.eye(kinds)[of]

    def cost(values: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        rate, strays = np.exp(values[:groups])[mine], np.exp(values[groups])
        added = np.append(0.0, values[groups + 1 :])
        joint = told * trust(rate, n)[:, None] + added + prior
        found = joint - logsumexp(joint, axis=1, keepdims=True)
        whole = np.logaddexp(np.log1p(-strays) + found[own, of], np.log(strays) + prior[of])
        follows = (1 - strays) * np.exp(found[own, of] - whole)  # probability that a shot does not stray
        off = follows[:, None] * (np.exp(found) - is_own)
        fall = -rate * n * trust(rate, n) ** 2 * (off * told).sum(axis=1)
        fewer = follows / (1 - strays) * strays - (1 - follows)
        wrong = -whole.sum() + (added**2).sum() / (2 * SPREAD**2)
        slopes = np.bincount(mine, fall, groups), [fewer.sum()], off.sum(axis=0)[1:] + added[1:] / SPREAD**2
        return float(wrong), np.concatenate(slopes)

    first = np.log([*[FIRST_RATE] * groups, FIRST_STRAYS, *[1.0] * (kinds - 1)])
    bounds = [*[tuple(np.log(RATES))] * groups, tuple(np.log(STRAYS)), *[(None, None)] * (kinds - 1)]
    found = minimize(cost, first, jac=True, method="L-BFGS-B", bounds=bounds)
    return Tempered(np.exp(found.x[:groups])[group], float(np.exp(found.x[groups])))
