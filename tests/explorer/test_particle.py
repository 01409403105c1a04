"""Projections against a loop over atoms, and against what a turn must leave."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from tests.strategies import quaternions
from xfeldask.errors import InputError
from xfeldask.explorer.model.particle import center_of, electrons, extent_of, projection, radius_of

RNG = np.random.default_rng(0)
ATOMS = RNG.normal(size=(60, 3)) * 3e-9
WEIGHTS = RNG.integers(1, 30, 60).astype(float)
NOWHERE = [np.nan] * 3


def by_loop(orientation, position, extent, n, size=None):
    """Electrons/nm^2 with row 0 at the lowest y, atom by atom."""
    image = np.zeros((n, n))
    there = [i for i, place in enumerate(position) if np.isfinite(place).all()]
    middle = (
        [(min(position[i][k] for i in there) + max(position[i][k] for i in there)) / 2 for k in (0, 1)]
        if there
        else (0, 0)
    )
    for i in there:
        turned = Rotation.from_quat(orientation[i], scalar_first=True).apply(ATOMS) * (1 if size is None else size[i])
        for (x, y, _), weight in zip(turned + position[i], WEIGHTS, strict=True):
            column, row = (np.floor((v - m + extent) / (2 * extent) * n) for v, m in zip((x, y), middle, strict=True))
            if 0 <= column < n and 0 <= row < n:
                image[int(row), int(column)] += weight
    return image / (2 * extent * 1e9 / n) ** 2


@given(
    st.lists(
        st.tuples(quaternions, st.tuples(*[st.floats(-20e-9, 20e-9)] * 3), st.floats(0.8, 1.2)), min_size=1, max_size=3
    ),
    st.sampled_from([4e-9, 30e-9]),
    st.integers(1, 20),
)
def test_projection__is_the_loop_over_atoms(particles, extent, n) -> None:
    orientation, position, size = (np.array([particle[i] for particle in particles]) for i in range(3))
    found = projection(ATOMS, WEIGHTS, orientation, position, extent, n, size)
    wanted = by_loop(orientation, position, extent, n, size)
    np.testing.assert_allclose(found, wanted, rtol=1e-6)


@given(st.lists(st.tuples(quaternions, st.tuples(*[st.floats(-1e-7, 1e-7)] * 3)), min_size=1, max_size=3))
def test_extent_of__holds_every_electron_in_any_orientation(particles) -> None:
    orientation, position = (np.array([particle[i] for particle in particles]) for i in range(2))
    extent = extent_of(radius_of(ATOMS), position)
    image = projection(ATOMS, WEIGHTS, orientation, position, extent, 32)
    assert image.sum() * (2 * extent * 1e9 / 32) ** 2 == pytest.approx(WEIGHTS.sum() * len(particles))
    radius = np.linalg.norm(ATOMS, axis=1).max()
    apart = np.ptp(position[:, :2], axis=0).max()
    assert extent == pytest.approx(1.05 * (radius + apart / 2))


def test_projection__has_x_to_the_right_and_y_up() -> None:
    still, turned = [[1, 0, 0, 0]], [[np.sqrt(0.5), 0, 0, np.sqrt(0.5)]]
    along_x = [[3e-9, 0, 0]]
    one = projection(along_x, [1], still, [[0, 0, 0]], 4e-9, 3)
    assert np.argwhere(one).tolist() == [[1, 2]]
    other = projection(along_x, [1], turned, [[0, 0, 0]], 4e-9, 3)
    assert np.argwhere(other).tolist() == [[2, 1]]
    assert one.max() == pytest.approx(1 / (8 / 3) ** 2)


def test_projection__is_about_the_middle_of_the_particles_wherever_the_shot_hit() -> None:
    orientation = np.tile([1.0, 0, 0, 0], (3, 1))
    near = np.array([[0, 0, 0], [8e-9, 0, 5e-9], NOWHERE])
    far = near + np.array([1e-6, -2e-6, 3e-6])
    images = [
        projection(ATOMS, WEIGHTS, orientation, place, extent_of(radius_of(ATOMS), place), 16) for place in (near, far)
    ]
    np.testing.assert_allclose(*images, rtol=1e-5)
    assert center_of(far) == pytest.approx((1e-6 + 4e-9, -2e-6))


def test_projection__of_a_blank_is_empty() -> None:
    assert center_of([NOWHERE]) == (0, 0)
    extent = extent_of(radius_of(ATOMS), [NOWHERE])
    assert extent > 0
    assert not projection(ATOMS, WEIGHTS, [[np.nan] * 4], [NOWHERE], extent, 8).any()


def test_extent_of__of_one_atom_is_not_zero() -> None:
    assert extent_of(radius_of([[0, 0, 0]]), [[0, 0, 0]]) > 0


def test_electrons__are_atomic_numbers_times_occupancies() -> None:
    assert electrons(["C", "N", "O", "O1-", "Zn2+"], [1, 0.5, 1, 1, 0]).tolist() == [6, 3.5, 8, 8, 0]
    assert electrons(np.array(["C", "Fe"], np.dtypes.StringDType()), [1, 1]).tolist() == [6, 26]
    with pytest.raises(InputError, match="Qq"):
        electrons(["C", "Qq"], [1, 1])
    with pytest.raises(InputError, match="same atoms"):
        electrons(["C"], [1, 1])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"extent": 0}, "wider than 0"),
        ({"extent": np.nan}, "wider than 0"),
        ({"n_pixels": 0}, "pixels"),
        ({"weights": [1]}, "weights"),
        ({"orientation": [[1, 0, 0]]}, "quaternions"),
        ({"position": [0, 0, 0]}, "position"),
        ({"atom_position": np.zeros((0, 3)), "weights": []}, "give atoms"),
        ({"size": [1, 1]}, "a size for each"),
    ],
)
def test_projection__refuses_what_does_not_fit(change: dict, words: str) -> None:
    good = {
        "atom_position": ATOMS,
        "weights": WEIGHTS,
        "orientation": [[1, 0, 0, 0]],
        "position": [[0, 0, 0]],
        "extent": 1e-8,
        "n_pixels": 4,
    }
    with pytest.raises(InputError, match=words):
        projection(**{**good, **change})
