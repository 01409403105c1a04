from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from tests.orient.shots import PIXELS, atoms_of, intensity
from xfeldask.physics.orientations import rotation_matrix, uniform_quaternion
from xfeldask.sorting.kinds.agreement import agreement

AXIS = (np.arange(23) - 11) * PIXELS.step
GRID = np.stack(np.meshgrid(AXIS, AXIS, AXIS, indexing="ij"), axis=-1)


def model(seed: int, turn: np.ndarray | None = None) -> np.ndarray:
    atoms = atoms_of(seed)
    return intensity(atoms if turn is None else atoms @ turn.T, GRID)


@pytest.mark.parametrize("draw", [0.1, 0.5, 0.9])
def test_agreement__finds_the_rotation(draw: float) -> None:
    turn = rotation_matrix(uniform_quaternion(np.array([draw, 0.3, 1 - draw])))
    assert agreement(model(1), model(1, turn), 3.0, 8.0) > 0.95


def test_agreement__of_two_particles_is_poor() -> None:
    assert agreement(model(1), model(2), 3.0, 8.0) < 0.6


def test_agreement__does_not_depend_on_scale_or_profile() -> None:
    one = model(1)
    away = np.linalg.norm(GRID, axis=-1) / PIXELS.step
    assert agreement(one, 7 * one * np.exp(-away / 3), 3.0, 8.0) == pytest.approx(1, abs=0.02)


def test_agreement__of_a_flat_model_is_none() -> None:
    assert abs(agreement(model(1), gaussian_filter(np.ones((23, 23, 23)), 2), 3.0, 8.0)) < 0.05
