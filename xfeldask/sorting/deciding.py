"""From log ratios to probabilities, and to a threshold at an allowed cost. No truth is needed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xfeldask.errors import InputError
from xfeldask.sorting.cuts import LET_IN, Cuts, find_threshold
from xfeldask.sorting.expected import Expected, expected

Array = NDArray[np.float64]

RESAMPLES = 40
"""Times that hits are drawn anew for the interval of a threshold."""
RESAMPLED = 20_000
"""Hits that are drawn each time, at most."""
LIMIT = 50.0
"""Log odds are cut at this size."""


@dataclass(frozen=True)
class Cut:
    """Hits on both sides of a threshold, and what that is expected to cost.

    Attributes
    ----------
    score : float64 (hit,), log odds of a single hit
    probability : float64 (hit,), of a single hit
    kept : bool (hit,), whether it is accepted
    threshold : float, least score of an accepted hit
    threshold_low, threshold_high : float, where it falls in 95 % of resampled data
    prevalence : float, fraction of the hits that hold more than one particle
    singles_lost : float, expected fraction of the singles below the threshold
    let_in : float, expected number of accepted multiples
    otherwise : Expected or None, purity at the strictest threshold that loses no more singles than allowed, where this
        one loses more of them for the sake of purity

    Examples
    --------
    >>> cut = decide(np.array([9.0] * 95 + [-9.0] * 5))
    >>> int(cut.kept.sum()), bool(-9 < cut.threshold < 9), round(cut.prevalence, 2)
    (95, True, 0.05)
    """

    score: Array
    probability: Array
    kept: NDArray[np.bool_]
    threshold: float
    threshold_low: float
    threshold_high: float
    prevalence: float
    singles_lost: float
    let_in: float
    otherwise: Expected | None = None


def decide(
    log_ratio: ArrayLike, max_singles_lost: float = 0.01, seed: int = 0, max_contamination: float | None = None
) -> Cut:
    """Decide from how much likelier each hit is under one particle than under several.

    Parameters
    ----------
    log_ratio : (hit,), log of p(measures | one) / p(measures | several)
    max_singles_lost : float, fraction of the singles that may be rejected, above 0 and below 1
    seed : int, of the resampling that gives the interval of the threshold
    max_contamination : float, optional, fraction of the accepted that may be other than single, above 0 and below 1;
        the interval of the purity ends there, even where that rejects more singles than allowed

    Raises
    ------
    InputError
        A fraction out of range, no hits, or ratios that are not numbers.

    Notes
    -----
    The fraction of multiples is the likeliest one (Saerens, Latinne and Decaestecker, Neural Computation 14, 21,
    2002). The threshold is the loosest at which fewer than `LET_IN` multiples are expected among the accepted, or at
    which rejecting one more would cost `WORTH` singles; where that would reject more singles than allowed, the
    strictest that is allowed. Where the interval of the purity would then reach beyond the contamination that is
    allowed, it is the loosest at which it does not. Its interval comes from resampled hits; of more than `RESAMPLED`
    as many are drawn, and the interval is narrowed as the root of the number (Bickel, Götze and van Zwet, Statistica
    Sinica 7, 1, 1997).

    Examples
    --------
    >>> ratio = np.concatenate([np.full(95, 9.0), np.full(5, -9.0)])
    >>> found = decide(ratio)
    >>> int(found.kept.sum()), round(found.prevalence, 3)
    (95, 0.05)
    """
    from scipy.special import expit, logit  # as all of scipy here, imported by who needs it: who simulates has no use

    if not 0 < max_singles_lost < 1:
        raise InputError(f"max_singles_lost is a fraction of the singles, above 0 and below 1, got {max_singles_lost}")
    if max_contamination is not None and not 0 < max_contamination < 1:
        raise InputError(f"max_contamination must be above 0 and below 1, got {max_contamination}")
    ratio = _checked(log_ratio)
    prevalence = multiple_fraction(ratio)
    score = ratio + logit(1 - prevalence)
    threshold = find_threshold(score, max_singles_lost, max_contamination=max_contamination)
    probability = expit(score)
    kept = score >= threshold
    low, high = _interval(ratio, max_singles_lost, max_contamination, threshold, seed)
    singles_lost = float(probability[~kept].sum() / max(probability.sum(), 1e-300))
    otherwise = None
    if max_contamination is not None and singles_lost > max_singles_lost:
        cuts = Cuts(score)
        otherwise, _ = expected(probability, score >= cuts.threshold(cuts.allowed(max_singles_lost)))
    return Cut(
        score,
        probability,
        kept,
        threshold,
        low,
        high,
        prevalence,
        singles_lost,
        float(expit(-score[kept]).sum()),
        otherwise,
    )


def multiple_fraction(log_ratio: ArrayLike) -> float:
    """Fraction of the hits that hold more than one particle, the likeliest given the ratios; above 0 and below 1.

    Parameters
    ----------
    log_ratio : (hit,), log of p(measures | one) / p(measures | several)

    Raises
    ------
    InputError
        No hits, or ratios that are not numbers.

    Examples
    --------
    >>> round(multiple_fraction([9.0, 9.0, 9.0, -9.0]), 3)
    0.25
    """
    likelier = np.exp(_checked(log_ratio))

    def slope(part: float) -> float:
        return float(((1 - likelier) / (part + (1 - part) * likelier)).sum())

    # the likelihood has one maximum: its slope falls all the way
    least = 0.1 / (len(likelier) + 1)
    if slope(least) <= 0 or slope(1 - least) >= 0:
        return least if slope(least) <= 0 else 1 - least
    from scipy.optimize import brentq

    return float(brentq(slope, least, 1 - least))


def _interval(
    ratio: Array, max_singles_lost: float, max_contamination: float | None, threshold: float, seed: int
) -> tuple[float, float]:
    """Where 95 % of the thresholds of resampled hits fall, this one among them."""
    from scipy.special import logit

    rng = np.random.default_rng(seed)
    size = min(len(ratio), RESAMPLED)
    again = np.empty(RESAMPLES)
    for i in range(RESAMPLES):
        chosen = rng.choice(ratio, size)
        score = chosen + logit(1 - multiple_fraction(chosen))
        again[i] = find_threshold(score, max_singles_lost, LET_IN * size / len(ratio), max_contamination)
    low, high = np.quantile(threshold + (again - threshold) * np.sqrt(size / len(ratio)), [0.025, 0.975])
    return min(float(low), threshold), max(float(high), threshold)


def _checked(log_ratio: ArrayLike) -> Array:
    ratio = np.asarray(log_ratio, np.float64)
    if ratio.ndim != 1 or not ratio.size:
        raise InputError(f"a decision needs log ratios (hit,) of at least one hit, got the shape {ratio.shape}")
    if np.isnan(ratio).any():
        raise InputError(f"log ratios are numbers, got NaN for {int(np.isnan(ratio).sum())} of {ratio.size} hits")
    return np.clip(ratio, -LIMIT, LIMIT)
