"""Scores against counting by hand, against all pairs, and against what must not change them."""

from __future__ import annotations

import math
from dataclasses import asdict, replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.calibration import calibration_curve

from xfeldask.errors import InputError
from xfeldask.latent.quality import (
    CLASSES,
    SortingScores,
    calibration,
    confusion_class,
    orientation_scores,
    precision_recall,
    roc,
    sorting_scores,
    wilson,
)
from xfeldask.physics.orientations import (
    angle_between,
    multiply,
    rotation_matrix,
    symmetry_group,
    uniform_quaternion,
)

seeds = st.integers(0, 2**32)
D8 = symmetry_group("D8")


def sorted_shots(seed: int, n: int = 60) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Truth, verdict and a score with ties; both kinds of shots are there."""
    rng = np.random.default_rng(seed)
    single = rng.random(n) < rng.uniform(0.2, 0.9)
    single[:2] = True, False
    score = np.round(rng.normal(size=n) + single, int(rng.integers(0, 3)))
    return single, score > 0, score


def flagged_parts(single: np.ndarray, score: np.ndarray) -> list[tuple[float, float, float]]:
    """(singles lost, others caught, precision) of flagging all at or below each score, one threshold at a time."""
    told = []
    for threshold in sorted(set(score.tolist())):
        flagged = [(s, v <= threshold) for s, v in zip(single.tolist(), score.tolist(), strict=True)]
        lost = sum(s and f for s, f in flagged)
        caught = sum(not s and f for s, f in flagged)
        told.append((lost / single.sum(), caught / (~single).sum(), caught / (lost + caught)))
    return told


def pairwise_auc(single: np.ndarray, score: np.ndarray) -> float:
    """Part of the pairs of a single and another that are in order; ties count half."""
    wins = [(s > o) + 0.5 * (s == o) for s in score[single] for o in score[~single]]
    return sum(wins) / len(wins)


def test_confusion_class__has_the_labels_of_the_reference_viewer() -> None:
    codes = confusion_class([1, 0, 0, 1], np.array([True, True, False, False]))
    assert codes.dtype == np.uint8
    assert [CLASSES[code] for code in codes] == ["true positive", "false positive", "true negative", "false negative"]


@settings(max_examples=40)
@given(seeds, st.floats(0, 0.5))
def test_sorting_scores__agree_with_counting(seed: int, loss: float) -> None:
    single, kept, score = sorted_shots(seed)
    scores = sorting_scores(single, kept, score, loss)
    pairs = list(zip(single.tolist(), kept.tolist(), strict=True))
    counts = [pairs.count(pair) for pair in ((True, True), (False, True), (False, False), (True, False))]
    tp, fp, tn, fn = counts
    assert [scores.true_positive, scores.false_positive, scores.true_negative, scores.false_negative] == counts
    assert scores.singles_kept == pytest.approx(tp / (tp + fn))
    assert scores.others_let_in == pytest.approx(fp / (fp + tn))
    assert scores.purity == pytest.approx(tp / (tp + fp))
    curve = [(0.0, 0.0, 1.0), *flagged_parts(single, score)]
    steps = pairwise(curve)
    assert scores.roc_auc == pytest.approx(pairwise_auc(single, score))
    assert scores.average_precision == pytest.approx(sum((b[1] - a[1]) * b[2] for a, b in steps))
    assert scores.caught_at_loss == pytest.approx(max(caught for lost, caught, _ in curve if lost <= loss + 1e-9))
    assert scores.baseline_purity == pytest.approx(single.mean())
    assert scores.baseline_average_precision == pytest.approx(1 - single.mean())


def test_curves__have_every_threshold() -> None:
    single, _, score = sorted_shots(3)
    parts = np.array(flagged_parts(single, score))
    lost, caught = roc(single, score)
    np.testing.assert_allclose(np.stack([lost, caught])[:, 1:], parts[:, :2].T)
    assert lost[0] == caught[0] == 0
    found, precision = precision_recall(single, score)
    reached = len(found) - 1
    np.testing.assert_allclose(np.stack([found, precision])[:, 1:], parts[:reached, 1:].T)
    assert (found[0], precision[0]) == (0, 1)


@settings(max_examples=30)
@given(seeds)
def test_sorting_scores__do_not_depend_on_the_order_of_shots_nor_on_the_scale_of_scores(seed: int) -> None:
    single, kept, score = sorted_shots(seed)
    scores = sorting_scores(single, kept, score, 0.05)
    order = np.random.default_rng(seed).permutation(len(single))
    for other in (
        sorting_scores(single[order], kept[order], score[order], 0.05),
        sorting_scores(single, kept, np.exp(score) * 7 - 3, 0.05),
    ):
        assert asdict(other) == pytest.approx(asdict(scores))


def test_sorting_scores__baselines_are_what_a_random_order_reaches() -> None:
    rng = np.random.default_rng(1)
    single = np.arange(300) < 150
    drawn = [sorting_scores(single, single, rng.random(300), 0.02) for _ in range(200)]
    for name in ("roc_auc", "average_precision", "caught_at_loss"):
        mean = np.mean([getattr(scores, name) for scores in drawn])
        # average precision of few shots lies a little above the prevalence
        assert mean == pytest.approx(getattr(drawn[0], f"baseline_{name}"), abs=0.012), name


def test_sorting_scores__a_perfect_score_reaches_the_oracle() -> None:
    single = np.arange(50) > 3
    scores = sorting_scores(single, single, single.astype(float))
    reached = (scores.singles_kept, scores.purity, scores.roc_auc, scores.average_precision, scores.caught_at_loss)
    assert reached == (scores.oracle,) * 5
    assert scores.others_let_in == 0


@pytest.mark.parametrize("value", [True, False])
def test_sorting_scores__of_one_kind_count_but_have_no_order(value: bool) -> None:
    kept = np.array([True, True, False])
    scores = sorting_scores(np.full(3, value), kept, np.arange(3))
    assert math.isnan(scores.roc_auc)
    assert math.isnan(scores.average_precision)
    assert math.isnan(scores.caught_at_loss)
    assert scores.true_positive + scores.false_positive == 2
    assert scores.baseline_average_precision == 1 - value
    missing = scores.others_let_in if value else scores.singles_kept
    assert math.isnan(missing)
    with pytest.raises(InputError, match="singles among 3"):
        roc(np.full(3, value), np.arange(3))
    with pytest.raises(InputError, match="singles among 3"):
        precision_recall(np.full(3, value), np.arange(3))


def test_sorting_scores__purity_of_nothing_kept_is_nan_and_the_rest_is_not() -> None:
    scores = sorting_scores([True, False], [False, False], [1, 0])
    assert math.isnan(scores.purity)
    assert not any(math.isnan(value) for value in asdict(replace(scores, purity=0)).values())
    assert isinstance(scores, SortingScores)


@pytest.mark.parametrize(
    ("single", "kept", "score", "loss", "told"),
    [
        ([], [], [], 0.01, "no shots"),
        ([2, 0], [1, 0], [0, 0], 0.01, "single must be booleans"),
        ([1, 0], [1, 0.5], [0, 0], 0.01, "kept must be booleans"),
        ([1, 0], [1], [0, 0], 0.01, "single and kept"),
        ([1, 0], [1, 0], [0], 0.01, "single and score"),
        ([1, 0], [1, 0], [0, np.nan], 0.01, "score holds NaN"),
        ([1, 0], [1, 0], [0, -np.inf], 0.01, "score holds NaN"),
        ([1, 0], [1, 0], [0, 1], 1.0, "loss"),
        ([1, 0], [1, 0], [0, 1], np.nan, "loss"),
    ],
)
def test_sorting_scores__refuse(single, kept, score, loss, told) -> None:
    with pytest.raises(InputError, match=told):
        sorting_scores(single, kept, score, loss)


@settings(max_examples=30)
@given(seeds, st.integers(1, 20))
def test_calibration__agrees_with_scikit_learn(seed: int, bins: int) -> None:
    rng = np.random.default_rng(seed)
    p = rng.random(200) ** 3
    single = rng.random(200) < p**0.5
    got = calibration(p, single, bins)
    observed, predicted = calibration_curve(single, p, n_bins=bins)
    np.testing.assert_allclose(got.predicted, predicted)
    np.testing.assert_allclose(got.observed, observed)
    assert got.count.sum() == 200
    assert got.error == pytest.approx((np.abs(observed - predicted) * got.count).sum() / 200)


def test_calibration__of_promises_that_are_kept_has_little_error() -> None:
    rng = np.random.default_rng(0)
    p = rng.random(50_000)
    assert calibration(p, rng.random(50_000) < p).error < 0.01
    assert calibration(np.ones(10), np.zeros(10)).error == 1
    assert calibration([0.0, 1.0], [False, True]).error == 0


@pytest.mark.parametrize(("p", "bins"), [([0.5, 1.1], 10), ([-0.1, 1], 10), ([0.5, np.nan], 10), ([0.5, 0.5], 0)])
def test_calibration__refuses(p, bins) -> None:
    with pytest.raises(InputError):
        calibration(p, [True, False], bins)


@settings(max_examples=40)
@given(st.integers(1, 10**6), st.floats(0, 1), st.floats(0.5, 5))
def test_wilson__ends_where_the_observed_part_is_z_deviations_off(n: int, part: float, z: float) -> None:
    k = round(n * part)
    low, high = wilson(k, n, z)
    assert 0 <= low <= k / n + 1e-12
    assert k / n - 1e-12 <= high <= 1
    for end in (low, high):
        assert (k / n - end) ** 2 == pytest.approx(z**2 * end * (1 - end) / n, rel=1e-5, abs=1e-12)


def test_wilson__knows_nothing_without_trials_and_refuses_nonsense() -> None:
    assert wilson(0, 0) == (0, 1)
    for k, n, z in ((2, 1, 1.96), (-1, 3, 1.96), (1, 3, 0.0), (1, 3, 9.0)):
        with pytest.raises(InputError):
            wilson(k, n, z)


def random_orientations(n: int, seed: int = 0) -> np.ndarray:
    return uniform_quaternion(np.random.default_rng(seed).random((n, 3)))


def latent_of(q: np.ndarray, noise: float = 0.3) -> np.ndarray:
    matrices = rotation_matrix(q).reshape(-1, 9)
    return matrices + noise * np.random.default_rng(1).normal(size=matrices.shape)


def pairwise_scores(latent, q, group, friedel, neighbours) -> tuple[float, float]:
    """Median error and oracle in degrees from all pairs, shot by shot."""
    near, best = [], []
    for i in range(len(q)):
        others = [j for j in range(len(q)) if j != i]
        angle = angle_between(q[i], q[others], group, friedel)
        distance = np.linalg.norm(latent[others] - latent[i], axis=1)
        near.extend(angle[np.argsort(distance)[:neighbours]])
        best.extend(np.sort(angle)[:neighbours])
    return float(np.rad2deg(np.median(near))), float(np.rad2deg(np.median(best)))


@pytest.mark.parametrize("name", ["C1", "C30", "D8", "T"])
@pytest.mark.parametrize("friedel", [False, True])
@pytest.mark.parametrize(("n", "neighbours"), [(12, 11), (150, 10)])
def test_orientation_scores__agree_with_all_pairs(name, friedel, n, neighbours) -> None:
    q, group = random_orientations(n), symmetry_group(name)
    q[0] = 1, 0, 0, 0
    scores = orientation_scores(latent_of(q), q, group, friedel, neighbours)
    expected = pairwise_scores(latent_of(q), q, group, friedel, neighbours)
    assert (scores.median_error, scores.oracle) == pytest.approx(expected, abs=1e-5)
    assert (scores.shots, scores.neighbours) == (n, neighbours)


@settings(max_examples=15)
@given(seeds, st.sampled_from(["C1", "D8", "O"]))
def test_orientation_scores__do_not_depend_on_order_symmetry_friedel_or_sign(seed: int, name: str) -> None:
    rng = np.random.default_rng(seed)
    q, group = random_orientations(80, seed), symmetry_group(name)
    x = latent_of(q)
    scores = orientation_scores(x, q, group)
    turned = multiply(q, group[rng.integers(0, len(group), 80)])
    half = rng.random(80) < 0.5
    turned[half] = multiply([0, 0, 0, 1], turned[half])
    turned *= rng.choice([-1.0, 1.0], (80, 1))
    assert asdict(orientation_scores(x, turned, group)) == pytest.approx(asdict(scores), abs=1e-5)
    order = rng.permutation(80)
    shuffled = orientation_scores(x[order], turned[order], group)
    assert (shuffled.median_error, shuffled.oracle) == pytest.approx((scores.median_error, scores.oracle), abs=1e-5)


def test_orientation_scores__of_a_d8_barrel_have_the_known_baselines() -> None:
    q = random_orientations(6000)
    scores = orientation_scores(np.random.default_rng(2).normal(size=(6000, 3)), q, D8)
    # 48.68 degrees is the median over 400,000 random pairs
    assert scores.random == pytest.approx(48.68, abs=0.3)
    assert scores.median_error == pytest.approx(48.68, abs=0.3)
    assert scores.oracle == pytest.approx(4.5, abs=0.1)


def test_orientation_scores__of_a_sample_look_for_neighbours_among_all() -> None:
    q = random_orientations(2000)
    x = latent_of(q, 0.0)
    whole = orientation_scores(x, q, friedel=False)
    sample = orientation_scores(x, q, friedel=False, shots=400)
    assert sample.shots == 400
    assert sample.median_error == pytest.approx(sample.oracle, rel=1e-6)
    assert sample.oracle == pytest.approx(whole.oracle, rel=0.05)
    assert sample == orientation_scores(x, q, friedel=False, shots=400)
    assert sample != orientation_scores(x, q, friedel=False, shots=400, seed=1)


def test_orientation_scores__a_shot_is_not_its_own_neighbour() -> None:
    # pairs of equal coordinates and far orientations: a shot that found itself would have error 0
    q = np.tile([[1.0, 0, 0, 0], [math.cos(0.2), math.sin(0.2), 0, 0]], (6, 1))
    x = np.repeat(np.arange(6.0), 2)[:, None]
    scores = orientation_scores(x, q, D8, neighbours=1)
    assert scores.median_error == pytest.approx(np.rad2deg(0.4))
    two = orientation_scores(x[:2], q[:2], D8, neighbours=1)
    assert two.median_error == pytest.approx(np.rad2deg(0.4))
    assert two.random == two.median_error
    assert two.oracle == pytest.approx(np.rad2deg(0.4))


def test_orientation_scores__equal_coordinates_tell_nothing() -> None:
    angle = np.linspace(0, np.pi / 2, 600)
    q = np.stack([np.cos(angle), np.sin(angle), 0 * angle, 0 * angle], axis=1)
    scores = orientation_scores(np.zeros((600, 1)), q, friedel=False, neighbours=5)
    assert scores.median_error > 20 * scores.oracle


def test_orientation_scores__equal_orientations_are_no_trouble() -> None:
    q = np.tile([1.0, 0, 0, 0], (300, 1))
    scores = orientation_scores(np.random.default_rng(0).normal(size=(300, 2)), q, D8)
    assert (scores.median_error, scores.random, scores.oracle) == (0, 0, 0)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"latent": np.zeros(20)}, "give latent"),
        ({"orientation": np.ones((19, 4))}, "give latent"),
        ({"latent": np.full((20, 2), np.nan)}, "latent holds NaN"),
        ({"orientation": np.full((20, 4), np.nan)}, "orientation holds NaN"),
        ({"orientation": np.zeros((20, 4))}, "length 0"),
        ({"neighbours": 20}, "fewer than the 20 shots"),
        ({"neighbours": 0}, "at least 1"),
        ({"shots": 21}, "1 to 20"),
        ({"shots": 0}, "1 to 20"),
    ],
)
def test_orientation_scores__refuse(change, told) -> None:
    given_ones = {"latent": np.zeros((20, 2)), "orientation": random_orientations(20)} | change
    with pytest.raises(InputError, match=told):
        orientation_scores(**given_ones)
