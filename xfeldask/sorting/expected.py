"""What a rule's probabilities say of what it accepts, and how far chance alone may lead from that."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

INTERVAL = 0.95
"""Probability that the number of singles or others lies within an interval."""


class Expected(NamedTuple):
    """A fraction that is expected, and the interval that chance alone leaves it.

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
    as a Poisson number of the same mean (Le Cam, Pacific J. Math. 10, 1181, 1960), whose quantiles are the interval;
    that the probabilities themselves may be wrong is not in it.

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
    ('99.00% (98.33% to 99.56%)', '10.00% (8.08% to 10.10%)')
    """
    known = np.isfinite(probability)
    inside, outside = (np.asarray(probability, np.float64)[known & side] for side in (accepted, ~accepted))
    others, lost = float((1 - inside).sum()), float(outside.sum())
    few, many = _between(others, len(inside))
    n = len(inside) or np.nan
    purity = Expected(1 - others / n, 1 - many / n, 1 - few / n)
    singles = float(inside.sum() + outside.sum()) or np.nan
    few, many = _between(lost, min(len(outside), singles))
    return purity, Expected(lost / singles, few / singles, many / singles)


def _between(mean: float, most: float) -> tuple[float, float]:
    """Return quantiles of a Poisson number, its mean between them."""
    from scipy.stats import poisson  # imported by who needs it: each process that simulates imports this module

    low, high = (float(poisson.ppf(at, mean)) for at in ((1 - INTERVAL) / 2, (1 + INTERVAL) / 2))
    return min(low, mean), max(min(high, most), mean)
