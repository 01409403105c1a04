"""Grids of rotations: their number, how even they are, what symmetry leaves of them."""

from __future__ import annotations

import numpy as np
import pytest

from xfeldask.errors import InputError
from xfeldask.orient.rotations import TILE, rotation_grid
from xfeldask.physics.orientations import angle_between, symmetry_group, uniform_quaternion

pytestmark = pytest.mark.rounding


def somewhere(n: int) -> np.ndarray:
    return uniform_quaternion(np.random.default_rng(0).random((n, 3)))


@pytest.mark.parametrize("n", range(1, 8))
def test_rotations__are_as_many_as_the_refined_600_cell_has(n):
    grid = rotation_grid(n)
    assert grid.n_rotations == 10 * (n + 5 * n**3)
    assert grid.n_tiles == -(-grid.n_rotations // TILE)
    np.testing.assert_allclose(np.linalg.norm(grid.quaternion, axis=1), 1)
    assert grid.weight.sum() == pytest.approx(1)
    assert (grid.weight[grid.n_rotations :] == 0).all()


def test_rotations__have_no_gaps():
    grid = rotation_grid(4)
    nearest = angle_between(somewhere(300)[:, None], grid.quaternion).min(axis=1)
    assert nearest.max() < 0.75 * grid.spacing


def test_weights__are_the_shares_of_the_rotations():
    grid = rotation_grid(2)
    nearest = angle_between(somewhere(8000)[:, None], grid.quaternion[None, : grid.n_rotations]).argmin(axis=1)
    near = np.bincount(nearest, minlength=grid.n_rotations) / 8000
    few = grid.weight[: grid.n_rotations] < 0.95 / grid.n_rotations
    assert 0 < few.sum() < grid.n_rotations
    assert near[few].sum() == pytest.approx(grid.weight[: grid.n_rotations][few].sum(), abs=0.02)


@pytest.mark.parametrize("name", ["C2", "D4", "O"])
def test_symmetry__leaves_one_of_those_that_look_the_same(name):
    group = symmetry_group(name)
    grid = rotation_grid(4, group)
    real = grid.quaternion[: grid.n_rotations]
    # more than their part, as those on the border are there from both sides, and share the weight
    assert 1 <= grid.n_rotations * len(group) / 3240 < 1.6
    alike = (angle_between(real[:, None], real, group) < 1e-5).sum(axis=1)
    inner = grid.weight[: grid.n_rotations] * alike
    assert inner.max() / inner.min() < 1.4
    nearest = angle_between(somewhere(200)[:, None], real, group).min(axis=1)
    assert nearest.max() < 0.85 * grid.spacing
    own = angle_between(real, np.array([1.0, 0, 0, 0]))
    assert own == pytest.approx(angle_between(real, np.array([1.0, 0, 0, 0]), group), abs=1e-5)


@pytest.mark.parametrize("name", ["C1", "D8"])
def test_nearest__are_those_of_the_smallest_angle(name):
    group = symmetry_group(name)
    grid, points = rotation_grid(3, group), somewhere(40)
    found = grid.nearest(points, 6)
    angle = angle_between(points[:, None], grid.quaternion[: grid.n_rotations], group)
    expected = np.sort(angle, axis=1)[:, :6]
    np.testing.assert_allclose(np.take_along_axis(angle, found, 1), expected, atol=1e-6)
    assert all(len(set(row)) == 6 for row in found.tolist())


def test_nearest__gives_all_where_there_are_no_more():
    grid = rotation_grid(1, symmetry_group("O"))
    found = grid.nearest(somewhere(3), 1000)
    assert found.shape == (3, grid.n_rotations)
    assert (np.sort(found, axis=1) == np.arange(grid.n_rotations)).all()


def test_tiles__hold_neighbours():
    grid = rotation_grid(6)
    tiles = grid.quaternion.reshape(grid.n_tiles, TILE, 4)
    wide = angle_between(tiles[:-1, :, None], tiles[:-1, None]).max(axis=(1, 2))
    assert np.median(wide) < np.deg2rad(75)
    assert np.median(angle_between(tiles[:-1, 0], tiles[1:, 0])) < np.deg2rad(90)


@pytest.mark.parametrize("refinement", [0, 41])
def test_refinement__out_of_range_is_refused(refinement):
    with pytest.raises(InputError, match=f"1 to 40, got {refinement}"):
        rotation_grid(refinement)
