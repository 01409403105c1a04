"""Diffusion maps against a brute-force walk and shapes that are known."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation
from sklearn import exceptions
from sklearn.base import clone

from tests.strategies import examples
from xfeldask.errors import InputError
from xfeldask.latent.diffusion import DiffusionMap

pytestmark = pytest.mark.rounding


def loop(n: int = 300, features: int = 50, noise: float = 0.02, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Angles [rad] and points of a noisy closed curve, a circle of radius 1 in a random plane."""
    rng = np.random.default_rng(seed)
    angle = rng.uniform(0, 2 * np.pi, n)
    plane = np.linalg.qr(rng.normal(size=(features, 2)))[0]
    points = np.stack([np.cos(angle), np.sin(angle)], axis=1) @ plane.T
    return angle, points + rng.normal(size=(n, features)) * noise


def brute_force(x: np.ndarray, k: int, n: int, alpha: float, time: float) -> tuple[np.ndarray, np.ndarray, float]:
    """Eigenvalues, coordinates and epsilon by loops and the transition matrix itself."""
    m = len(x)
    squared = [[float(((a - b) ** 2).sum()) for b in x] for a in x]
    epsilon = float(np.median([sorted(row)[k] for row in squared]))
    kernel = [[math.exp(-value / epsilon) for value in row] for row in squared]
    q = [sum(row) for row in kernel]
    kernel = [[kernel[i][j] / (q[i] * q[j]) ** alpha for j in range(m)] for i in range(m)]
    degree = np.array([sum(row) for row in kernel])
    walk = np.array(kernel) / degree[:, None]
    values, vectors = np.linalg.eig(walk)
    order = np.argsort(-values.real)[1 : n + 1]
    values, vectors = values.real[order], vectors.real[:, order]
    vectors /= np.sqrt((degree / degree.sum()) @ vectors**2)
    return values, vectors * values**time, epsilon


@pytest.mark.parametrize("alpha", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("time", [1, 2.5])
def test_diffusion_map__is_the_brute_force_walk(alpha: float, time: float) -> None:
    x = np.random.default_rng(3).normal(size=(40, 4)) * [3, 2, 1, 0.5]
    found = DiffusionMap(3, n_neighbors=7, alpha=alpha, time=time).fit(x)
    values, coordinates, epsilon = brute_force(x, 7, 3, alpha, time)
    assert found.epsilon_ == pytest.approx(epsilon, rel=1e-5)
    np.testing.assert_allclose(found.eigenvalues_, values, rtol=1e-5)
    latent = found.transform(x)
    signs = np.sign((latent * coordinates).sum(axis=0))
    np.testing.assert_allclose(latent, coordinates * signs, atol=1e-5)


def test_diffusion_map__a_closed_loop_comes_out_as_a_circle() -> None:
    angle, x = loop()
    latent = DiffusionMap(2, n_neighbors=30).fit(x).transform(x)
    radius = np.linalg.norm(latent, axis=1)
    assert radius.std() < 0.15 * radius.mean()
    turn = np.exp(1j * np.arctan2(latent[:, 1], latent[:, 0]))
    same_sense, other_sense = (abs((turn * np.exp(sign * 1j * angle)).mean()) for sign in (-1, 1))
    assert max(same_sense, other_sense) > 0.98


def test_diffusion_map__new_shots_fall_between_their_neighbours() -> None:
    _, x = loop(600)
    fitted = DiffusionMap(2, n_neighbors=30).fit(x[:300])
    latent, radius = fitted.transform(x[300:]), np.linalg.norm(fitted.transform(x[:300]), axis=1)
    nearest = np.argmin(((x[300:, None] - x[None, :300]) ** 2).sum(axis=2), axis=1)
    distance = np.linalg.norm(latent - fitted.transform(x[:300])[nearest], axis=1)
    assert np.median(distance) < 0.1 * radius.mean()
    assert np.linalg.norm(latent, axis=1).max() < 1.2 * radius.max()


@examples(0.4)
@given(
    seed=st.integers(0, 1000),
    alpha=st.floats(0, 1),
    time=st.floats(1, 4),
    offset=st.sampled_from([0.0, 10.0]),
)
def test_diffusion_map__landmarks_get_their_own_coordinates_back(
    seed: int, alpha: float, time: float, offset: float
) -> None:
    x = np.random.default_rng(seed).normal(size=(60, 5)) + offset
    found = DiffusionMap(3, alpha=alpha, time=time).fit(x)
    own = found.eigenvectors_ * found.eigenvalues_**time
    np.testing.assert_allclose(found.transform(x), own, atol=1e-3 * np.abs(own).max())
    assert ((found.eigenvalues_ >= 0) & (found.eigenvalues_ <= 1)).all()
    assert (np.diff(found.eigenvalues_) <= 0).all()


def test_diffusion_map__rotated_and_scaled_shots_have_the_same_map() -> None:
    x = np.random.default_rng(0).normal(size=(80, 3)) * [3, 2, 1]
    turned = x @ Rotation.random(rng=0).as_matrix() * 7 + 1
    one, other = DiffusionMap(2).fit(x), DiffusionMap(2).fit(turned)
    np.testing.assert_allclose(one.eigenvalues_, other.eigenvalues_, rtol=1e-4)
    np.testing.assert_allclose(one.transform(x), other.transform(turned), atol=1e-3)
    assert other.epsilon_ == pytest.approx(49 * one.epsilon_, rel=1e-4)


def test_diffusion_map__shots_far_from_all_stay_finite() -> None:
    _, x = loop(100)
    fitted = DiffusionMap(2).fit(x)
    far = fitted.transform(np.concatenate([x[:1] * 1e4, x[:1] + 1e6]))
    assert np.isfinite(far).all()
    assert (np.abs(far) <= np.abs(fitted.eigenvectors_).max(axis=0) + 1e-6).all()


def test_diffusion_map__groups_with_no_way_between_them_come_apart() -> None:
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.normal(size=(40, 3)) + at for at in (0, 1000, 2000)])
    found = DiffusionMap(2).fit(x)
    latent = found.transform(x).reshape(3, 40, 2)
    np.testing.assert_allclose(found.eigenvalues_, 1, atol=1e-6)
    np.testing.assert_allclose(latent.std(axis=1), 0, atol=1e-4)
    assert np.linalg.norm(latent[:, None, 0] - latent[None, :, 0], axis=-1)[~np.eye(3, dtype=bool)].min() > 1


