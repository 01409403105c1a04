"""Out of core PCA against the exact decomposition."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import decomposition as peers

from tests.latent.tables import data, degrees, exact, poisson, show
from tests.strategies import examples
from xfeldask.errors import InputError, UnknownNameError
from xfeldask.latent.pca import PCA

pytestmark = pytest.mark.rounding


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
