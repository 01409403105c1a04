"""Folded orientations against the atoms and patterns that they turn, and against a search with scipy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from tests.orient.shots import intensity
from tests.strategies import examples, quaternions
from xfeldask.errors import InputError
from xfeldask.physics.chaperonin import chaperonin
from xfeldask.physics.orientations import (
    angle_between,
    canonical,
    conjugate,
    multiply,
    rotation_matrix,
    symmetry_group,
    uniform_quaternion,
)
from xfeldask.physics.symmetry import SYMMETRY, fold, turns_about_z

pytestmark = pytest.mark.rounding

NAMES = ["C1", "C2", "C7", "D2", "D3", "D8", "T", "O", "I"]
names = st.sampled_from(NAMES)
# quarter turns and the like: many of their equivalents are equally near
special = st.sampled_from([*symmetry_group("O"), *symmetry_group("D8"), *symmetry_group("I")])
orientations = quaternions | special


def random_orientations(n: int, seed: int = 0) -> np.ndarray:
    return uniform_quaternion(np.random.default_rng(seed).random((n, 3)))


def toy(group: np.ndarray) -> np.ndarray:
    """Atoms that the group maps on each other."""
    seeds = np.random.default_rng(1).normal(size=(3, 3))
    return np.einsum("gij,aj->gai", rotation_matrix(group), seeds).reshape(-1, 3)


def apart(p: np.ndarray, q: np.ndarray) -> float:
    """Largest difference of quaternions, q and -q being the same."""
    return float(np.minimum(np.abs(p - q).max(axis=-1), np.abs(p + q).max(axis=-1)).max())


@given(orientations, names)
def test_fold__leaves_the_same_atoms_in_the_same_places(q, name) -> None:
    group = symmetry_group(name)
    atoms = toy(group)
    before, after = (atoms @ rotation_matrix(v).T for v in (q, fold(q, group)))
    for seen in (slice(0, 3), slice(0, 2)):
        distance, index = cKDTree(before[:, seen]).query(after[:, seen])
        assert distance.max() < 1e-9
        assert seen.stop == 2 or len(np.unique(index)) == len(atoms)


def test_fold__leaves_the_pattern_of_the_chaperonin() -> None:
    atoms, rng = chaperonin().position, np.random.default_rng(3)
    s = rng.normal(size=(40, 3)) * 3e8
    for q in random_orientations(3, seed=4):
        folded = fold(q, symmetry_group(SYMMETRY["chaperonin"]))
        patterns = [np.sqrt(intensity(atoms, s @ rotation_matrix(v))) for v in (q, folded)]
        assert angle_between(q, folded) > 0.1
        np.testing.assert_allclose(patterns[1], patterns[0], atol=1e-2, rtol=1e-5)
        # the same rotation from the other side is another pattern
        other = multiply(multiply(conjugate(q), folded), q)
        away = np.sqrt(intensity(atoms, s @ rotation_matrix(other))) - patterns[0]
        assert np.abs(away).max() > 1


@given(orientations, names)
def test_fold__goes_by_a_member_of_the_group_from_the_right(q, name) -> None:
    group = symmetry_group(name)
    step = multiply(conjugate(q), fold(q, group))
    assert min(apart(step, g) for g in group) < 1e-12


@given(orientations, names, st.data())
def test_fold__is_the_same_for_all_that_look_the_same(q, name, data) -> None:
    group = symmetry_group(name)
    g = group[data.draw(st.integers(0, len(group) - 1))]
    folded = fold(q, group)
    assert apart(fold(multiply(q, g), group), folded) < 1e-9
    assert apart(fold(-3 * q, group), folded) < 1e-9
    assert apart(fold(folded, group), folded) < 1e-12


@given(orientations, names)
def test_fold__takes_the_axis_nearest_to_x_then_the_least_turned(q, name) -> None:
    group = symmetry_group(name)
    alike = Rotation.from_quat(q, scalar_first=True) * Rotation.from_quat(group, scalar_first=True)
    height, turned = alike.apply([0, 0, 1])[:, 0], alike.magnitude()
    found = Rotation.from_quat(fold(q, group), scalar_first=True)
    near = height > height.max() - 1e-8
    assert found.apply([0, 0, 1])[0] == pytest.approx(height.max(), abs=1e-8)
    assert found.magnitude() == pytest.approx(turned[near].min(), abs=1e-6)


def test_fold__does_not_care_for_shape_or_number() -> None:
    q, group = random_orientations(5000), symmetry_group("D8")
    whole = fold(q, group)
    np.testing.assert_array_equal(fold(q.reshape(50, 100, 4), group).reshape(-1, 4), whole)
    np.testing.assert_allclose([fold(one, group) for one in q[2040:2060]], whole[2040:2060], atol=1e-15)
    np.testing.assert_allclose(np.linalg.norm(whole, axis=1), 1)
    assert (whole[:, 0] >= 0).all()
    assert fold(np.empty((0, 4)), group).shape == (0, 4)


def test_fold__without_symmetry_changes_nothing() -> None:
    q = random_orientations(100)
    np.testing.assert_allclose(fold(q, symmetry_group("C1")), canonical(q), atol=1e-15)


def test_fold__leaves_no_particle_as_it_is() -> None:
    q = random_orientations(3)
    q[1] = np.nan
    folded = fold(q, symmetry_group("O"))
    assert np.isnan(folded).all(axis=1).tolist() == [False, True, False]
    np.testing.assert_array_equal(folded[[0, 2]], fold(q[[0, 2]], symmetry_group("O")))


@examples(0.4)
@given(st.integers(0, 2**32), st.sampled_from(["C7", "D2", "D8", "T", "O", "I"]))
def test_fold__makes_a_cluster_of_one(seed, name) -> None:
    group, rng = symmetry_group(name), np.random.default_rng(seed)
    # about the middle of what is kept, the axis along x, no equivalent is equally near
    middle = Rotation.from_euler("y", 90, degrees=True)
    wobble = Rotation.from_rotvec(0.05 * rng.normal(size=(200, 3)).clip(-2, 2))
    q = canonical((wobble * middle).as_quat(scalar_first=True))
    scattered = multiply(q, group[rng.integers(0, len(group), 200)])
    folded = fold(scattered, group)
    assert np.rad2deg(angle_between(folded, folded[0])).max() < 30
    assert np.rad2deg(angle_between(scattered, scattered[0])).max() > 45


@pytest.mark.parametrize(("name", "turns"), [("C1", 1), ("C5", 5), ("D1", 1), ("D8", 8), ("T", 2), ("O", 4), ("I", 2)])
def test_turns_about_z__is_how_often_the_rotation_repeats(name, turns) -> None:
    assert turns_about_z(symmetry_group(name)) == turns


@pytest.mark.parametrize(
    ("quaternion", "group", "told"),
    [
        ([0, 0, 0, 0], symmetry_group("C2"), "length 0"),
        ([1, 0, 0], symmetry_group("C2"), r"must be of shape \(..., 4\), got \(3,\)"),
        (1.0, symmetry_group("C2"), r"got \(\)"),
        ([1, 0, 0, 0], [1, 0, 0, 0], r"\(order, 4\), got \(4,\)"),
        ([1, 0, 0, 0], np.empty((0, 4)), r"got \(0, 4\)"),
        ([1, 0, 0, 0], [[0, 0, 0, 0]], "group holds a quaternion of length 0"),
    ],
)
def test_fold__refuses(quaternion, group, told) -> None:
    with pytest.raises(InputError, match=told):
        fold(quaternion, group)