def test_diffusion_map__is_a_scikit_learn_estimator() -> None:
    params = {"n_components": 2, "n_neighbors": 5, "alpha": 0.5, "time": 2.0}
    assert clone(DiffusionMap(**params)).get_params() == params
    x = loop(60)[1]
    fitted = DiffusionMap(2)
    np.testing.assert_array_equal(fitted.fit_transform(x), fitted.transform(x))
    np.testing.assert_array_equal(fitted.fit(x[::-1]).fit(x).transform(x), DiffusionMap(2).fit(x).transform(x))


@pytest.mark.parametrize(
    ("params", "told"),
    [
        ({"n_components": 0}, "at least 1, got 0 and 10"),
        ({"n_neighbors": 0}, "at least 1, got 3 and 0"),
        ({"alpha": 1.5}, "alpha must be between 0 and 1, got 1.5"),
        ({"alpha": math.nan}, "alpha must be between 0 and 1, got nan"),
        ({"time": 0.5}, "time must be 1 step or more, got 0.5"),
        ({"n_neighbors": 60}, "need 61 training shots or more, got 60"),
        ({"n_components": 60}, "need 61 training shots or more, got 60"),
    ],
)
def test_diffusion_map__refuses_parameters_out_of_range(params: dict[str, float], told: str) -> None:
    with pytest.raises(InputError, match=told):
        DiffusionMap(**params).fit(loop(60)[1])


def test_diffusion_map__refuses_blank_shots_by_the_heap() -> None:
    x = loop(60)[1]
    x[:40] = 0
    with pytest.raises(InputError, match="more than half of the 60 training shots have 10 exact copies"):
        DiffusionMap().fit(x)


def test_diffusion_map__refuses_what_it_cannot_place() -> None:
    x = loop(60)[1]
    with pytest.raises(exceptions.NotFittedError, match="call fit first"):
        DiffusionMap().transform(x)
    fitted = DiffusionMap().fit(x)
    with pytest.raises(InputError, match="knows 50 features a shot, got 49"):
        fitted.transform(x[:, 1:])
    x[3, 4] = np.nan
    for refused in (fitted.transform, DiffusionMap().fit):
        with pytest.raises(InputError, match="NaN"):
            refused(x)


@pytest.mark.parametrize("groups", [3, 20])
def test_fit__of_groups_with_no_way_between_them_misses_none(groups: int) -> None:
    rng = np.random.default_rng(0)
    shots = rng.normal(size=(groups * 15, 4)) + 1e3 * np.repeat(np.arange(groups), 15)[:, None]
    values = DiffusionMap(4, n_neighbors=5).fit(shots).eigenvalues_
    assert np.allclose(values[: groups - 1], 1)
    assert groups > 4 or values[groups - 1] < 0.999


def test_fit__of_shots_far_from_all_others_ends() -> None:
    shots = np.random.default_rng(0).standard_cauchy((300, 5))
    assert np.isfinite(DiffusionMap(3).fit(shots).transform(shots)).all()
