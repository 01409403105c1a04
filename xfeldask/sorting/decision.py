"""From scores to probabilities, and to a threshold at an allowed cost. No truth is needed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import AliasChoices, BeforeValidator, Field

from xfeldask.errors import InputError
from xfeldask.records import Record
from xfeldask.sorting.cuts import LET_IN, Cuts, find_threshold
from xfeldask.sorting.expected import Expected, expected

Array = NDArray[np.float64]

RESAMPLES = 40
RESAMPLED = 20_000
LIMIT = 50.0
"""Log odds are cut at this size."""


def _several(value: Any) -> Any:
    """Take one number for several of which there is one."""
    return (value,) if isinstance(value, int) else value


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
    purity_by_peaks : float, told instead where the shots contradict what would be expected: the fraction of the
        accepted that looks single by `xfeldask.sorting.pairs.witness`, which is too low for dim shots
    steady_photons : float, photons of a shot, on average, that do not grow with its brightness; taken for background
    background_photons : float, photons of the background of a shot, on average, that was known beforehand
    light_photons : float, photons of a single hit, on average, that do not grow with its brightness and lie on both
        sides of the beam; where they are light beside the particle, the purity is lower than told
    farthest_pair : float, distance as seen along the beam up to which two particles are told from one [m]: the fringes
        of those farther apart are finer than bins show
    max_contamination : float, fraction of the accepted that might be anything but a single hit, or where kinds were
        found of the wanted one; the interval of the purity ends there or above
    expected_singles_lost_interval, expected_purity_interval : (float, float), where the true ones are in 95 % of runs,
        as of `xfeldask.sorting.expected`
    purity_otherwise : (float, float, float), purity expected at `max_singles_lost`, and its interval; told where
        `max_contamination` costs more singles than that
    singles_lost_otherwise : float, fraction of the singles that are rejected then, where kinds were found; it may be
        above `max_singles_lost`, as a rule and kinds lose some at the least
    expected_of_kind : float, fraction of the accepted that is of the wanted kind if each holds one particle; told
        instead of a purity where kinds were found after a rule that gives no probability of that
    expected_of_kind_interval : (float, float), as of the others
    kinds : tuple of int, shots of each kind of particle among the single hits, the most frequent first, or in
        the order of their names
    kind_names : tuple of str, where they were named: species that were compared, or kinds that a person gave names
    kind_photons : tuple of float, photons of a shot of each kind on average; None of one without shots
    kind_radius : tuple of float, radius of gyration of each kind's particle [m]; None where it is not known
    wanted_kinds : tuple of int, the kinds that are accepted
    rarest_kind : float, fraction of the single hits that a kind must have at least to be found; none where kinds were
        named, or as many were found as were sought
    doubtful_kind : int, shots, of those that kinds were sought among, that may be of a kind which is too much like
        another to be sure of it, as of `xfeldask.sorting.kinds.growth.doubtful`: the purity is not known then; None
        where there are none
    rejected_of_kind : int, single hits of the wanted kind that are rejected, with the verdict "multiple", for the sake
        of `max_contamination`; None where kinds were found and none was asked for
    kinds_labels : (int, int, int), single hits that labels called wanted, and something else, and those of the latter
        that look as the wanted kind does; None where kinds were found without labels
    strangers_found : fraction by name, the least at which shots of a species were found as a kind when they were put
        among the wanted hits; None of one that was not found at 10 %
    strangers_tried : tuple of fractions by name, at which shots of a species were put among the wanted hits
    next_to_label : tuple of int, shots whose labels would say most of kinds, as of
        `xfeldask.sorting.kinds.next_shots.next_to_label`; None where kinds were named
    kinds_background : str, digest of the background of the run that kinds were found with; None where none was known

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
    # as it is called in stores that were sorted before
    purity_by_peaks: float | None = Field(None, validation_alias=AliasChoices("purity_by_peaks", "purity_at_most"))
    steady_photons: float | None = None
    background_photons: float | None = None
    light_photons: float | None = None
    farthest_pair: float | None = None
    max_contamination: float | None = None
    expected_singles_lost_interval: tuple[float, float] | None = None
    expected_purity_interval: tuple[float, float] | None = None
    purity_otherwise: tuple[float, float, float] | None = None
    singles_lost_otherwise: float | None = None
    expected_of_kind: float | None = None
    expected_of_kind_interval: tuple[float, float] | None = None
    kinds: tuple[int, ...] | None = None
    kind_names: tuple[str, ...] | None = None
    kind_photons: tuple[float | None, ...] | None = None
    kind_radius: tuple[float | None, ...] | None = None
    # one number in stores that were sorted before
    wanted_kinds: Annotated[tuple[int, ...] | None, BeforeValidator(_several)] = Field(
        None, validation_alias=AliasChoices("wanted_kinds", "wanted_kind")
    )
    rarest_kind: float | None = None
    doubtful_kind: int | None = None
    rejected_of_kind: int | None = None
    kinds_labels: tuple[int, int, int] | None = None
    strangers_found: dict[str, float | None] | None = None
    strangers_tried: dict[str, tuple[float, ...]] | None = None
    next_to_label: tuple[int, ...] | None = None
    kinds_background: str | None = None

    @property
    def kinds_called(self) -> tuple[str, ...]:
        """What people call kinds: their names, or their numbers.

        Examples
        --------
        >>> Decision(kinds=(9, 1)).kinds_called, Decision(kinds=(9, 1), kind_names=("drop", "ice")).kinds_called
        (('kind 0', 'kind 1'), ('drop', 'ice'))
        """
        return self.kind_names or tuple(f"kind {kind}" for kind in range(len(self.kinds or ())))

    @property
    def wanted_called(self) -> str:
        """What people call the kinds that are accepted.

        Examples
        --------
        >>> Decision(kinds=(9, 1, 1), wanted_kinds=(0, 2)).wanted_called
        'kind 0 and kind 2'
        """
        return " and ".join(self.kinds_called[kind] for kind in self.wanted_kinds or ())

    @property
    def purity_known(self) -> bool:
        """Whether the purity is what the rule's probabilities say: neither do shots contradict it, nor a doubtful kind.

        Examples
        --------
        >>> Decision(expected_purity=0.99).purity_known, Decision(purity_by_peaks=0.4).purity_known
        (True, False)
        """
        return self.purity_by_peaks is None and self.doubtful_kind is None

    @property
    def conflict(self) -> str | None:
        """What each of two demands costs that cannot both be had; None where both are met, or one was made."""
        if self.purity_otherwise is None:
            return None
        purity, low, high = self.purity_otherwise
        lost = _percents(self.expected_singles_lost or 0.0, *(self.expected_singles_lost_interval or ()))
        others = _percents(1 - purity, 1 - high, 1 - low)
        least = max(self.max_singles_lost or 0.0, round(self.singles_lost_otherwise or 0.0, 4))
        return (
            f"a contamination of no more than {100 * (self.max_contamination or 0.0):g} % costs {lost} of the single "
            f"hits; with at most {100 * least:g} % of them lost, {others} of the accepted are "
            "not single"
        )


def expectations(probability: NDArray[Any], accepted: NDArray[np.bool_]) -> dict[str, Any]:
    """Return what is expected and its intervals by their names in `Decision`; see `xfeldask.sorting.expected`.

    Of nothing accepted there is no purity, and of no singles no loss.

    Examples
    --------
    >>> told = expectations(np.array([1.0, 1.0, 0.0]), np.array([True, True, False]))
    >>> told["expected_purity"], told["expected_purity_interval"]
    (1.0, (1.0, 1.0))
    >>> sorted(expectations(np.array([1.0]), np.array([False])))
    ['expected_singles_lost', 'expected_singles_lost_interval']
    """
    told: dict[str, Any] = {}
    for name, one in zip(("expected_purity", "expected_singles_lost"), expected(probability, accepted), strict=True):
        if np.isfinite(one.value):
            told[name], told[f"{name}_interval"] = float(one.value), (float(one.low), float(one.high))
    return told


def _percents(value: float, *interval: float) -> str:
    """Write a fraction, and where it has one its interval.

    Examples
    --------
    >>> _percents(0.123, 0.108, 0.14), _percents(0.5)
    ('12.3 % (10.8 to 14.0)', '50.0 %')
    """
    told = f"{100 * value:.1f} %"
    return f"{told} ({100 * interval[0]:.1f} to {100 * interval[1]:.1f})" if interval else told


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
