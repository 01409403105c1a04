"""The nearest point against looking at all of them."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.neighbors import NearestNeighbors

from xfeldask.errors import InputError
from xfeldask.explorer.model.nearest import Nearest, neighbours

coordinates = st.one_of(st.integers(-20, 20).map(float), st.sampled_from([math.nan, math.inf]))
scales = st.sampled_from([0.1, 1 / 3, 1.0, 7.0])


@given(
    st.lists(st.tuples(coordinates, coordinates, st.booleans()), max_size=40),
    st.tuples(st.integers(-25, 25), st.integers(-25, 25)),
    scales,
    scales,
    st.sampled_from([0.0, 3.0, 15.0]),
    st.booleans(),
)
def test_find__is_the_nearest_on_the_screen(points, pointer, sx, sy, within, masked) -> None:
    x, y = (np.array([point[i] for point in points], float) for i in (0, 1))
    among = np.array([point[2] for point in points], bool) if masked else None
    best = None
    for i, (a, b, there) in enumerate(points):
        away = ((a - pointer[0]) / sx) ** 2 + ((b - pointer[1]) / sy) ** 2
        if math.isfinite(away) and away <= within**2 and (there or not masked) and (best is None or away < best[0]):
            best = (away, i)
    found = Nearest(x, y).find(*pointer, sx, sy, within, among)
    assert found == (None if best is None else best[1])


@given(st.integers(0, 2**32), st.floats(1e-6, 1e6), st.floats(-1e6, 1e6))
def test_find__is_the_nearest_wherever_the_points_lie(seed: int, scale: float, offset: float) -> None:
    rng = np.random.default_rng(seed)
    x, y = offset + scale * rng.normal(size=300), scale * rng.normal(size=300)
    px, py = x[0] + 0.1 * scale, y[0]
    away = ((x - px) / (scale / 50)) ** 2 + ((y - py) / (scale / 20)) ** 2
    found = Nearest(x, y).find(px, py, scale / 50, scale / 20)
    assert found == (away.argmin() if away.min() <= 225 else None)


def test_find__looks_at_both_axes_as_the_screen_does() -> None:
    nearest = Nearest(np.array([0.0, 1.0]), np.array([0.0, 0.5]))
    assert nearest.find(0.4, 0.5, 0.1, 1.0) == 0
    assert nearest.find(0.4, 0.5, 1.0, 0.1) == 1
    assert nearest.find(0.4, 0.5, 0.01, 0.01) is None


def test_find__finds_float32_and_knows_a_pointer_that_is_nowhere() -> None:
    x = np.array([0.1, 0.2], np.float32)
    assert Nearest(x, x).find(0.2, 0.2, 1e-9, 1e-9) == 1
    assert Nearest(x, x).find(math.nan, 0.2, 1, 1) is None
    assert Nearest(x[:0], x[:0]).find(0, 0, 1, 1) is None


def test_find__refuses_what_is_no_screen() -> None:
    nearest = Nearest(np.zeros(3), np.zeros(3))
    for scale in (0.0, -1.0, math.nan, math.inf):
        with pytest.raises(InputError, match="pixel"):
            nearest.find(0, 0, scale, 1)
    with pytest.raises(InputError, match="there are 3"):
        nearest.find(0, 0, 1, 1, among=np.ones(2, bool))
    with pytest.raises(InputError, match="same points"):
        Nearest(np.zeros(3), np.zeros(2))


@given(st.integers(0, 2**32), st.integers(1, 30), st.integers(0, 19))
def test_neighbours__are_those_at_the_smallest_distances(seed: int, k: int, shot: int) -> None:
    latent = np.random.default_rng(seed).integers(-3, 3, (20, 2)).astype(np.float32)
    away = [(float(((latent[i] - latent[shot]) ** 2).sum()), i) for i in range(20) if i != shot]
    assert neighbours(latent, shot, k).tolist() == [i for _, i in sorted(away)[:k]]


def test_neighbours__are_scikit_learns() -> None:
    latent = np.random.default_rng(2).normal(size=(3000, 5)).astype(np.float32)
    wanted = NearestNeighbors(n_neighbors=9).fit(latent.astype(float)).kneighbors(latent[:5], return_distance=False)
    for shot in range(5):
        assert neighbours(latent, shot, 8).tolist() == wanted[shot, 1:].tolist()


def test_neighbours__leave_out_shots_without_coordinates() -> None:
    latent = np.array([[0.0, 0], [np.nan, 0], [1, 0], [0, np.inf]])
    assert neighbours(latent, 0, 3).tolist() == [2]
    with pytest.raises(InputError, match="no finite"):
        neighbours(latent, 1, 3)
    with pytest.raises(InputError, match="0 to 3"):
        neighbours(latent, 4, 3)
    with pytest.raises(InputError, match="at least 1"):
        neighbours(latent, 0, 0)
