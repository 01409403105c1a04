from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from xfeldask.errors import InputError, UnknownNameError
from xfeldask.physics.orientations import (
    angle_between,
    canonical,
    conjugate,
    multiply,
    rotation_matrix,
    super_fibonacci,
    symmetry_group,
    uniform_quaternion,
)

pytestmark = pytest.mark.rounding

quaternions = arrays(np.float64, 3, elements=st.floats(0, 1, exclude_max=True)).map(uniform_quaternion)


def random_quaternions(n: int, seed: int = 5) -> np.ndarray:
    return uniform_quaternion(np.random.default_rng(seed).random((n, 3)))


def test_rotation_matrix__matches_golden(shared):
    golden = json.loads((shared / "golden" / "golden_pnccd.json").read_text())
    np.testing.assert_allclose(rotation_matrix(golden["quat"]), golden["R"], atol=1e-14)
    np.testing.assert_allclose(rotation_matrix([0.5, 0.1, -0.7, 0.3]), golden["R"], atol=1e-14)


def test_rotation_matrix__refuses_a_zero_quaternion():
    with pytest.raises(InputError, match="length 0"):
        rotation_matrix([[1, 0, 0, 0], [0, 0, 0, 0]])


@given(quaternions)
def test_rotation_matrix__is_a_rotation(q):
    r = rotation_matrix(q)
    np.testing.assert_allclose(r @ r.T, np.eye(3), atol=1e-14)
    assert np.linalg.det(r) == pytest.approx(1)
    np.testing.assert_allclose(rotation_matrix(-q), r, atol=1e-15)
    np.testing.assert_allclose(rotation_matrix(conjugate(q)), r.T, atol=1e-15)


@given(quaternions, quaternions)
def test_multiply__composes_rotations(p, q):
    np.testing.assert_allclose(rotation_matrix(multiply(p, q)), rotation_matrix(p) @ rotation_matrix(q), atol=1e-14)


@given(quaternions)
def test_canonical__does_not_depend_on_the_sign(q):
    c = canonical(q)
    assert np.array_equal(canonical(-q), c)
    assert c[np.flatnonzero(c)[0]] > 0


@given(quaternions)
def test_uniform_quaternion__has_length_one(q):
    assert np.linalg.norm(q) == pytest.approx(1)


@pytest.mark.parametrize("q", [random_quaternions(40_000), super_fibonacci(40_000)])
def test_orientation_sets__are_uniform(q):
    # over the rotation group the mean of R is 0, that of R_ij^2 is 1/3, that of w^2 is 1/4
    r = rotation_matrix(q)
    np.testing.assert_allclose(r.mean(axis=0), 0, atol=0.015)
    np.testing.assert_allclose((r**2).mean(axis=0), 1 / 3, atol=0.015)
    np.testing.assert_allclose((q**2).mean(axis=0), 1 / 4, atol=0.01)
    np.testing.assert_allclose(np.linalg.norm(q, axis=1), 1)


def test_super_fibonacci__covers_more_evenly_than_chance():
    def worst(q):
        return max(float(angle_between(p, q).min()) for p in random_quaternions(200, seed=6))

    assert worst(super_fibonacci(2000)) < 0.8 * worst(random_quaternions(2000))


def test_super_fibonacci__refuses_an_empty_set():
    with pytest.raises(InputError, match="got 0"):
        super_fibonacci(0)


@pytest.mark.parametrize(
    ("name", "order"), [("C1", 1), ("C7", 7), ("D1", 2), ("D8", 16), ("T", 12), ("O", 24), ("I", 60)]
)
def test_symmetry_group__is_closed(name, order):
    group = symmetry_group(name)
    assert group.shape == (order, 4)
    products = canonical(multiply(group[:, None], group).round(9))
    distance = np.abs(products[..., None, :] - group).max(axis=-1)
    sign = np.abs(products[..., None, :] + group).max(axis=-1)
    assert np.minimum(distance, sign).min(axis=-1).max() < 1e-6


def test_symmetry_group__has_its_main_axis_along_z():
    c4 = rotation_matrix(symmetry_group("C4"))
    np.testing.assert_allclose(c4[:, 2, 2], 1)
    d3 = rotation_matrix(symmetry_group("D3"))
    assert np.isclose(d3, np.diag([1, -1, -1])).all(axis=(1, 2)).any()


@pytest.mark.parametrize("name", ["", "C0", "D", "d8", "X", "C-1"])
def test_symmetry_group__refuses_other_names(name):
    with pytest.raises(UnknownNameError, match="symmetry group"):
        symmetry_group(name)


@given(quaternions, quaternions, quaternions)
def test_angle_between__is_a_distance(a, b, turn):
    angle = angle_between(a, b)
    assert 0 <= angle <= np.pi
    assert angle_between(b, a) == pytest.approx(angle, abs=1e-7)
    assert angle_between(multiply(turn, a), multiply(turn, b)) == pytest.approx(angle, abs=1e-6)
    trace = np.clip((np.trace(rotation_matrix(a).T @ rotation_matrix(b)) - 1) / 2, -1, 1)
    assert np.cos(angle) == pytest.approx(trace, abs=1e-9)


@given(quaternions, st.integers(0, 15))
def test_angle_between__knows_symmetry_and_friedel(q, g):
    group = symmetry_group("D8")
    twin = multiply(q, group[g])
    flipped = multiply([0, 0, 0, 1], twin)
    assert angle_between(q, twin, group) == pytest.approx(0, abs=1e-6)
    assert angle_between(q, flipped, group, friedel=True) == pytest.approx(0, abs=1e-6)


def test_angle_between__random_d8_with_friedel_has_the_known_median():
    a, b = random_quaternions(4000).reshape(2, -1, 4)
    angle = np.rad2deg(angle_between(a, b, symmetry_group("D8"), friedel=True))
    assert float(np.median(angle)) == pytest.approx(48.2, abs=1.5)


def test_angle_between__broadcasts():
    q = random_quaternions(6)
    assert angle_between(q[:, None], q[None, :4]).shape == (6, 4)
