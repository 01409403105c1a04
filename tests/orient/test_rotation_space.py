"""Coordinates of rotations: the direction of the beam without symmetry, and the same for what looks alike."""

from __future__ import annotations

import numpy as np
import pytest

from xfeldask.orient.rotation_space import rotation_coordinates
from xfeldask.physics.orientations import multiply, rotation_matrix, super_fibonacci, symmetry_group

pytestmark = pytest.mark.rounding


def test_coordinates__without_symmetry_are_the_direction_of_the_beam():
    q = super_fibonacci(200)
    at, beam = rotation_coordinates(q, symmetry_group("C1"), 3), rotation_matrix(q)[:, 2]
    linear = np.linalg.lstsq(at, beam, rcond=None)[0]
    assert np.abs(at @ linear - beam).max() < 0.05


def test_coordinates__are_alike_for_rotations_that_look_alike():
    q, group = super_fibonacci(50), symmetry_group("D8")
    at = rotation_coordinates(q, group, 6)
    half_turn = np.array([0.0, 0.0, 0.0, 1.0])
    for alike in (multiply(q, group[-1]), multiply(half_turn, q), -q):
        assert np.abs(rotation_coordinates(alike, group, 6) - at).max() < 0.1 * at.std()
    np.testing.assert_allclose(at.mean(axis=0), 0, atol=0.3 * at.std())
