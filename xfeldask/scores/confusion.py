"""How well shots were sorted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score, roc_curve

from xfeldask.errors import InputError

CLASSES = ("true positive", "false positive", "true negative", "false negative")

_ROUNDING = 1e-12


@dataclass(frozen=True)
class SortingScores:
    """How well shots were sorted; the others are those that are not single hits, and finding them is the task.

    Attributes
    ----------
    true_positive, false_positive, true_negative, false_negative : int, singles kept, others kept, others flagged,
        singles flagged
    singles_kept : float, part of the singles; NaN when there are none
    others_let_in : float, part of the others that was kept; NaN when there are none
    purity : float, part of the kept that are singles; NaN when nothing was kept
    roc_auc, average_precision : float, of finding the others by a low score; NaN unless there are both kinds
    caught_at_loss : float, part of the others flagged by the threshold that loses at most `loss` of the singles;
        NaN unless there are both kinds
    loss : float
    baseline_purity : float, of keeping all shots
    baseline_roc_auc, baseline_average_precision, baseline_caught_at_loss : float, expected of a random order: 0.5,
        the part of the others among the shots, and about `loss`; the last is NaN when there are no singles
    oracle : float, what a perfect score reaches in all of them: 1
    """

    true_positive: int
    false_positive: int
    true_negative: int
    false_negative: int
    singles_kept: float
    others_let_in: float
    purity: float
    roc_auc: float
    average_precision: float
    caught_at_loss: float
    loss: float
    baseline_purity: float
    baseline_roc_auc: float
    baseline_average_precision: float
    baseline_caught_at_loss: float
    oracle: float = 1.0


def confusion_class(single: ArrayLike, kept: ArrayLike) -> NDArray[np.uint8]:
    """Index into `CLASSES`, the labels of the reference work's viewer.

    Parameters
    ----------
    single, kept : bool (shot,), the truth and the verdict

    Returns
    -------
    uint8 (shot,), 0 single kept, 1 other kept, 2 other flagged, 3 single flagged

    Raises
    ------
    InputError
        Values that are not booleans, lengths that differ.

    Examples
    --------
    >>> confusion_class([True, False, False, True], [True, True, False, False]).tolist()
    [0, 1, 2, 3]
    """
    single, kept = _flags(single, "single"), _flags(kept, "kept")
    _same_length(single, kept, "kept")
    return np.where(kept, ~single, 2 + single.astype(np.uint8)).astype(np.uint8)


def sorting_scores(single: ArrayLike, kept: ArrayLike, score: ArrayLike, loss: float = 0.01) -> SortingScores:
    """Score a verdict, and the order behind it whatever its threshold.

    Parameters
    ----------
    single, kept : bool (shot,), the truth and the verdict
    score : (shot,), larger is more like a single hit
    loss : float, part of the singles that may be lost, in [0, 1)

    Returns
    -------
    SortingScores, with NaN where a kind of shot that is asked for is not there

    Raises
    ------
    InputError
        No shots, lengths that differ, values that are not booleans, scores that are not finite, a loss out of range.

    Examples
    --------
    >>> scores = sorting_scores([True, True, False], [True, False, False], [0.9, 0.5, 0.1])
    >>> scores.singles_kept, scores.purity, scores.roc_auc
    (0.5, 1.0, 1.0)
    """
    if not 0 <= loss < 1:
        raise InputError(f"loss is a part of the singles, at least 0 and below 1, got {loss}")
    single, score = truth_and_score(single, score)
    tp, fp, tn, fn = (int(n) for n in np.bincount(confusion_class(single, kept), minlength=4))
    auc = precision = caught = np.nan
    if single.any() and not single.all():
        auc, precision = roc_auc_score(~single, -score), average_precision_score(~single, -score)
        lost, found = roc(single, score)
        caught = found[lost <= loss + _ROUNDING].max()
    # of the singles in random order, the first that may not be lost comes after this part of the others
    chance = (np.floor((tp + fn) * (loss + _ROUNDING)) + 1) / (tp + fn + 1) if tp + fn else np.nan
    return SortingScores(
        true_positive=tp,
        false_positive=fp,
        true_negative=tn,
        false_negative=fn,
        singles_kept=_part(tp, tp + fn),
        others_let_in=_part(fp, fp + tn),
        purity=_part(tp, tp + fp),
        roc_auc=float(auc),
        average_precision=float(precision),
        caught_at_loss=float(caught),
        loss=loss,
        baseline_purity=_part(tp + fn, len(single)),
        baseline_roc_auc=0.5,
        baseline_average_precision=_part(fp + tn, len(single)),
        baseline_caught_at_loss=float(chance),
    )


def roc(single: ArrayLike, score: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Singles lost and others caught, at every threshold.

    Parameters
    ----------
    single : bool (shot,)
    score : (shot,), larger is more like a single hit

    Returns
    -------
    lost, caught : float64 (threshold,), parts of each kind, from (0, 0) to (1, 1)

    Raises
    ------
    InputError
        As `sorting_scores`, and shots all of one kind.

    Examples
    --------
    >>> lost, caught = roc([True, True, False], [0.9, 0.1, 0.5])
    >>> lost.tolist(), caught.tolist()
    ([0.0, 0.5, 0.5, 1.0], [0.0, 0.0, 1.0, 1.0])
    """
    single, score = _two_kinds(single, score)
    lost, caught, _ = roc_curve(~single, -score, drop_intermediate=False)
    return lost, caught


