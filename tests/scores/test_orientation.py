"""Scores of orientations against all pairs, and against what must not change them."""

from __future__ import annotations

import math
from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.strategies import examples
from xfeldask.errors import InputError
from xfeldask.physics.orientations import (
    angle_between,
    multiply,
    rotation_matrix,
    symmetry_group,
    uniform_quaternion,
)
from xfeldask.scores import orientation_scores

pytestmark = pytest.mark.rounding

seeds = st.integers(0, 2**32)
D8 = symmetry_group("D8")


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


@examples(0.3)
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
