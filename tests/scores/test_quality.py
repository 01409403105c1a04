"""Reconstructions against the truth: turned, scaled and noisy ones."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.orient.shots import atoms_of, intensity
from xfeldask.errors import InputError
from xfeldask.orient.alignment import alignment, turned_by, turned_onto
from xfeldask.orient.models import radii
from xfeldask.physics.orientations import (
    angle_between,
    multiply,
    rotation_matrix,
    symmetry_group,
    uniform_quaternion,
)
from xfeldask.scores.quality import Shells, chance_correlation, quality, shell_correlation

pytestmark = [pytest.mark.rounding, pytest.mark.usefixtures("in_full")]

STEP = 3e7
TURN = np.array([0.3, -0.5, 0.7, 0.4]) / np.linalg.norm([0.3, -0.5, 0.7, 0.4])
AXIS = (np.arange(25) - 12) * STEP
S = np.stack(np.meshgrid(AXIS, AXIS, AXIS, indexing="ij"), axis=-1)


def seen(turn: np.ndarray) -> np.ndarray:
    """The intensity of a particle that is turned."""
    return intensity(atoms_of(2, 3e-9), S @ rotation_matrix(turn))


def test_alignment__finds_the_turn():
    exact, turned = seen(np.array([1.0, 0, 0, 0])), seen(TURN)
    found, correlation = alignment(exact, turned)
    assert correlation > 0.95
    # turned(x) = exact(R^T x), R that of TURN
    assert np.rad2deg(angle_between(found, TURN * [1, -1, -1, -1])) < 1.5
    lying = turned_by(exact, found)
    assert shell_correlation(lying, turned, STEP).correlation[2:].min() > 0.9
    assert shell_correlation(turned_onto(exact, turned), lying, STEP).correlation.min() > 0.999


def test_shell_correlation__is_about_the_mean_of_points_at_one_distance():
    a, b = np.random.default_rng(0).random((2, 15, 15, 15))
    found = shell_correlation(a, b, STEP)
    far = radii(15)
    x, y = a.copy(), b.copy()
    for distance in np.unique(far):
        x[far == distance] -= x[far == distance].mean()
        y[far == distance] -= y[far == distance].mean()
    shells = [np.rint(far) == k for k in range(2, 7)]
    expected = [(x[k] * y[k]).sum() / np.sqrt((x[k] ** 2).sum() * (y[k] ** 2).sum()) for k in shells]
    np.testing.assert_allclose(found.correlation, expected)
    np.testing.assert_allclose(found.s, np.arange(2, 7) * STEP)
    # two intensities that fall alike are not alike for that
    steep = 100 * np.exp(-far)
    np.testing.assert_allclose(shell_correlation(a + steep, b + steep, STEP).correlation, expected, rtol=1e-6)
    with pytest.raises(InputError, match="cannot be compared"):
        shell_correlation(a, np.ones((9, 9, 9)), STEP)


def test_resolution__ends_where_the_correlation_first_falls():
    shells = Shells(np.array([1e8, 2e8, 4e8]), np.array([0.9, 0.4, 0.9]))
    assert (shells.resolution(0.3), shells.resolution(0.5), shells.resolution(0.95)) == (2.5e-9, 1e-8, np.inf)
    # what may be reached by chance neither counts nor ends it
    chance = Shells(np.array([1e8, 2e8, 4e8, 5e8]), np.array([0.3, 0.9, 0.8, 0.9]), np.array([1.0, 0.2, 0.1, 0.95]))
    assert (chance.resolution(0.5), chance.resolution(0.85)) == (2.5e-9, 5e-9)
    assert Shells(np.array([1e8, 2e8]), np.array([0.99, 0.9]), np.ones(2)).resolution(0.5) == np.inf


def test_quality__takes_off_the_turn_and_knows_the_symmetry():
    exact, turned = seen(np.array([1.0, 0, 0, 0])), 7 * seen(TURN)
    true = uniform_quaternion(np.random.default_rng(0).random((60, 3)))
    # pattern(s) = exact(R_true^T s) = turned(R_rec^T s), with turned(x) = exact(TURN^T x)
    recovered = multiply(true, TURN * [1, -1, -1, -1])
    found = quality(turned, exact, STEP, recovered, true, oracle=exact)
    assert found.orientation_error < 1.5
    assert found.within_10_degrees == 1
    assert 80 < found.random < 130
    assert found.shells.correlation[2:].min() > 0.9
    assert found.oracle is not None
    assert found.oracle.correlation.min() > 0.999
    group = symmetry_group("D8")
    alike = multiply(recovered, multiply(multiply(TURN, group[5]), TURN * [1, -1, -1, -1]))
    assert quality(turned, exact, STEP, alike, true).orientation_error > 20
    assert quality(turned, exact, STEP, alike, true, group).orientation_error < 1.5
    assert quality(turned, exact, STEP, true, true, group).random < 60
    # of a particle from a file only the symmetry that was imposed is known, about axes of the intensity
    imposed = multiply(multiply(TURN, group), TURN * [1, -1, -1, -1])
    assert quality(turned, exact, STEP, alike, true, imposed=imposed).orientation_error < 1.5


def symmetric(seed: int, group: np.ndarray) -> np.ndarray:
    atoms = (rotation_matrix(group) @ atoms_of(seed, 8e-9, 3).T).swapaxes(1, 2).reshape(-1, 3)
    return intensity(atoms, S)


def test_chance__of_a_symmetric_particle_is_large_in_its_inner_shells():
    group = symmetry_group("D8")
    one, other = symmetric(3, group), symmetric(4, group)
    chance = chance_correlation(one, STEP, group)
    assert chance[1] > 0.95
    assert chance_correlation(one, STEP)[-5:].mean() < chance[-5:].mean() < 0.7
    nothing = replace(shell_correlation(one, other, STEP), chance=chance)
    assert nothing.resolution(0.5) == np.inf
    noise = 0.05 * one.std() * np.random.default_rng(0).normal(size=one.shape)
    same = replace(shell_correlation(one, one + noise, STEP), chance=chance)
    assert (same.correlation > chance)[-5:].all()
    assert same.resolution(0.5) < 4e-9


def test_chance__knows_that_strangers_are_turned_onto_each_other():
    one = intensity(atoms_of(3, 3e-9), S)
    chance, above = chance_correlation(one, STEP), []
    for seed in range(10, 16):
        other = turned_onto(intensity(atoms_of(seed, 3e-9), S), one)
        above.append(shell_correlation(one, other, STEP).correlation > chance)
    # one shell of twenty, where as they lie most would be
    assert np.mean(above) < 0.15
