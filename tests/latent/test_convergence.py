"""Streams that settle or do not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.strategies import examples
from xfeldask.errors import InputError, UnknownNameError
from xfeldask.latent.convergence import Convergence
from xfeldask.latent.ipca import IncrementalPCA

pytestmark = pytest.mark.rounding

seeds = st.integers(0, 2**32)


def low_rank(shots: int, seed: int, scale: float = 1.0) -> np.ndarray:
    """Three directions of 40, always the same ones, and a little noise."""
    directions = np.linalg.qr(np.random.default_rng(99).normal(size=(40, 3)))[0].T * [[9], [6], [4]]
    rng = np.random.default_rng(seed)
    return 5 + scale * (rng.normal(size=(shots, 3)) @ directions + 0.1 * rng.normal(size=(shots, 40)))


def watched(batches: list[np.ndarray], watch: Convergence, components: int = 3) -> list[bool]:
    """What the monitor says after each of the batches, which are fitted in smaller ones."""
    pca = IncrementalPCA(components)
    told = []
    for batch in batches:
        for start in range(0, len(batch), 200):
            pca.partial_fit(batch[start : start + 200])
        told.append(watch.update(pca.n_samples_seen_, pca.components_, pca.mean_, pca.explained_variance_))
    return told


def test_convergence__comes_on_a_stationary_stream() -> None:
    watch = Convergence(low_rank(300, seed=7), change=0.05, extra=("reconstruction", "jensen_shannon"))
    sizes = 50 * 2 ** np.arange(10)
    told = watched([low_rank(size, seed) for seed, size in enumerate(sizes)], watch)
    history = watch.history()
    assert told[-1]
    assert watch.converged
    # settled in the last three of the updates up to then, and not all three one update earlier
    settled = (history["angle"] <= np.deg2rad(1)) & (history["eigenvalue_change"] <= 0.05)
    first = next(i for i in range(2, 10) if settled[i - 2 : i + 1].all())
    assert told.index(True) == first
    assert watch.converged_at == sizes[: first + 1].sum()
    assert list(history) == ["n_fitted", "angle", "eigenvalue_change", "jensen_shannon", "reconstruction"]
    assert history["n_fitted"].dtype == np.int64
    np.testing.assert_array_equal(history["n_fitted"], sizes.cumsum())
    assert all(np.isfinite(values).all() for values in history.values())
    assert [history[name][0] for name in ("angle", "eigenvalue_change", "jensen_shannon")] == [np.pi / 2, 1, 1]
    assert history["reconstruction"][-1] == pytest.approx(37 * 0.1**2 / (81 + 36 + 16), rel=0.1)


def test_convergence__does_not_come_on_a_drifting_stream() -> None:
    rng = np.random.default_rng(0)
    watch = Convergence(rng.normal(size=(300, 40)))
    directions = np.linalg.qr(rng.normal(size=(40, 40)))[0]
    # each batch moves on by one direction and outweighs those before it
    batches = [2.0**i * rng.normal(size=(100, 3)) @ directions[i : i + 3] for i in range(12)]
    assert not any(watched(batches, watch))
    assert watch.converged_at is None
    assert (watch.history()["angle"] > np.deg2rad(1)).all()


def test_convergence__ends_when_the_stream_changes() -> None:
    x = low_rank(400, seed=1)
    watch = Convergence(x, patience=2)
    basis = np.linalg.svd(x - x.mean(0), full_matrices=False)[2]
    rows, mean, variance = basis[:3], x.mean(0), np.array([81.0, 36, 16])
    assert [watch.update(n, rows, mean, variance) for n in (10, 20, 30)] == [False, False, True]
    assert watch.converged_at == 30
    assert watch.update(40, rows[::-1], mean + 1, variance)
    assert watch.converged_at == 30
    assert not watch.update(50, rows, mean, variance * 1.02)
    assert (watch.converged, watch.converged_at) == (False, None)
    assert not watch.update(60, basis[[0, 1, 3]], mean, variance * 1.02)
    assert watch.history()["angle"][-1] > np.deg2rad(45)


@examples(0.3)
@given(seeds)
def test_convergence__does_not_depend_on_the_frame_of_the_features(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x = low_rank(60, seed=3)
    bases = [np.linalg.qr(rng.normal(size=(40, 3)))[0].T for _ in range(3)]
    turn, shift = np.linalg.qr(rng.normal(size=(40, 40)))[0], rng.normal(size=40) * 1e3
    straight, turned = Convergence(x), Convergence(x @ turn + shift)
    for n, basis in enumerate(bases):
        straight.update(n, basis, x.mean(0), [3, 2, 1])
        turned.update(n, basis @ turn, rng.normal(size=40), [3, 2, 1])
    np.testing.assert_allclose(turned.history()["angle"], straight.history()["angle"], atol=1e-3)


@pytest.mark.parametrize("value", [0.0, 0.1, 1e6])
def test_convergence__constant_shots_crash_nothing(value: float) -> None:
    watch = Convergence(np.full((20, 6), value), extra=("reconstruction", "jensen_shannon"))
    told = watched([np.full((10, 6), value)] * 4, watch, components=2)
    assert told == [False, False, False, True]
    assert all(np.isfinite(values).all() for values in watch.history().values())


def test_convergence__settles_where_there_are_fewer_directions_than_components() -> None:
    rng = np.random.default_rng(0)
    plane = rng.normal(size=(2, 40))
    batches = [rng.normal(size=(100 * 2**i, 2)) @ plane for i in range(10)]
    watch = Convergence(rng.normal(size=(100, 2)) @ plane, change=0.05)
    watched(batches, watch, components=4)
    assert (watch.history()["angle"][1:] < np.deg2rad(1)).all()
    assert watch.converged


def test_convergence__more_components_than_before_are_another_basis() -> None:
    x = low_rank(50, seed=1)
    watch = Convergence(x, extra=("jensen_shannon",))
    watch.update(2, np.eye(40)[:1], x.mean(0), [9])
    watch.update(4, np.eye(40)[:2], x.mean(0), [9, 4])
    last = {name: values[-1] for name, values in watch.history().items()}
    assert last == {"n_fitted": 4, "angle": np.pi / 2, "eigenvalue_change": 1, "jensen_shannon": 1}


def test_convergence__has_an_empty_history_before_the_first_update() -> None:
    history = Convergence(np.eye(9)).history()
    assert {name: values.shape for name, values in history.items()} == {
        "n_fitted": (0,),
        "angle": (0,),
        "eigenvalue_change": (0,),
    }


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"held_out": np.zeros((0, 4))}, "no held-out shots"),
        ({"held_out": np.full((9, 4), np.nan)}, "held_out holds NaN"),
        ({"angle": 0.0}, "angle"),
        ({"change": np.nan}, "change"),
        ({"patience": 0}, "patience"),
    ],
)
def test_convergence__refuses_settings(change, told) -> None:
    with pytest.raises(InputError, match=told):
        Convergence(**({"held_out": np.eye(9)} | change))
    with pytest.raises(UnknownNameError, match="did you mean reconstruction"):
        Convergence(np.eye(9), extra=("reconstructions",))


def test_convergence__refuses_updates() -> None:
    watch = Convergence(np.eye(9))
    with pytest.raises(InputError, match="at least 11 held-out shots"):
        watch.update(10, np.eye(9)[:5], np.zeros(9), np.ones(5))
    watch.update(10, np.eye(9)[:2], np.zeros(9), np.ones(2))
    with pytest.raises(InputError, match="got 10 after 10"):
        watch.update(10, np.eye(9)[:2], np.zeros(9), np.ones(2))
    with pytest.raises(InputError, match="9 features need"):
        watch.update(20, np.eye(8)[:2], np.zeros(8), np.ones(2))
    assert watch.history()["n_fitted"].tolist() == [10]
