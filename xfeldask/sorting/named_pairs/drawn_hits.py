"""How far it is to be trusted that a shot is likelier under two particles: drawn shots tell, of one and of two.

Shots are compared with a particle of one size at a grid of rotations. Those drawn have sizes of their own, in any
orientation, and of one particle as many photons as hits have, of two as many as two of them: that two particles are
brighter than one counts, too, and by no more than the hits tell.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xfeldask.orient.sparse import SparseFrames
from xfeldask.physics.orientations import rotation_matrix, uniform_quaternion
from xfeldask.physics.volume import interpolate
from xfeldask.sorting.named_pairs.views import MOST_DARK, Views

DRAWN = 600
"""Shots that are drawn, half of them of two particles."""
CUT = 3.0
"""Standard deviations that sizes differ by, at most."""
SPREAD = 3.0
"""Standard deviation of what is found, of the slope in its logarithm [nat]."""
FIRST_RATE = 1e-3
"""At which trust falls with the photons, to begin with."""
BOUNDS = [(-5.0, 5.0)] * 2 + [(-50.0, 50.0)] * 2
"""Of the logarithms of slope and rate, and of level and tilt."""


@dataclass(frozen=True)
class Trust:
    """What is done to log ratios so that probabilities are right.

    A log ratio of a shot of n photons is multiplied by ``slope / (1 + rate n)``, and ``level + tilt log(n)`` is added.

    Examples
    --------
    >>> Trust(1.0, 0.01, -1.0, 0.0).of([3.0, -3.0], [100, 100]).tolist()
    [0.5, -2.5]
    """

    slope: float
    rate: float
    level: float
    tilt: float

    def of(self, log_ratio: ArrayLike, photons: ArrayLike) -> NDArray[np.float64]:
        """Return log ratios as far as they are to be trusted, float64 (shot,) [nat]."""
        ratio, n = np.asarray(log_ratio, np.float64), np.maximum(np.asarray(photons, np.float64), 1)
        return self.slope * ratio / (1 + self.rate * n) + self.level + self.tilt * np.log(n)

    @classmethod
    def found(cls, log_ratio: ArrayLike, photons: ArrayLike, two: ArrayLike) -> Self:
        """Find the trust under which it is likeliest which of some shots, half of them, are of two particles.

        Notes
        -----
        It is a logistic regression with normal priors.

        Examples
        --------
        >>> dice = np.random.default_rng(0)
        >>> two = np.arange(4000) % 2
        >>> ratio = 2 * dice.normal(4.0 * two - 2, 2.0) - 3  # twice as sure as it is, and 3 less
        >>> found = Trust.found(ratio, np.full(4000, 100), two)
        >>> bool(abs(found.of([-3.0, 5.0], [100, 100]) - [0, 4]).max() < 0.4)
        True
        """
        from scipy.optimize import minimize  # takes long to import, and who simulates has no use for it

        ratio, n, sign = (np.asarray(each, np.float64) for each in (log_ratio, photons, 2 * np.asarray(two) - 1))
        middle = float(np.log(np.maximum(n, 1)).mean())

        def trust(values: NDArray[np.float64]) -> tuple[float, float, float, float]:
            slope, rate = np.exp(values[:2]).tolist()
            level, tilt = values[2:].tolist()
            return slope, FIRST_RATE * rate, level - tilt * middle, tilt

        def cost(values: NDArray[np.float64]) -> float:
            told = cls(*trust(values)).of(ratio, n)
            return float(np.logaddexp(0, -sign * told).sum() + (values**2).sum() / (2 * SPREAD**2))

        return cls(*trust(minimize(cost, np.zeros(4), method="L-BFGS-B", bounds=BOUNDS).x))


def drawn_hits(views: Views, light: NDArray[np.int64], spread: float, dice: np.random.Generator) -> SparseFrames:
    """Draw shots of one particle and of two, in random orientations, each particle with so many photons.

    Parameters
    ----------
    views : Views
    light : int64 (shot, 2), photons of a shot of each particle alone, background among them; 0 of a second that is none
    spread : float, relative standard deviation of sizes
    dice : Generator

    Returns
    -------
    SparseFrames (shot,)
    """
    images, background = np.zeros((len(light), len(views.pixels.s)), np.uint16), views.background
    for shot, own in enumerate(light):
        seen = pattern(views, own[own > 0] / own.sum(), spread, dice) * views.pixels.factor
        dark = min(MOST_DARK, background.sum() / own.sum())
        expected = (1 - dark) * seen / seen.sum() + dark * background / max(background.sum(), 1e-300)
        images[shot] = dice.multinomial(own.sum(), expected / expected.sum())
    return SparseFrames.of(images, np.arange(images.shape[1]))


def pattern(views: Views, light: NDArray[np.float64], spread: float, dice: np.random.Generator) -> NDArray[np.float64]:
    """Return what one particle or two, of so much light each, scatter to each pixel, up to a factor."""
    s, n = views.pixels.s, len(light)
    turn = rotation_matrix(uniform_quaternion(dice.random((n, 3))))
    size = 1 + spread * np.clip(dice.normal(size=n), -CUT, CUT)
    each = [np.sqrt(light[i]) * interpolate(views.volume, size[i] * s @ turn[i]) for i in range(n)]
    total = np.sum([one.real**2 + one.imag**2 for one in each], axis=0, dtype=np.float64)
    if n == 1:
        return np.asarray(total)
    distances = views.distances
    which = int(dice.choice(len(distances.prior), p=distances.prior))
    if which < len(distances.prior) - 1:  # the last stands for fringes that are too fine
        place = distances.place[which] + distances.spacing * (dice.random(2) - 0.5)
        beat = each[0] * np.conj(each[1]) * np.exp(2j * np.pi * (s[:, :2] @ place))
        total = total + 2 * beat.real * np.sinc(place * views.pixels.step).prod()
    return np.asarray(np.maximum(total, 0))