def precision_recall(single: ArrayLike, score: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Others caught, and the part of others among the flagged, at every threshold.

    Parameters
    ----------
    single : bool (shot,)
    score : (shot,), larger is more like a single hit

    Returns
    -------
    caught, precision : float64 (threshold + 1,), the first pair is (0, 1) by convention: nothing flagged

    Raises
    ------
    InputError
        As `sorting_scores`, and shots all of one kind.

    Examples
    --------
    >>> caught, precision = precision_recall([True, True, False], [0.9, 0.1, 0.5])
    >>> caught.tolist(), precision.round(2).tolist()
    ([0.0, 0.0, 1.0, 1.0], [1.0, 0.0, 0.5, 0.33])
    """
    single, score = _two_kinds(single, score)
    precision, caught, _ = precision_recall_curve(~single, -score)
    return caught[::-1], precision[::-1]


def truth_and_score(
    single: ArrayLike, score: ArrayLike, name: str = "score"
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Both as arrays (shot,), refused where they do not match, are empty or hold what is no flag and no number."""
    flags, values = _flags(single, "single"), np.asarray(score, np.float64)
    _same_length(flags, values, name)
    if not len(flags):
        raise InputError("there are no shots to score; give at least one")
    if not np.isfinite(values).all():
        raise InputError(f"{name} holds NaN or infinity; give each shot a finite value")
    return flags, values


def _two_kinds(single: ArrayLike, score: ArrayLike) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    flags, values = truth_and_score(single, score)
    if flags.all() or not flags.any():
        raise InputError(f"a curve needs singles and others, got {flags.sum()} singles among {len(flags)} shots")
    return flags, values


def _flags(value: ArrayLike, name: str) -> NDArray[np.bool_]:
    flags = np.asarray(value)
    if flags.ndim != 1 or not ((flags == 0) | (flags == 1)).all():
        raise InputError(f"{name} must be booleans (shot,), got {flags.dtype} {flags.shape}")
    return flags.astype(bool)


def _same_length(single: NDArray[np.bool_], other: NDArray[np.generic], name: str) -> None:
    if other.shape != single.shape:
        raise InputError(f"single and {name} must be of the same shots, got {single.shape} and {other.shape}")


def _part(some: int, whole: int) -> float:
    return some / whole if whole else float("nan")
