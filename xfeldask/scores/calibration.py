"""Whether probabilities hold, and how well counting tells."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xfeldask.errors import InputError
from xfeldask.scores.detection import truth_and_score


@dataclass(frozen=True)
class Calibration:
    """Promised against observed fractions of singles, over the bins that hold any shot; made by `calibration`.

    Attributes
    ----------
    predicted : float64 (bin,), mean probability
    observed : float64 (bin,), fraction of singles
    count : int64 (bin,), shots
    error : float, mean of abs(predicted - observed) over all shots

    Examples
    --------
    >>> found = calibration([0.2, 0.2, 0.9, 0.9], [True, False, True, True])
    >>> found.predicted.tolist(), found.observed.tolist(), round(found.error, 3)
    ([0.2, 0.9], [0.5, 1.0], 0.2)
    """

    predicted: NDArray[np.float64]
    observed: NDArray[np.float64]
    count: NDArray[np.int64]
    error: float


def calibration(probability: ArrayLike, single: ArrayLike, bins: int = 10) -> Calibration:
    """Compare the probabilities that shots were given with the fractions of them that are single.

    Parameters
    ----------
    probability : (shot,), in [0, 1]
    single : bool (shot,)
    bins : int, of equal width

    Returns
    -------
    Calibration, whose error is the expected calibration error

    Raises
    ------
    InputError
        No shots, lengths that differ, values out of range.

    Notes
    -----
    Naeini, Cooper and Hauskrecht, AAAI 29, 2901 (2015).

    Examples
    --------
    >>> calibration([0.2, 0.2, 0.9, 0.9], [True, False, True, True]).observed.tolist()
    [0.5, 1.0]
    """
    single, p = truth_and_score(single, probability, "probability")
    if bins < 1:
        raise InputError(f"calibration needs at least 1 bin, got {bins}")
    if p.min() < 0 or p.max() > 1:
        raise InputError(f"a probability lies in [0, 1], got {p.min():g} to {p.max():g}")
    at = np.minimum((p * bins).astype(np.int64), bins - 1)
    count = np.bincount(at, minlength=bins)
    held = count > 0
    predicted, observed = (np.bincount(at, value, bins)[held] / count[held] for value in (p, single))
    error = float(np.average(np.abs(predicted - observed), weights=count[held]))
    return Calibration(predicted, observed, count[held], error)


def wilson(successes: int, n: int, z: float = 1.96) -> tuple[float, float]:
    """Compute the interval of a fraction that is known from counting.

    Parameters
    ----------
    successes, n : int, `successes` out of `n`; of none nothing is known, and the interval is 0 to 1
    z : float, half width in standard deviations, above 0 and at most 8

    Returns
    -------
    low, high : float

    Raises
    ------
    InputError
        A number out of range.

    Notes
    -----
    E. B. Wilson, J. Am. Stat. Assoc. 22, 209 (1927).

    Examples
    --------
    >>> [round(bound, 3) for bound in wilson(0, 100)]
    [0.0, 0.037]
    """
    if not 0 <= successes <= n:
        raise InputError(f"successes must be 0 to n, got {successes} of {n}")
    if not 0 < z <= 8:
        raise InputError(f"z must be above 0 and at most 8, got {z}")
    if n == 0:
        return 0.0, 1.0
    from scipy.special import ndtr
    from scipy.stats import binomtest  # takes a second to import, and few need it

    interval = binomtest(int(successes), int(n)).proportion_ci(confidence_level=2 * ndtr(z) - 1, method="wilson")
    return float(interval.low), float(interval.high)
