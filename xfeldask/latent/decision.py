"""From scores to probabilities, and to a threshold that loses no more singles than allowed. No truth is needed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from xfeldask.errors import InputError

Array = NDArray[np.float64]

LET_IN = 0.5
"""Expected number of other shots among those kept below which a stricter threshold is not worth a single."""
RESAMPLES = 40
RESAMPLED = 20_000
LIMIT = 50.0
"""Log odds are cut at this size."""


@dataclass(frozen=True)
class Decision:
    """A verdict on each hit, and what it is expected to cost.

    Attributes
    ----------
    score : float64 (hit,), log odds of a single hit
    probability : float64 (hit,), of a single hit
    kept : bool (hit,)
    threshold : float, least score of a kept hit
    threshold_low, threshold_high : float, where it falls in 95 % of resampled data
    prevalence : float, part of hits that hold more than one particle
    singles_lost : float, expected part of the singles below the threshold
    let_in : float, expected number of other hits kept
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


def decide(log_ratio: Array, max_singles_lost: float = 0.01, seed: int = 0) -> Decision:
    """Decide from how much likelier each hit is under one particle than under several.

    Parameters
    ----------
    log_ratio : (hit,), log of p(measures | one) / p(measures | several)
    max_singles_lost : float, part of the singles that may be lost, above 0 and below 1
    seed : int, of the resampling that gives the interval of the threshold

    Raises
    ------
    InputError
        A part out of range, no hits, or ratios that are not numbers.

    Notes
    -----
    The part of multiple hits is found by expectation maximisation (Saerens, Latinne and Decaestecker, Neural
    Computation 14, 21, 2002). The threshold is the loosest at which fewer than `LET_IN` others are expected among
    those kept; where that would cost more singles than allowed, the strictest that is allowed.

    Examples
    --------
    >>> ratio = np.concatenate([np.full(95, 9.0), np.full(5, -9.0)])
    >>> found = decide(ratio)
    >>> int(found.kept.sum()), round(found.prevalence, 3)
    (95, 0.05)
    """
    if not 0 < max_singles_lost < 1:
        raise InputError(f"max_singles_lost is a part of the singles, above 0 and below 1, got {max_singles_lost}")
    if not len(log_ratio) or np.isnan(log_ratio).any():
        raise InputError("a decision needs at least one hit, and ratios that are numbers")
    ratio = np.clip(np.asarray(log_ratio, np.float64), -LIMIT, LIMIT)
    prevalence = multiple_fraction(ratio)
    score = ratio + logit(1 - prevalence)
    threshold = find_threshold(score, max_singles_lost, LET_IN)
    probability = expit(score)
    kept = score >= threshold
    rng = np.random.default_rng(seed)
    again = [_resampled(ratio, max_singles_lost, rng) for _ in range(RESAMPLES)]
    low, high = np.quantile([*again, threshold], [0.025, 0.975])
    return Decision(
        score,
        probability,
        kept,
        threshold,
        float(low),
        float(high),
        prevalence,
        float(probability[~kept].sum() / max(probability.sum(), 1e-300)),
        float((1 - probability[kept]).sum()),
    )


def multiple_fraction(log_ratio: Array, rounds: int = 200) -> float:
    """Part of the hits that hold more than one particle, the likeliest given the ratios; above 0 and below 1."""
    floor = 0.1 / (len(log_ratio) + 1)
    part = 0.5
    for _ in range(rounds):
        before, part = part, float(np.clip(expit(-log_ratio - logit(1 - part)).mean(), floor, 1 - floor))
        if abs(part - before) < 1e-7:
            break
    return part


def find_threshold(score: Array, max_singles_lost: float, let_in: float) -> float:
    """Threshold of `decide` on log odds of a single hit (hit,), where `let_in` others kept are too few to care."""
    ordered = np.sort(score)
    single = expit(ordered)
    # at a cut before place k, places k and above are kept
    others = np.concatenate([np.cumsum((1 - single)[::-1])[::-1], [0.0]])
    lost = np.concatenate([[0.0], np.cumsum(single)]) / max(single.sum(), 1e-300)
    pure = int(np.argmax(others < let_in))
    allowed = int(np.searchsorted(lost, max_singles_lost, side="right")) - 1
    place = min(pure, allowed)
    below = ordered[place - 1] if place else ordered[0] - 1
    above = ordered[place] if place < len(ordered) else ordered[-1] + 1
    return float((below + above) / 2)


def _resampled(ratio: Array, max_singles_lost: float, rng: np.random.Generator) -> float:
    chosen = rng.choice(ratio, min(len(ratio), RESAMPLED))
    score = chosen + logit(1 - multiple_fraction(chosen))
    return find_threshold(score, max_singles_lost, LET_IN * len(chosen) / len(ratio))
