"""From scores to probabilities, and to a threshold that loses no more singles than allowed. No truth is needed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq
from scipy.special import expit, logit

from xfeldask.errors import InputError
from xfeldask.records import Record

Array = NDArray[np.float64]

LET_IN = 0.5
"""Expected number of multiples among the accepted below which a stricter threshold is not worth a single."""
WORTH = 5
"""Singles that rejecting one more multiple may cost."""
RESAMPLES = 40
RESAMPLED = 20_000
LIMIT = 50.0
"""Log odds are cut at this size."""


class Decision(Record):
    """What a rule tells of its verdict on the shots of an embedding, the attribute `decision` of its group.

    A rule gives what it knows; a user's own may give more by other names.

    Attributes
    ----------
    max_singles_lost : float, fraction of the singles that could be rejected
    contamination : float, fraction of the shots to be rejected
    threshold : float, least score of an accepted shot
    threshold_interval : (float, float), where the threshold falls in 95 % of resampled data
    multiple_fraction : float, fraction of the hits that hold more than one particle
    expected_singles_lost : float, fraction of the singles below the threshold
    expected_others_kept : float, number of accepted hits that are not single
    expected_purity : float, fraction of singles among the accepted
    steady_photons : float, photons of a shot, on average, that do not grow with its brightness; taken for background
    max_contamination : float, fraction of the accepted that might be anything but a single hit of the wanted kind
    kinds : tuple of int, shots of each kind of particle among the single hits, the most frequent first, or in
        the order of their names
    kind_names : tuple of str, where they were named
    wanted_kind : int, the kind that is accepted

    Examples
    --------
    >>> Decision(contamination=0.1).to_json()
    '{"contamination": 0.1}'
    """

    max_singles_lost: float | None = None
    contamination: float | None = None
    threshold: float | None = None
    threshold_interval: tuple[float, float] | None = None
    multiple_fraction: float | None = None
    expected_singles_lost: float | None = None
    expected_others_kept: float | None = None
    expected_purity: float | None = None
    steady_photons: float | None = None
    max_contamination: float | None = None
    kinds: tuple[int, ...] | None = None
    kind_names: tuple[str, ...] | None = None
    wanted_kind: int | None = None


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


def decide(log_ratio: ArrayLike, max_singles_lost: float = 0.01, seed: int = 0) -> Cut:
    """Decide from how much likelier each hit is under one particle than under several.

    Parameters
    ----------
    log_ratio : (hit,), log of p(measures | one) / p(measures | several)
    max_singles_lost : float, fraction of the singles that may be rejected, above 0 and below 1
    seed : int, of the resampling that gives the interval of the threshold

    Raises
    ------
    InputError
        A fraction out of range, no hits, or ratios that are not numbers.

    Notes
    -----
    The fraction of multiples is the likeliest one (Saerens, Latinne and Decaestecker, Neural Computation 14, 21,
    2002). The threshold is the loosest at which fewer than `LET_IN` multiples are expected among the accepted, or at
    which rejecting one more would cost `WORTH` singles; where that would reject more singles than allowed, the
    strictest that is allowed. Its interval comes from resampled hits; of more than `RESAMPLED` as many are drawn, and
    the interval is narrowed as the root of the number (Bickel, Götze and van Zwet, Statistica Sinica 7, 1, 1997).

    Examples
    --------
    >>> ratio = np.concatenate([np.full(95, 9.0), np.full(5, -9.0)])
    >>> found = decide(ratio)
    >>> int(found.kept.sum()), round(found.prevalence, 3)
    (95, 0.05)
    """
    if not 0 < max_singles_lost < 1:
        raise InputError(f"max_singles_lost is a fraction of the singles, above 0 and below 1, got {max_singles_lost}")
    ratio = _checked(log_ratio)
    prevalence = multiple_fraction(ratio)
    score = ratio + logit(1 - prevalence)
    threshold = find_threshold(score, max_singles_lost)
    probability = expit(score)
    kept = score >= threshold
    low, high = _interval(ratio, max_singles_lost, threshold, seed)
    return Cut(
        score,
        probability,
        kept,
        threshold,
        low,
        high,
        prevalence,
        float(probability[~kept].sum() / max(probability.sum(), 1e-300)),
        float(expit(-score[kept]).sum()),
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
    return float(brentq(slope, least, 1 - least))


def find_threshold(score: Array, max_singles_lost: float, let_in: float = LET_IN) -> float:
    """Threshold of `decide`.

    Parameters
    ----------
    score : (hit,), log odds of a single hit
    max_singles_lost : float, fraction of the singles that may be rejected
    let_in : float, expected number of accepted multiples that is as good as none

    Examples
    --------
    >>> find_threshold(np.array([-20.0, -18.0, 18.0, 20.0]), 0.01)
    0.0
    """
    ordered = np.sort(score)
    single = expit(ordered)
    # at a cut before place k, places k and above are accepted
    others = np.concatenate([np.cumsum(expit(-ordered)[::-1])[::-1], [0.0]])
    lost = np.concatenate([[0.0], np.cumsum(single)]) / max(single.sum(), 1e-300)
    pure = int(np.argmax(others < let_in))
    worth = int(np.searchsorted(ordered, np.log(WORTH)))
    allowed = int(np.searchsorted(lost, max_singles_lost, side="right")) - 1
    place = min(pure, worth, allowed)
    below = ordered[place - 1] if place else ordered[0] - 1
    above = ordered[place] if place < len(ordered) else ordered[-1] + 1
    return float((below + above) / 2)


def _interval(ratio: Array, max_singles_lost: float, threshold: float, seed: int) -> tuple[float, float]:
    """Where 95 % of the thresholds of resampled hits fall, this one among them."""
    rng = np.random.default_rng(seed)
    size = min(len(ratio), RESAMPLED)
    again = np.empty(RESAMPLES)
    for i in range(RESAMPLES):
        chosen = rng.choice(ratio, size)
        score = chosen + logit(1 - multiple_fraction(chosen))
        again[i] = find_threshold(score, max_singles_lost, LET_IN * size / len(ratio))
    low, high = np.quantile(threshold + (again - threshold) * np.sqrt(size / len(ratio)), [0.025, 0.975])
    return min(float(low), threshold), max(float(high), threshold)


def _checked(log_ratio: ArrayLike) -> Array:
    ratio = np.asarray(log_ratio, np.float64)
    if ratio.ndim != 1 or not ratio.size or np.isnan(ratio).any():
        raise InputError(
            f"a decision needs log ratios of at least one hit, all of them numbers; got NaN or {ratio.shape}"
        )
    return np.clip(ratio, -LIMIT, LIMIT)
