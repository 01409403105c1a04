from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.strategies import quaternions
from xfeldask.physics.angles import ANGLES, GROUPS, axis_angles, folded
from xfeldask.physics.orientations import rotation_matrix

pytestmark = pytest.mark.rounding


def about(axis, degrees):
    """Return the quaternion of a rotation about x, y or z."""
    half = np.radians(degrees) / 2
    return np.concatenate([[np.cos(half)], np.sin(half) * np.eye(3)["xyz".index(axis)]])


@given(quaternions)
def test_axis_angles__point_where_the_z_axis_goes(q):
    azimuth, elevation, _ = (np.radians(angle[0]) for angle in axis_angles(q[None]))
    across = np.cos(elevation)
    told = np.array([across * np.cos(azimuth), across * np.sin(azimuth), np.sin(elevation)])
    np.testing.assert_allclose(told, rotation_matrix(q)[:, 2], atol=1e-7)


@given(quaternions, st.floats(0.1, 10))
def test_axis_angles__of_the_opposite_or_a_longer_quaternion_are_the_same(q, length):
    due = np.array(axis_angles(q[None]))
    for other in (-q, q * length):
        away = (np.array(axis_angles(other[None])) - due + 180) % 360 - 180
        np.testing.assert_allclose(away, 0, atol=1e-5)


@pytest.mark.parametrize(
    ("q", "told"),
    [
        (about("z", 30), (0, 90, 30)),
        (about("y", 90), (0, 0, 0)),
        (about("x", -90), (90, 0, 0)),
        # no shortest way leads to -z
        (about("y", 180), (0, -90, 0)),
        (about("z", 180), (0, 90, 180)),
    ],
)
def test_axis_angles__are_told_as_people_tell_them(q, told):
    azimuth, elevation, rotation = (angle[0] for angle in axis_angles(q[None]))
    np.testing.assert_allclose((elevation, rotation), told[1:], atol=1e-6)
    if abs(told[1]) < 90:
        assert azimuth == pytest.approx(told[0], abs=1e-6)


def test_folded__names_are_each_of_their_own():
    names = {folded(angle, group) for angle in ANGLES for group in ("", *GROUPS)}
    assert len(names) == len(ANGLES) * (len(GROUPS) + 1)
    assert folded("azimuth", "") == "azimuth"
