"""What all linear models promise, whatever they are given."""

import copy
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import exceptions
from sklearn.base import clone

from tests.latent.tables import data, degrees, exact, poisson, show
from tests.strategies import examples
from xfeldask.errors import InputError
from xfeldask.latent.ipca import EnsemblePCA, IncrementalPCA
from xfeldask.latent.linear import LinearModel
from xfeldask.latent.pca import PCA

pytestmark = pytest.mark.rounding

MODELS = [
    IncrementalPCA(3),
    PCA(3),
    PCA(3, solver="randomized"),
    EnsemblePCA(3, n_members=2),
]


every_model = pytest.mark.parametrize("model", MODELS, ids=repr)


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
