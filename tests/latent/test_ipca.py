"""Incremental, out of core and ensemble PCA against the exact decomposition."""

import copy
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.linalg import orthogonal_procrustes, polar, subspace_angles
from sklearn import decomposition as peers
from sklearn import exceptions
from sklearn.base import clone

from tests.strategies import examples
from xfeldask.errors import InputError, UnknownNameError
from xfeldask.latent.ipca import EnsemblePCA, IncrementalPCA
from xfeldask.latent.linear import LinearModel
from xfeldask.latent.pca import PCA


def data(shots: int = 400, features: int = 60, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    scale = 10.0 * 0.6 ** np.arange(features)
    rotation = np.linalg.qr(rng.normal(size=(features, features)))[0]
    return (rng.normal(size=(shots, features)) * scale) @ rotation + rng.normal(size=features) * 5


@examples(0.4)
@given(cuts=st.lists(st.integers(1, 399), max_size=6, unique=True))
def test_incremental_pca__any_batches_give_the_exact_subspace(cuts: list[int]) -> None:
    x = data()
    pca = IncrementalPCA(3)
    for batch in np.split(x, sorted(cuts)):
        pca.partial_fit(batch)
    exact = np.linalg.svd(x - x.mean(0), full_matrices=False)
    assert np.degrees(subspace_angles(pca.components_.T, exact[2][:3].T).max()) < 2
    np.testing.assert_allclose(pca.explained_variance_, exact[1][:3] ** 2 / (len(x) - 1), rtol=1e-2)
    np.testing.assert_allclose(pca.mean_, x.mean(0), atol=1e-5)
    np.testing.assert_allclose(pca.components_ @ pca.components_.T, np.eye(3), atol=1e-4)


def test_incremental_pca__transform_centres_and_projects() -> None:
    x = data()
    pca = IncrementalPCA(3).fit(x)
    np.testing.assert_allclose(pca.transform(x), (x - x.mean(0)) @ pca.components_.T, atol=1e-3)


def test_incremental_pca__fit_starts_anew() -> None:
    x, y = data(seed=1), data(seed=2)
    again = IncrementalPCA(2).fit(x).fit(y)
    np.testing.assert_array_equal(again.components_, IncrementalPCA(2).fit(y).components_)


def test_incremental_pca__is_a_scikit_learn_estimator() -> None:
    assert clone(IncrementalPCA(5, n_carried=9)).get_params() == {"n_components": 5, "n_carried": 9}


@pytest.mark.parametrize("value", [0.0, 3.0])
def test_incremental_pca__constant_data_give_no_nan(value: float) -> None:
    x = np.full((10, 4), value)
    pca = IncrementalPCA(2).fit(x)
    assert np.isfinite(pca.transform(x)).all()
    assert np.isfinite(pca.components_).all()


def poisson(shots: int = 1000, features: int = 300, seed: int = 0) -> np.ndarray:
    """Counts whose rates follow five latent directions and a brightness that varies."""
    rng = np.random.default_rng(seed)
    pattern = rng.gamma(0.5, size=(6, features))
    weights = rng.gamma(4, 0.25, size=(shots, 6)) * [2.0, 1.6, 1.2, 0.4, 0.3, 0.2]
    return rng.poisson(weights @ pattern).astype(np.float32)


def show(model: LinearModel, x: np.ndarray, batch: int) -> LinearModel:
    for _ in range(model.n_passes):
        for start in range(0, len(x), batch):
            model.partial_fit(x[start : start + batch])
        model.end_pass()
    return model


def exact(x: np.ndarray, n: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Components and variances by an SVD of everything in float64."""
    x = x.astype(np.float64)
    _, singular, vectors = np.linalg.svd(x - x.mean(0), full_matrices=False)
    return vectors[:n], singular[:n] ** 2 / (len(x) - 1)


def degrees(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.degrees(subspace_angles(np.asarray(a, float).T, np.asarray(b, float).T).max()))


MODELS = [
    IncrementalPCA(3),
    PCA(3),
    PCA(3, solver="randomized"),
    EnsemblePCA(3, n_members=2),
]
every_model = pytest.mark.parametrize("model", MODELS, ids=repr)


@pytest.mark.parametrize("batch", [1, 37, 100, 512])
def test_incremental_pca__counts_give_the_exact_subspace_better_than_the_peer(batch: int) -> None:
    x = poisson()
    found = degrees(show(IncrementalPCA(3), x, batch).components_, exact(x)[0])
    assert found < 1
    if batch >= 3:
        peer = peers.IncrementalPCA(3)
        for start in range(0, len(x) - len(x) % batch, batch):
            peer.partial_fit(x[start : start + batch])
        assert found <= degrees(peer.components_, exact(x)[0])


@pytest.mark.parametrize("offset", [0.0, 1e3, 1e5])
def test_incremental_pca__a_mean_large_against_the_spread_does_not_matter(offset: float) -> None:
    x = (data() + offset).astype(np.float32)
    pca = show(IncrementalPCA(3), x, 64)
    assert degrees(pca.components_, exact(x)[0]) < 0.5
    np.testing.assert_allclose(pca.explained_variance_, exact(x)[1], rtol=1e-3)
    np.testing.assert_allclose(pca.mean_, x.mean(0, dtype=np.float64), rtol=1e-6, atol=1e-5)


def test_incremental_pca__a_dominant_brightness_leaves_weak_components_orthonormal() -> None:
    rng = np.random.default_rng(0)
    basis = np.linalg.qr(rng.normal(size=(200, 200)))[0]
    x = rng.normal(size=(600, 200)) * np.array([2e3, 3, 2, *[0.05] * 197]) @ basis
    pca = show(IncrementalPCA(3), x, 100)
    np.testing.assert_allclose(pca.components_ @ pca.components_.T, np.eye(3), atol=1e-5)
    np.testing.assert_allclose(pca.explained_variance_, exact(x)[1], rtol=1e-2)
    assert degrees(pca.components_, exact(x)[0]) < 2


def test_incremental_pca__carried_components_make_up_for_the_batches() -> None:
    x = poisson(features=500)
    few, many = (degrees(show(IncrementalPCA(3, k), x, 20).components_, exact(x)[0]) for k in (3, 40))
    assert many < 0.5 * few


@every_model
@pytest.mark.parametrize("features", [3, 60])
@pytest.mark.parametrize("kind", ["zeros", "constant", "one direction", "constant columns"])
def test_model__degenerate_data_give_orthonormal_components(model: LinearModel, kind: str, features: int) -> None:
    rng = np.random.default_rng(1)
    x = np.zeros((90, features)) + (0.1 if kind != "zeros" else 0)
    if kind == "one direction":
        x += np.outer(rng.normal(size=90), rng.normal(size=features))
    if kind == "constant columns":
        x[:, :2] += rng.normal(size=(90, 2))
    found = show(clone(model), x, 40)
    np.testing.assert_allclose(found.components_ @ found.components_.T, np.eye(3), atol=1e-5)
    assert np.isfinite(found.transform(x)).all()
    np.testing.assert_allclose(found.explained_variance_, exact(x)[1], atol=1e-5)
    assert (np.diff(found.explained_variance_) <= 0).all()


@every_model
@examples(0.3)
@given(batch=st.integers(1, 40))
def test_model__zero_rows_and_ragged_batches_are_data_like_any(model: LinearModel, batch: int) -> None:
    x = data(200, 12)
    x[70:140] = 0
    found = show(clone(model), x, batch)
    assert found.n_samples_seen_ == 200
    np.testing.assert_allclose(found.mean_, x.mean(0), atol=1e-5)
    assert degrees(found.components_, exact(x)[0]) < (10 if isinstance(model, EnsemblePCA) else 0.1)


@every_model
def test_model__transform_is_the_projection_of_the_centred_shots(model: LinearModel) -> None:
    x = data()
    found = show(clone(model), x, 100)
    np.testing.assert_allclose(found.transform(x), (x - found.mean_) @ found.components_.T, atol=1e-3)
    assert found.transform(x[:0]).shape == (0, 3)


@every_model
def test_model__sign_makes_the_largest_entry_positive(model: LinearModel) -> None:
    components = show(clone(model), data(), 100).components_
    assert (components.max(axis=1) == np.abs(components).max(axis=1)).all()


@every_model
def test_model__fit_forgets_and_copies_keep(model: LinearModel) -> None:
    x, y = data(seed=1), data(seed=2)
    fresh, again = clone(model).fit(y), clone(model).fit(x).fit(y)
    np.testing.assert_array_equal(again.transform(x), fresh.transform(x))
    assert again.n_samples_seen_ == len(y)
    for copied in (copy.deepcopy(again), pickle.loads(pickle.dumps(again))):
        np.testing.assert_array_equal(copied.transform(x), fresh.transform(x))
    assert clone(model).get_params() == model.get_params()


@pytest.mark.parametrize("model", [one for one in MODELS if one.n_passes == 1], ids=repr)
def test_model__more_batches_after_a_look_change_the_result(model: LinearModel) -> None:
    x = data()
    found = show(clone(model), x[:200], 50)
    before = found.components_
    show(found, x[200:], 50)
    np.testing.assert_array_equal(found.components_, show(clone(model), x, 50).components_)
    assert not np.array_equal(before, found.components_)


@every_model
def test_model__asked_too_early_says_how_many_shots_it_needs(model: LinearModel) -> None:
    early = clone(model)
    assert not hasattr(early, "components_")
    with pytest.raises(InputError, match="has seen 0 shots; 3 components need 4"):
        early.transform(data())
    early.partial_fit(data()[:1]).partial_fit(data()[1:3])
    with pytest.raises(exceptions.NotFittedError, match="has seen 3 shots; 3 components need 4"):
        early.transform(data())
    assert show(clone(model), data(), 1).transform(data()).shape == (400, 3)


@every_model
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e30])
def test_model__values_that_are_no_counts_are_refused_and_change_nothing(model: LinearModel, value: float) -> None:
    x = data()
    bad = x.copy()
    bad[300, 7] = value
    found = clone(model).partial_fit(x[:200])
    with pytest.raises(InputError, match="NaN, infinity or values beyond"):
        found.partial_fit(bad[200:])
    assert found.n_samples_seen_ == 200
    with pytest.raises(InputError, match="NaN, infinity"):
        show(clone(model), x, 100).transform(bad)


@every_model
@pytest.mark.parametrize(
    ("x", "told"),
    [
        (np.zeros((9, 2)), "3 components need as many features or more, got 2"),
        (np.zeros(9), r"got float64 of shape \(9,\)"),
        (np.full((9, 4), "a"), "must be real numbers"),
        (np.zeros((0, 4)), "no shots"),
    ],
)
def test_model__refuses_what_is_no_table_of_shots(model: LinearModel, x: np.ndarray, told: str) -> None:
    with pytest.raises(InputError, match=told):
        clone(model).partial_fit(x)


@every_model
def test_model__refuses_another_number_of_features(model: LinearModel) -> None:
    found = clone(model).fit(data())
    with pytest.raises(InputError, match="knows 60 features a shot, got 59"):
        found.transform(data()[:, 1:])
    with pytest.raises(InputError, match="knows 60 features a shot, got 59"):
        clone(model).partial_fit(data()).partial_fit(data()[:, 1:])


@every_model
def test_model__refuses_no_components(model: LinearModel) -> None:
    with pytest.raises(InputError, match="n_components must be at least 1, got 0"):
        clone(model).set_params(n_components=0).partial_fit(data())


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int64, np.float16, np.float64, bool])
def test_model__any_number_type_gives_the_same(dtype: type) -> None:
    x = poisson(200, 30).clip(0, 1).astype(dtype)
    found = IncrementalPCA(2).fit(x)
    np.testing.assert_array_equal(found.components_, IncrementalPCA(2).fit(x.astype(np.float32)).components_)


@pytest.mark.parametrize("solver", ["exact", "randomized"])
@examples(0.2)
@given(batch=st.integers(7, 700))
def test_pca__is_the_exact_one_for_any_batch_size(solver: str, batch: int) -> None:
    x = poisson(700, 120, seed=3)
    found = show(PCA(3, solver), x, batch)
    peer = peers.PCA(3, svd_solver="full").fit(x.astype(np.float64))
    np.testing.assert_allclose(np.abs(found.components_ @ peer.components_.T), np.eye(3), atol=1e-4)
    np.testing.assert_allclose(found.explained_variance_, peer.explained_variance_, rtol=1e-4)
    np.testing.assert_allclose(found.components_, show(PCA(3, solver), x, 100).components_, atol=1e-4)
    np.testing.assert_allclose(found.mean_, peer.mean_, atol=1e-5)


@pytest.mark.parametrize("solver", ["exact", "randomized"])
def test_pca__a_mean_large_against_the_spread_does_not_matter(solver: str) -> None:
    x = (data() + 1e5).astype(np.float32)
    found = show(PCA(3, solver), x, 64)
    assert degrees(found.components_, exact(x)[0]) < 0.01
    np.testing.assert_allclose(found.explained_variance_, exact(x)[1], rtol=1e-5)


def test_pca__randomized_finds_components_in_noise_with_no_gap() -> None:
    x = np.random.default_rng(0).normal(size=(800, 1500)) * np.linspace(1.6, 1, 1500)
    variance = exact(x)[1]
    found = show(PCA(3, "randomized"), x, 200)
    np.testing.assert_allclose(found.explained_variance_, variance, rtol=0.05)
    captured = ((x - x.mean(0)) @ found.components_.T).var(axis=0, ddof=1).sum()
    assert 0.95 * variance.sum() < captured <= variance.sum() * (1 + 1e-6)


def test_pca__seed_chooses_the_random_block() -> None:
    x = np.random.default_rng(0).normal(size=(200, 400))
    one, same, other = (PCA(3, "randomized", seed=seed).fit(x).components_ for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)


def test_pca__exact_refuses_a_covariance_that_is_too_large() -> None:
    with pytest.raises(InputError, match="4096 features or fewer, got 4097; use solver='randomized'"):
        PCA().partial_fit(np.zeros((2, 4097)))


def test_pca__refuses_unknown_solvers_and_wrong_passes() -> None:
    x = data()
    with pytest.raises(UnknownNameError, match="solver"):
        PCA(solver="randomised").fit(x)
    pca = PCA(solver="randomized").partial_fit(x)
    with pytest.raises(InputError, match="0 of 4 times"):
        pca.transform(x)
    pca.end_pass()
    pca.partial_fit(x[:100])
    with pytest.raises(InputError, match="pass 2 showed 100 shots, the first 400"):
        pca.end_pass()
    done = show(PCA(solver="randomized"), x, 400)
    with pytest.raises(InputError, match="4 times already"):
        done.partial_fit(x)


def test_ensemble_pca__is_the_mean_of_members_that_share_out_the_batches() -> None:
    x = poisson()
    batches = np.split(x, 10)
    found = show(EnsemblePCA(3, n_members=4), x, 100)
    bases = [show(IncrementalPCA(3), np.concatenate(batches[i::4]), 100).components_.T for i in range(4)]
    mean = polar(np.mean([basis @ orthogonal_procrustes(basis, bases[0])[0] for basis in bases], axis=0))[0]
    np.testing.assert_allclose(subspace_angles(mean, found.components_.T), 0, atol=1e-3)
    np.testing.assert_allclose(found.spread_, [subspace_angles(basis, mean).max() for basis in bases], atol=1e-3)
    variance = np.cov(found.transform(x).astype(np.float64).T)
    np.testing.assert_allclose(found.explained_variance_, np.diag(variance), rtol=1e-2)
    np.testing.assert_allclose(variance / variance.max(), np.diag(np.diag(variance)) / variance.max(), atol=1e-2)
    assert degrees(found.components_, exact(x)[0]) < 3


def test_ensemble_pca__of_one_member_is_incremental_pca() -> None:
    x = data()
    one, other = show(EnsemblePCA(3, n_members=1), x, 100), show(IncrementalPCA(3), x, 100)
    np.testing.assert_allclose(one.components_, other.components_, atol=1e-4)
    np.testing.assert_allclose(one.explained_variance_, other.explained_variance_, rtol=1e-4)
    np.testing.assert_allclose(one.spread_, 0, atol=1e-3)


def test_ensemble_pca__spread_grows_with_noise() -> None:
    rng = np.random.default_rng(0)
    clear = data(400, 40)
    quiet, loud = (show(EnsemblePCA(2), clear + rng.normal(size=clear.shape) * noise, 50) for noise in (0, 10))
    assert loud.spread_.max() > 2 * quiet.spread_.max()
    assert loud.spread_.shape == (4,)


def test_ensemble_pca__members_without_enough_shots_do_not_vote() -> None:
    x = data()
    found = EnsemblePCA(3, n_members=4).partial_fit(x[:300]).partial_fit(x[300:302])
    assert found.spread_.shape == (1,)
    np.testing.assert_allclose(found.mean_, x[:302].mean(0), atol=1e-5)
    with pytest.raises(InputError, match="8 shots over 4 members leave none with more than 3"):
        show(EnsemblePCA(3, n_members=4), x[:8], 1).transform(x)
    with pytest.raises(InputError, match="n_members must be at least 1, got 0"):
        EnsemblePCA(n_members=0).partial_fit(x)
