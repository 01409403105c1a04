"""Incremental PCA against the exact decomposition."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import subspace_angles
from sklearn.base import clone

from xfeldask.latent.estimators import IncrementalPCA


def data(shots: int = 400, features: int = 60, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    scale = 10.0 * 0.6 ** np.arange(features)
    rotation = np.linalg.qr(rng.normal(size=(features, features)))[0]
    return (rng.normal(size=(shots, features)) * scale) @ rotation + rng.normal(size=features) * 5


@settings(max_examples=20, deadline=None)
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
