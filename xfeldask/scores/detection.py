"""How well multiple hits are found: by a verdict, and by the score behind it whatever its threshold."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xfeldask.errors import InputError
from xfeldask.scores.confusion import Confusion, as_flags, fraction, refuse_other_length

_ROUNDING = 1e-12


@dataclass(frozen=True)
class SortingScores:
    """How well shots were sorted; made by `sorting_scores`.

    A multiple is every shot that does not hold exactly one particle of the wanted species, and finding multiples is the
    task.

    Attributes
    ----------
    confusion : Confusion, of the verdict
    roc_auc, average_precision : float, of finding the multiples by a low score; NaN unless there are both kinds
    max_singles_lost : float, the limit of the next: the fraction of the singles that may be rejected
    multiples_rejected_fraction_at_limit : float, by the best threshold within the limit; NaN unless there are both
        kinds
    baseline_roc_auc, baseline_average_precision, baseline_multiples_rejected_fraction_at_limit : float, expected of a
        random order: 0.5, the fraction of multiples among the shots, and about the limit; the last is NaN when there
        are no singles
    oracle : float, what a perfect score reaches in all of them: 1

    Examples
    --------
    >>> scores = sorting_scores([True, True, False], [True, True, True], [0.9, 0.5, 0.1])
    >>> scores.confusion.purity == scores.baseline_purity, scores.multiples_rejected_fraction_at_limit
    (True, 1.0)
    """

    confusion: Confusion
    roc_auc: float
    average_precision: float
    max_singles_lost: float
    multiples_rejected_fraction_at_limit: float
    baseline_roc_auc: float
    baseline_average_precision: float
    baseline_multiples_rejected_fraction_at_limit: float
    oracle: float = 1.0

    @property
    def baseline_purity(self) -> float:
        """Purity of accepting all shots."""
        return self.confusion.single_fraction


def sorting_scores(
    single: ArrayLike, accepted: ArrayLike, score: ArrayLike, max_singles_lost: float = 0.01
) -> SortingScores:
    """Score a verdict, and the order behind it whatever its threshold.

    Parameters
    ----------
    single, accepted : bool (shot,), the truth and the verdict
    score : (shot,), larger is more like a single hit
    max_singles_lost : float, fraction of the singles that may be rejected, in [0, 1)

    Returns
    -------
    SortingScores, with NaN where a kind of shot that is asked for is not there

    Raises
    ------
    InputError
        No shots, lengths that differ, values that are not booleans, scores that are not finite, a limit out of range.

    Examples
    --------
    >>> scores = sorting_scores([True, True, False], [True, False, False], [0.9, 0.5, 0.1])
    >>> scores.confusion.singles_accepted_fraction, scores.confusion.purity, scores.roc_auc
    (0.5, 1.0, 1.0)
    """
    if not 0 <= max_singles_lost < 1:
        raise InputError(
            f"max_singles_lost is a fraction of the singles, at least 0 and below 1, got {max_singles_lost}"
        )
    single, score = truth_and_score(single, score)
    counted = Confusion.of(single, accepted)
    auc = precision = found = np.nan
    if counted.singles and counted.multiples:
        from sklearn.metrics import average_precision_score, roc_auc_score  # scikit-learn takes a second to import

        auc, precision = roc_auc_score(~single, -score), average_precision_score(~single, -score)
        singles_rejected, multiples_rejected = roc(single, score)
        found = multiples_rejected[singles_rejected <= max_singles_lost + _ROUNDING].max()
    n = counted.singles
    # of the singles in random order, the first that may not be rejected comes after this fraction of the multiples
    chance = (np.floor(n * (max_singles_lost + _ROUNDING)) + 1) / (n + 1) if n else np.nan
    return SortingScores(
        confusion=counted,
        roc_auc=float(auc),
        average_precision=float(precision),
        max_singles_lost=max_singles_lost,
        multiples_rejected_fraction_at_limit=float(found),
        baseline_roc_auc=0.5,
        baseline_average_precision=fraction(counted.multiples, counted.shots),
        baseline_multiples_rejected_fraction_at_limit=float(chance),
    )


def roc(single: ArrayLike, score: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Compute the fractions of singles and of multiples that are rejected, at every threshold.

    Parameters
    ----------
    single : bool (shot,)
    score : (shot,), larger is more like a single hit

    Returns
    -------
    singles_rejected, multiples_rejected : float64 (threshold,), fractions of each kind, from (0, 0) to (1, 1)

    Raises
    ------
    InputError
        As `sorting_scores`, and shots all of one kind.

    Examples
    --------
    >>> singles_rejected, multiples_rejected = roc([True, True, False], [0.9, 0.1, 0.5])
    >>> singles_rejected.tolist(), multiples_rejected.tolist()
    ([0.0, 0.5, 0.5, 1.0], [0.0, 0.0, 1.0, 1.0])
    """
    from sklearn.metrics import roc_curve

    single, score = _two_kinds(single, score)
    singles_rejected, multiples_rejected, _ = roc_curve(~single, -score, drop_intermediate=False)
    return singles_rejected, multiples_rejected


def precision_recall(single: ArrayLike, score: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Compute recall and precision of finding multiples, at every threshold.

    Parameters
    ----------
    single : bool (shot,)
    score : (shot,), larger is more like a single hit

    Returns
    -------
    recall, precision : float64 (threshold + 1,), fraction of the multiples that is rejected, and fraction of multiples
        among the rejected; the first pair is (0, 1) by convention: nothing rejected

    Raises
    ------
    InputError
        As `sorting_scores`, and shots all of one kind.

    Examples
    --------
    >>> recall, precision = precision_recall([True, True, False], [0.9, 0.1, 0.5])
    >>> recall.tolist(), precision.round(2).tolist()
    ([0.0, 0.0, 1.0, 1.0], [1.0, 0.0, 0.5, 0.33])
    """
    from sklearn.metrics import precision_recall_curve

    single, score = _two_kinds(single, score)
    precision, recall, _ = precision_recall_curve(~single, -score)
    return recall[::-1], precision[::-1]


def truth_and_score(
    single: ArrayLike, score: ArrayLike, name: str = "score"
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Return truth and score as arrays (shot,).

    Raises
    ------
    InputError
        No shots, lengths that differ, a truth that is not boolean, a score that is not finite.

    Examples
    --------
    >>> truth_and_score([1, 0], [2, 3])
    (array([ True, False]), array([2., 3.]))
    """
    flags, values = as_flags(single, "single"), np.asarray(score, np.float64)
    refuse_other_length(flags, values, name)
    if not len(flags):
        raise InputError("there are no shots to score; give at least one")
    if not np.isfinite(values).all():
        raise InputError(f"{name} holds NaN or infinity; give each shot a finite value")
    return flags, values


def _two_kinds(single: ArrayLike, score: ArrayLike) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    flags, values = truth_and_score(single, score)
    if flags.all() or not flags.any():
        raise InputError(f"a curve needs singles and multiples, got {flags.sum()} singles among {len(flags)} shots")
    return flags, values
