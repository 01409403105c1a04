"""Kinds of particles, whether they were found or named, and what each single hit is of."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xfeldask.orient.models import Models
from xfeldask.orient.schedule import Level

RADIUS = 20.0
"""Bins of `image` that are looked at around the beam, at most."""
REFINEMENT = 4, 7
"""Of the rotations at the full radius: 3,240 and, near the likeliest, 17,220. Where only the coarse ones are tried,
bright shots of a few views that lie between them are explained by an intensity of their own."""
TURNS = 100
"""Of the estimate of how frequent each kind is, at most."""
SETTLED = 1e-6
ROUND = 2
"""Refinement of the rotations at which intensities that look the same from everywhere are compared."""


@dataclass(frozen=True)
class Growth:
    """What became of one intensity that was grown.

    Attributes
    ----------
    real : bool, whether it is taken for a kind
    shots : int, that are most probably of it
    misfit : float, median of its shots before, in standard deviations
    gain : float, mean of the log likelihood that its shots gained, or those of both where two began
    agreement : float, of its intensity with that of the largest kind, the correlation of `alignment`
    usual : float, agreement of the largest kind with an intensity of as many of its own shots, 0 where nobody looked
    chance : float, probability that as many labelled shots that were held back would be of it by chance; none where it
        did not begin with labelled shots
    asked : float, gain from which on it may be a kind, 0 where it was not asked

    Examples
    --------
    >>> Growth(real=True, shots=104, misfit=3.1, gain=25.0, agreement=0.4).real
    True
    """

    real: bool
    shots: int
    misfit: float
    gain: float
    agreement: float
    usual: float = 0.0
    chance: float | None = None
    asked: float = 0.0


@dataclass(frozen=True, eq=False)
class Kinds:
    """Kinds of particles, each with one intensity or several.

    Attributes
    ----------
    models : Models, all intensities, with the fraction of the shots of each
    kind : int64 (model,), which kind each is of
    radius : float [bins], as far as patterns are compared
    names : tuple of str, of kinds that are known; empty where they were found
    growths : tuple of Growth, all intensities that were grown where kinds were found
    round : bool (model,), optional: intensities that look the same from everywhere
    size : float64 (model,), optional: size of the particle of each intensity, relative to its kind's own

    Examples
    --------
    >>> models = Models(np.ones((3, 9, 9, 9)), np.array([0.5, 0.3, 0.2]), 1e7)
    >>> kinds = Kinds(models, np.array([0, 1, 1]), radius=3.0, names=("protein", "droplet"))
    >>> len(kinds), kinds.fractions.tolist(), kinds.first.tolist()
    (2, [0.5, 0.5], [0, 1])
    """

    models: Models
    kind: NDArray[np.int64]
    radius: float
    names: tuple[str, ...] = ()
    growths: tuple[Growth, ...] = ()
    round: NDArray[np.bool_] | None = None
    size: NDArray[np.float64] | None = None

    def __len__(self) -> int:
        """Return the number of kinds."""
        return int(self.kind.max()) + 1

    @property
    def fractions(self) -> NDArray[np.float64]:
        """Fraction of the shots that are of each kind, before they were judged."""
        return np.asarray(np.bincount(self.kind, self.models.prior), np.float64)

    @property
    def first(self) -> NDArray[np.int64]:
        """The first intensity of each kind."""
        return np.unique(self.kind, return_index=True)[1]


def looks(radius: float, iterations: tuple[int, int] = (1, 1), exponent: float = 1.0) -> tuple[Level, Level]:
    """Return the levels at which shots are compared with intensities at the full radius.

    Examples
    --------
    >>> [level.everywhere for level in looks(20.0)]
    [True, False]
    """
    coarse, fine = (Level(refinement, radius, most) for refinement, most in zip(REFINEMENT, iterations, strict=True))
    return replace(coarse, exponent=exponent, everywhere=True), fine


def posterior(
    log_likelihood: ArrayLike, fractions: ArrayLike, believed: float = 0.0
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Tell what kind each shot is of, and how frequent the kinds are among all of them.

    Parameters
    ----------
    log_likelihood : (shot, kind) [nat]
    fractions : (kind,), to begin with
    believed : float, shots that these fractions are worth, besides those that are judged

    Returns
    -------
    probability : float64 (shot, kind)
    fractions : float64 (kind,), that explain the shots best

    Examples
    --------
    >>> probability, fractions = posterior([[0, -9], [0, -9], [-9, 0], [0, 0]], [0.5, 0.5])
    >>> probability.argmax(axis=1).tolist(), fractions.round(2).tolist()
    ([0, 0, 1, 0], [0.67, 0.33])
    >>> posterior([[0, -1]], [0.5, 0.5])[0].round(2).tolist()  # of one shot by itself
    [[1.0, 0.0]]
    >>> posterior([[0, -1]], [0.5, 0.5], believed=10)[0].round(2).tolist()
    [[0.75, 0.25]]
    """
    told, first = np.asarray(log_likelihood, np.float64), np.asarray(fractions, np.float64)
    weight = first
    likelihood = np.exp(told - told.max(axis=1, keepdims=True))
    for _ in range(TURNS):
        joint = likelihood * weight
        counted = (joint / joint.sum(axis=1, keepdims=True)).sum(axis=0)
        fresh = (counted + believed * first) / (len(told) + believed)
        change, weight = np.abs(fresh - weight).max(), fresh
        if change < SETTLED:
            break
    joint = likelihood * weight
    return joint / joint.sum(axis=1, keepdims=True), weight
