"""Scores against the truth, each beside what chance and an oracle would reach."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import cKDTree
from scipy.special import ndtr
from scipy.stats import binomtest
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score, roc_curve
from sklearn.neighbors import NearestNeighbors

from xfeldask.errors import InputError
from xfeldask.physics.orientations import angle_between, multiply

CLASSES = ("true positive", "false positive", "true negative", "false negative")

_IDENTITY = np.array([[1.0, 0.0, 0.0, 0.0]])
_HALF_TURN_ABOUT_Z = np.array([[0.0, 0.0, 0.0, 1.0]])
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


@dataclass(frozen=True)
class Calibration:
    """Promised against observed parts of singles, over the bins that hold any shot.

    Attributes
    ----------
    predicted : float64 (bin,), mean probability
    observed : float64 (bin,), part of singles
    count : int64 (bin,), shots
    error : float, mean of abs(predicted - observed) over all shots
    """

    predicted: NDArray[np.float64]
    observed: NDArray[np.float64]
    count: NDArray[np.int64]
    error: float


@dataclass(frozen=True)
class OrientationScores:
    """How far neighbours in a latent space are turned from each other [deg].

    Attributes
    ----------
    median_error : float, to the nearest in the latent space
    random : float, to others at random
    oracle : float, to the truly nearest
    shots : int, whose neighbours were looked at
    neighbours : int, of each
    """

    median_error: float
    random: float
    oracle: float
    shots: int
    neighbours: int


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
    single, score = _truth_and_score(single, score)
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


def calibration(probability: ArrayLike, single: ArrayLike, bins: int = 10) -> Calibration:
    """Whether of the shots called single with probability p the part p is single.

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
    single, p = _truth_and_score(single, probability, "probability")
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
    """Interval of a part known from counting.

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
    >>> [round(part, 3) for part in wilson(0, 100)]
    [0.0, 0.037]
    """
    if not 0 <= successes <= n:
        raise InputError(f"successes must be 0 to n, got {successes} of {n}")
    if not 0 < z <= 8:
        raise InputError(f"z must be above 0 and at most 8, got {z}")
    if n == 0:
        return 0.0, 1.0
    interval = binomtest(int(successes), int(n)).proportion_ci(confidence_level=2 * ndtr(z) - 1, method="wilson")
    return float(interval.low), float(interval.high)


def orientation_scores(
    latent: ArrayLike,
    orientation: ArrayLike,
    group: ArrayLike | None = None,
    friedel: bool = True,
    neighbours: int = 10,
    seed: int = 0,
    shots: int | None = None,
) -> OrientationScores:
    """Whether neighbours in the latent space are particles in like orientations.

    Parameters
    ----------
    latent : (shot, component)
    orientation : (shot, 4), quaternions
    group : (order, 4), rotations that leave the particle as it is, as of `symmetry_group`; none when not given
    friedel : count a pattern turned by 180 degrees as the same
    neighbours : int, of each shot
    seed : int, of the random neighbours, of the sample, and of the order in which ties are broken
    shots : int, how many to sample and look at among the neighbours of all; all when not given

    Returns
    -------
    OrientationScores, medians over all pairs of a shot and its neighbour

    Raises
    ------
    InputError
        Arrays that do not match or are not finite, a quaternion of length 0, too few shots, numbers out of range.

    Examples
    --------
    >>> from xfeldask.physics.orientations import rotation_matrix, super_fibonacci
    >>> q = super_fibonacci(2000)
    >>> scores = orientation_scores(rotation_matrix(q).reshape(-1, 9), q, friedel=False)
    >>> round(scores.median_error) == round(scores.oracle) < 30 < scores.random
    True
    """
    x, q = _latent_and_orientation(latent, orientation)
    n = len(q)
    if not 1 <= neighbours < n:
        raise InputError(f"neighbours must be at least 1 and fewer than the {n} shots, got {neighbours}")
    if shots is not None and not 1 <= shots <= n:
        raise InputError(f"shots must be 1 to {n}, as many as there are, got {shots}")
    looked = n if shots is None else shots
    rng = np.random.default_rng(seed)
    # the first of a shuffle are the sample, and ties favour no part of the file
    order = rng.permutation(n)
    x, q = x[order], q[order]
    others = (np.arange(looked)[:, None] + rng.integers(1, n, (looked, neighbours))) % n
    nearest = _nearest_points(x, looked, neighbours)
    symmetry = _IDENTITY if group is None else np.atleast_2d(np.asarray(group, np.float64))
    median_error, random = (
        _median_degrees(angle_between(q[:looked, None], q[at], symmetry, friedel)) for at in (nearest, others)
    )
    oracle = _median_degrees(_nearest_angles(q, looked, neighbours, symmetry, friedel))
    return OrientationScores(median_error, random, oracle, looked, neighbours)


