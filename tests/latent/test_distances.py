"""Angles and distances that are known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.linalg import subspace_angles
from scipy.stats import norm

from xfeldask.errors import InputError
from xfeldask.latent.distances import (
    eigenvalue_change,
    held_out_angle,
    jensen_shannon_distance,
    reconstruction_error,
)

pytestmark = pytest.mark.rounding

seeds = st.integers(0, 2**32)


def invertible(rng: np.random.Generator, n: int) -> np.ndarray:
    """Well-conditioned, so that nothing sinks into rounding."""
    u, _, v = np.linalg.svd(rng.normal(size=(n, n)))
    return (u * rng.uniform(0.5, 5, n)) @ v


@given(seeds)
def test_held_out_angle__does_not_depend_on_the_frame(seed: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(2, 30, 3))
    angle = held_out_angle(a, b)
    assert angle == pytest.approx(subspace_angles(a - a.mean(0), b - b.mean(0)).max(), abs=1e-9)
    turned = b @ invertible(rng, 3) + rng.normal(size=3) * 100
    assert held_out_angle(a, turned) == pytest.approx(angle, abs=1e-6)
    assert held_out_angle(b, a) == pytest.approx(angle, abs=1e-9)


def test_held_out_angle__leaves_out_directions_that_no_shot_uses() -> None:
    rng = np.random.default_rng(0)
    shots = np.hstack([rng.normal(size=(40, 2)), np.zeros((40, 3))])
    a, b = np.eye(5)[[0, 1, 2]], np.eye(5)[[0, 1, 4]]
    assert subspace_angles(a.T, b.T).max() == pytest.approx(np.pi / 2)
    assert held_out_angle(shots @ a.T, shots @ b.T) == pytest.approx(0, abs=1e-7)
    rounded = shots + 1e-5 * rng.normal(size=shots.shape)
    assert held_out_angle(rounded @ a.T, rounded @ b.T) < 1e-3
    used = shots + 0.1 * rng.normal(size=shots.shape)
    assert held_out_angle(used @ a.T, used @ b.T) > 0.5


@pytest.mark.parametrize("value", [0.0, 0.1, 1e9])
def test_held_out_angle__of_constant_coordinates_is_nothing(value: float) -> None:
    assert held_out_angle(np.full((11, 3), value), np.full((11, 2), -value)) == 0


def test_angles__refuse() -> None:
    with pytest.raises(InputError, match="3 components need at least 7 held-out shots, got 6"):
        held_out_angle(np.zeros((6, 3)), np.zeros((6, 1)))
    with pytest.raises(InputError, match="same held-out shots"):
        held_out_angle(np.zeros((9, 3)), np.zeros((8, 3)))
    with pytest.raises(InputError, match="latent_b holds NaN"):
        held_out_angle(np.zeros((9, 3)), np.full((9, 3), np.inf))
    with pytest.raises(InputError, match="latent_a must be a matrix"):
        held_out_angle(np.ones(3), np.eye(3))


@pytest.mark.parametrize(
    ("old", "new", "change"),
    [
        ([10, 4], [10, 4], 0),
        ([10, 4], [8, 4], 0.2),
        ([8, 4], [10, 2], 0.5),
        ([10], [10, 4], 1),
        ([10, 1e-7], [10, 2e-7], 0),
        ([0, 0], [0, 0], 0),
        ([0, 0], [3, 0], 1),
        ([], [], 0),
    ],
)
def test_eigenvalue_change__is_the_largest(old, new, change) -> None:
    assert eigenvalue_change(old, new) == pytest.approx(change)
    assert eigenvalue_change(new, old) == pytest.approx(change)


@pytest.mark.parametrize("bad", [[-1.0], [np.nan], [np.inf], [[1.0]]])
def test_eigenvalue_change__refuses(bad) -> None:
    with pytest.raises(InputError, match="eigenvalues"):
        eigenvalue_change([1.0], bad)


def test_jensen_shannon_distance__of_equal_sets_is_0_and_of_far_ones_1() -> None:
    x = np.random.default_rng(0).normal(size=(300, 3))
    assert jensen_shannon_distance(x, x) == 0
    assert jensen_shannon_distance(x, x[::-1]) == pytest.approx(0, abs=1e-6)
    assert jensen_shannon_distance(x, x + 1e3) == 1
    assert jensen_shannon_distance(x, x + 1e9) == 1


@pytest.mark.parametrize("shift", [0.1, 0.3, 0.8])
def test_jensen_shannon_distance__is_the_integral(shift: float) -> None:
    # one point a set: the densities are two Gaussians as wide as the kernel
    def bits(x: float) -> float:
        p, q = norm.pdf(x, 0, 0.2), norm.pdf(x, shift, 0.2)
        return sum(0.5 * d * np.log2(2 * d / (p + q)) for d in (p, q) if d > 0)

    exact = quad(bits, -2, 3, points=[0, shift])[0]
    got = [jensen_shannon_distance([[0.0]], [[shift]], samples=20_000, seed=seed) ** 2 for seed in range(3)]
    np.testing.assert_allclose(got, exact, atol=0.01)


def test_jensen_shannon_distance__is_seeded_and_nearly_symmetric() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(200, 2)), rng.normal(size=(150, 2)) + 0.5
    there = jensen_shannon_distance(x, y, seed=1)
    assert there == jensen_shannon_distance(x, y, seed=1)
    assert there != jensen_shannon_distance(x, y, seed=2)
    assert jensen_shannon_distance(y, x, samples=4000) == pytest.approx(
        jensen_shannon_distance(x, y, samples=4000), abs=0.02
    )


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"latent_b": np.zeros((5, 3))}, "same components"),
        ({"latent_b": np.zeros((0, 2))}, "same components"),
        ({"bandwidth": 0.0}, "bandwidth"),
        ({"samples": 0}, "samples"),
        ({"latent_a": np.full((5, 2), np.nan)}, "latent_a holds NaN"),
    ],
)
def test_jensen_shannon_distance__refuses(change, told) -> None:
    with pytest.raises(InputError, match=told):
        jensen_shannon_distance(**({"latent_a": np.zeros((5, 2)), "latent_b": np.zeros((5, 2))} | change))


def test_reconstruction_error__is_the_unexplained_part_of_the_variance() -> None:
    x = 5 + np.random.default_rng(2).normal(size=(200, 40)) * np.linspace(4, 1, 40)
    _, s, v = np.linalg.svd(x - x.mean(0), full_matrices=False)
    for k in (1, 3, 40):
        expected = (s[k:] ** 2).sum() / (s**2).sum()
        assert reconstruction_error(x, v[:k], x.mean(0)) == pytest.approx(expected, abs=1e-12)
    assert reconstruction_error(np.ones((5, 3)), np.eye(3)[:1], np.ones(3)) == 0
    with pytest.raises(InputError, match="need components and mean"):
        reconstruction_error(x, v[:2, :5], x.mean(0))
    with pytest.raises(InputError, match="mean holds NaN"):
        reconstruction_error(x, v[:2], np.full(40, np.nan))
