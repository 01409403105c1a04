"""What a rule's probabilities say of what it accepts, and how far from the truth that may be."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

INTERVAL = 0.95
"""Probability that the number of singles or others lies within an interval, if `WRONG` is not exceeded."""
WRONG = 3.0
"""Factor by which the expected number of singles or others may be too large or small. In beams of 5 to 80 % multiples
the true number of others was within it and chance; see `docs/how-singles-are-told.md`."""


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
    themselves come from lessons, and may be wrong.

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
    few, many = _between(others, len(inside))
    n = len(inside) or np.nan
    purity = Expected(1 - others / n, 1 - many / n, 1 - few / n)
    singles = float(inside.sum() + outside.sum()) or np.nan
    # of nothing accepted every single is lost
    few, many = _between(lost, min(len(outside), singles)) if len(inside) else (singles, singles)
    return purity, Expected(lost / singles, few / singles, many / singles)


def _between(mean: float, most: float) -> tuple[float, float]:
    """Return bounds of a number that is expected to be `mean`."""
    from scipy.stats import poisson  # imported by who needs it: each process that simulates imports this module

    low = float(poisson.ppf((1 - INTERVAL) / 2, mean / WRONG))
    high = float(poisson.ppf((1 + INTERVAL) / 2, mean * WRONG))
    return min(low, mean), max(min(high, most), mean)