def _median_degrees(angle: NDArray[np.float64]) -> float:
    return float(np.rad2deg(np.median(angle)))


def _nearest_points(x: NDArray[np.float64], looked: int, neighbours: int) -> NDArray[np.int64]:
    """Index (looked, neighbours) of those nearest to each of the first points, itself left out."""
    found = NearestNeighbors(n_neighbors=neighbours + 1).fit(x).kneighbors(x[:looked], return_distance=False)
    left_out = found == np.arange(looked)[:, None]
    # among equal points a point may miss itself
    left_out[:, -1] |= ~left_out.any(axis=1)
    return np.asarray(found[~left_out].reshape(looked, neighbours), np.int64)


def _nearest_angles(
    q: NDArray[np.float64], looked: int, neighbours: int, group: NDArray[np.float64], friedel: bool
) -> NDArray[np.float64]:
    """Smallest angles (looked, neighbours) from each of the first orientations to those of other shots [rad].

    All quaternions that look like a shot's are points of one tree; the chord between two at angle a is
    2 sin(a / 4). A shot counts once, by the nearest of its points.
    """
    turns = np.concatenate([_IDENTITY, _HALF_TURN_ABOUT_Z]) if friedel else _IDENTITY
    alike = multiply(multiply(turns[:, None, None], q), group[:, None]).reshape(-1, 4)
    tree = cKDTree(np.concatenate([alike, -alike]), balanced_tree=False)
    angle = np.empty((looked, neighbours))
    left = np.arange(looked)
    k = 2 * (neighbours + 1)
    while left.size:
        k = min(k, tree.n)
        chord, at = tree.query(q[left], k)
        other = _first_in_row(at % len(q)) & (at % len(q) != left[:, None])
        enough = other.sum(axis=1) >= neighbours
        taken = (other & (other.cumsum(axis=1) <= neighbours))[enough]
        angle[left[enough]] = 4 * np.arcsin(np.minimum(chord[enough][taken].reshape(-1, neighbours) / 2, 1))
        left, k = left[~enough], 2 * k
    return angle


def _first_in_row(value: NDArray[np.integer]) -> NDArray[np.bool_]:
    """Where a row (..., n) meets a value for the first time."""
    order = value.argsort(axis=1, kind="stable")
    ordered = np.take_along_axis(value, order, axis=1)
    first = np.empty(value.shape, bool)
    np.put_along_axis(first, order, np.diff(ordered, axis=1, prepend=-1) != 0, axis=1)
    return first


def _latent_and_orientation(
    latent: ArrayLike, orientation: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    x, q = np.asarray(latent, np.float64), np.asarray(orientation, np.float64)
    if x.ndim != 2 or q.shape != (len(x), 4):
        raise InputError(f"give latent (shot, component) and orientation (shot, 4), got {x.shape} and {q.shape}")
    for name, value in (("latent", x), ("orientation", q)):
        if not np.isfinite(value).all():
            raise InputError(f"{name} holds NaN or infinity; leave out shots without a particle")
    length = np.linalg.norm(q, axis=1, keepdims=True)
    if (length == 0).any():
        raise InputError("a quaternion of length 0 is no orientation; leave out shots without a particle")
    return x, q / length


def _truth_and_score(
    single: ArrayLike, score: ArrayLike, name: str = "score"
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    flags, values = _flags(single, "single"), np.asarray(score, np.float64)
    _same_length(flags, values, name)
    if not len(flags):
        raise InputError("there are no shots to score; give at least one")
    if not np.isfinite(values).all():
        raise InputError(f"{name} holds NaN or infinity; give each shot a finite value")
    return flags, values


def _two_kinds(single: ArrayLike, score: ArrayLike) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    flags, values = _truth_and_score(single, score)
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
