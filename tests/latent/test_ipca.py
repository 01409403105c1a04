"""Incremental and ensemble PCA against the exact decomposition."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.linalg import orthogonal_procrustes, polar, subspace_angles
from sklearn import decomposition as peers
from sklearn.base import clone

from tests.latent.tables import data, degrees, exact, poisson, show
from tests.strategies import examples
from xfeldask.errors import InputError
from xfeldask.latent.ipca import EnsemblePCA, IncrementalPCA

pytestmark = pytest.mark.rounding


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
