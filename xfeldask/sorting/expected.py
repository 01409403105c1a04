"""What a rule's probabilities say of what it accepts, and how far from the truth that may be."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

INTERVAL = 0.95
"""Probability that the number of singles or others lies within an interval, if `WRONG` is not exceeded."""
WRONG = 3.0
"""Factor by which the expected number of singles or others may be too large or small. In beams of 5 to 80 % multiples
the true number of others was within it and chance; see `docs/how-singles-are-told.md`."""
RARE = 2.0
"""Others for each single from which that factor grows for the rejected singles, in proportion: so many hits are
rejected then that a small part of them is a large one of the singles."""


class Expected(NamedTuple):
    """A fraction that is expected, and an interval for the true one.

    Examples
    --------
    >>> str(Expected(0.99, 0.985, 0.995)), str(Expected(np.nan, np.nan, np.nan))
    ('99.00% (98.50% to 99.50%)', 'none')
    """

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        """Write it for people."""
        return f"{self.value:.2%} ({self.low:.2%} to {self.high:.2%})" if np.isfinite(self.value) else "none"


def expected(probability: NDArray[Any], accepted: NDArray[np.bool_]) -> tuple[Expected, Expected]:
    """Tell what fraction of the accepted shots is single, and what fraction of the singles is not accepted.

    Each shot is a single hit with its probability. The number of the improbable ones among many is at most as spread
    as a Poisson number of the same mean (Le Cam, Pacific J. Math. 10, 1181, 1960). The interval is from the low
    quantile of a mean `WRONG` times smaller to the high one of a mean as many times larger, since the probabilities
    themselves come from lessons, and may be wrong; of the rejected singles by more where there are more than `RARE`
    others for each single. Shots that cannot be single, such as blanks, are no others.

    Parameters
    ----------
    probability : (shot,), that it is single; NaN where the rule has no opinion, which leaves the shot out
    accepted : bool (shot,)

    Returns
    -------
    purity, lost : Expected; NaN of nothing

    Examples
    --------
    >>> purity, lost = expected(np.full(1000, 0.99), np.arange(1000) < 900)
    >>> str(purity), str(lost)
    ('99.00% (95.78% to 100.00%)', '10.00% (2.22% to 10.10%)')
    """
    known = np.isfinite(probability)
    inside, outside = (np.asarray(probability, np.float64)[known & side] for side in (accepted, ~accepted))
    others, lost = float((1 - inside).sum()), float(outside.sum())
    few, many = _between(others, len(inside), WRONG)
    n = len(inside) or np.nan
    purity = Expected(1 - others / n, 1 - many / n, 1 - few / n)
    singles = float(inside.sum() + outside.sum()) or np.nan
    # of nothing accepted every single is lost
    known_others = others + float((1 - outside[outside > 0]).sum())
    wrong = WRONG * max(1.0, known_others / singles / RARE)
    few, many = _between(lost, min(len(outside), singles), wrong) if len(inside) else (singles, singles)
    return purity, Expected(lost / singles, few / singles, many / singles)


def most_expected(accepted: ArrayLike, max_contamination: float) -> NDArray[np.float64]:
    """Return how many of the accepted may be expected to be others if that interval is to end at an allowed fraction.

    Parameters
    ----------
    accepted : int (...), numbers of shots
    max_contamination : float, fraction of them that may be others

    Examples
    --------
    >>> most = most_expected([100, 1000], 0.05)
    >>> most.round(2).tolist()
    [0.73, 12.66]
    >>> purity, _ = expected(np.repeat(1 - most[1] / 1000, 1000), np.ones(1000, bool))
    >>> round(purity.low, 2)
    0.95
    """
    from scipy.special import pdtri

    allowed = max_contamination * np.asarray(accepted, np.float64)
    # the largest Poisson mean whose high quantile is no larger than that; what is expected lies within its interval
    return np.asarray(np.minimum(pdtri(np.floor(allowed), (1 + INTERVAL) / 2) / WRONG, allowed), np.float64)


def _between(mean: float, most: float, wrong: float) -> tuple[float, float]:
    """Return bounds of a number that is expected to be `mean`, if that may be wrong by a factor."""
    from scipy.stats import poisson  # imported by who needs it: each process that simulates imports this module

    low = float(poisson.ppf((1 - INTERVAL) / 2, mean / wrong))
    high = float(poisson.ppf((1 + INTERVAL) / 2, mean * wrong))
    return min(low, mean), max(min(high, most), mean)
