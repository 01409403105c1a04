"""Starts of a symmetric particle: none may stay turned against the axes of its symmetry."""

from __future__ import annotations

import numpy as np
import pytest

from tests.orient.shots import PIXELS, RADIUS, atoms_of, shots
from xfeldask.orient.alignment import symmetric_turn, turned_by
from xfeldask.orient.cycle import merged
from xfeldask.orient.schedule import Level
from xfeldask.orient.starts import begun
from xfeldask.physics.orientations import angle_between, multiply, rotation_matrix, symmetry_group

pytestmark = pytest.mark.rounding

GROUP = symmetry_group("D4")
ATOMS = (rotation_matrix(GROUP) @ atoms_of(2, 8e-9, 3).T).swapaxes(1, 2).reshape(-1, 3)
LEVEL = Level(2, RADIUS, 12, 0.05, everywhere=True)


@pytest.fixture(scope="module")
def data():
    return shots(450, 400, 2, atoms=ATOMS)


def contrast(data, seed: int, inner: bool) -> float:
    found = begun(data.frames, PIXELS, LEVEL, starts=1, seed=seed, group=GROUP, inner=inner)
    return float(found.contrast.mean())


def test_start__finds_the_axes_of_the_symmetry(data):
    seeds = range(3)
    within, without = ([contrast(data, seed, inner) for seed in seeds] for inner in (True, False))
    assert np.mean(within) > 1.1 * np.mean(without)


def test_symmetric_turn__finds_the_axes_of_an_intensity(data):
    intensity = merged(data.frames, PIXELS, data.orientation, RADIUS, GROUP).intensity[0]
    turn = np.array([0.8, 0.3, -0.4, 0.33])
    turn /= np.linalg.norm(turn)
    found, fraction = symmetric_turn(turned_by(intensity, turn), GROUP)
    assert fraction > 0.9
    # both turns together leave the particle as it is, or change its axes across the main one
    left = rotation_matrix(multiply(turn, found)) @ [0, 0, 1]
    assert abs(left[2]) > np.cos(np.deg2rad(4))
    eighth = [np.cos(np.pi / 8), 0, 0, np.sin(np.pi / 8)]
    apart = [angle_between(multiply(turn, found), other, GROUP) for other in ([1.0, 0, 0, 0], eighth)]
    assert np.rad2deg(np.min(apart)) < 4
