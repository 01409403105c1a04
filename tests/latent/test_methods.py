"""Estimators by name, users' own ones, and models as arrays."""

import numpy as np
import pytest
from sklearn import decomposition
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from xfeldask.errors import InputError, UnknownNameError
from xfeldask.latent.diffusion import DiffusionMap
from xfeldask.latent.methods import (
    METHODS,
    fitted_arrays,
    is_linear,
    make_estimator,
    own_parameters,
    register_method,
    restore,
    size_learned,
)

pytestmark = pytest.mark.rounding

X = np.random.default_rng(0).normal(size=(500, 20)) * np.linspace(5, 1, 20)


@pytest.mark.parametrize("method", METHODS)
def test_make_estimator__a_name_gives_an_unfitted_estimator_of_so_many_components(method: str) -> None:
    made = make_estimator(method, 4, seed=5)
    size = 1 if method == "brightness" else 4
    assert made.get_params().get("n_components", 1) == size
    assert made.get_params().get("seed", 5) == 5
    assert not {name for name in vars(made) if name.endswith("_")}
    assert made.fit(X).transform(X[:7]).shape == (7, size)


def test_make_estimator__refuses_a_part_of_a_component() -> None:
    with pytest.raises(InputError, match=r"n_components must be a whole number, got 2\.5"):
        make_estimator("ipca", 2.5)
    assert make_estimator("ipca", np.int64(2)).n_components == 2


@pytest.mark.parametrize("method", METHODS)
def test_restore__transforms_to_the_same_bits(method: str) -> None:
    fitted = make_estimator(method, 3).fit(X)
    # as a store gives them back: other memory, scalars as arrays of no dimension
    arrays = {name: np.array(array.tolist(), array.dtype) for name, array in fitted_arrays(fitted).items()}
    again = restore(method, fitted.get_params(), arrays)
    assert again.get_params() == fitted.get_params()
    assert again.transform(X).tobytes() == fitted.transform(X).tobytes()
    found = fitted_arrays(again)
    assert found.keys() == arrays.keys()
    for name, array in arrays.items():
        np.testing.assert_array_equal(found[name], array)


@pytest.mark.parametrize("method", ["ipca", "pca", "ensemble_pca"])
def test_restore__a_restored_model_does_not_learn_on(method: str) -> None:
    fitted = make_estimator(method, 3).fit(X)
    again = restore(method, fitted.get_params(), fitted_arrays(fitted))
    with pytest.raises(InputError, match="can transform but not learn; fit a new one"):
        again.partial_fit(X)
    np.testing.assert_array_equal(clone(again).fit(X).transform(X), fitted.transform(X))
    np.testing.assert_array_equal(again.fit(X).transform(X), fitted.transform(X))


def test_restore__refuses_what_is_no_model() -> None:
    fitted = make_estimator("ipca", 3).fit(X)
    parameters, arrays = fitted.get_params(), fitted_arrays(fitted)
    with pytest.raises(UnknownNameError, match="did you mean ipca"):
        restore("icpa", parameters, arrays)
    with pytest.raises(InputError, match="do not fit the method ipca"):
        restore("ipca", {"n_component": 3}, arrays)
    with pytest.raises(InputError, match=r"missing:.*mean_"):
        restore("ipca", parameters, {"components_": arrays["components_"]})
    with pytest.raises(InputError, match="'transform' is no fitted attribute"):
        restore("ipca", parameters, arrays | {"transform": np.zeros(3)})


@pytest.mark.parametrize(
    "own",
    [
        decomposition.PCA(3),
        decomposition.TruncatedSVD(3),
        decomposition.KernelPCA(3, kernel="rbf"),
        decomposition.IncrementalPCA(3),
        make_pipeline(StandardScaler(), decomposition.PCA(3)),
    ],
    ids=lambda own: type(own).__name__,
)
def test_make_estimator__a_users_object_is_copied_and_stays_unfitted(own) -> None:
    before = set(vars(own))
    made = make_estimator(own, 7)
    assert made is not own
    assert type(made) is type(own)
    assert made.fit(X).transform(X).shape == (500, 3)
    assert set(vars(own)) == before


def test_make_estimator__an_object_that_scikit_learn_cannot_clone_is_deep_copied() -> None:
    class Sums:
        def __init__(self) -> None:
            self.seen: list[int] = []

        def partial_fit(self, x):
            self.seen.append(len(x))
            return self

        def transform(self, x):
            return x.sum(axis=1, keepdims=True)

    own = Sums()
    make_estimator(own, 1).partial_fit(X)
    assert own.seen == []


@pytest.mark.parametrize(
    ("method", "told"),
    [
        ("umap", "unknown method 'umap'"),
        (decomposition.PCA, r"class PCA; pass an object of it, PCA\(...\)"),
        (object(), "object must have transform, and fit or partial_fit"),
        (None, "NoneType must have transform"),
    ],
)
def test_make_estimator__refuses_what_cannot_embed(method: object, told: str) -> None:
    with pytest.raises(InputError, match=told):
        make_estimator(method, 3)


def test_make_estimator__refuses_no_components() -> None:
    with pytest.raises(InputError, match="n_components must be at least 1, got 0"):
        make_estimator("ipca", 0)


def test_fitted_arrays__of_a_scikit_learn_object_are_its_numbers() -> None:
    fitted = decomposition.PCA(3).fit(X)
    found = fitted_arrays(fitted)
    np.testing.assert_array_equal(found["components_"], fitted.components_)
    np.testing.assert_array_equal(found["mean_"], fitted.mean_)
    assert found["n_samples_"].shape == ()
    assert {array.dtype.kind for array in found.values()} <= set("buifc")
    assert fitted_arrays(clone(fitted)) == {}


def test_fitted_arrays__of_the_ensemble_hold_its_spread() -> None:
    assert fitted_arrays(make_estimator("ensemble_pca", 3).fit(X))["spread_"].shape == (4,)


def test_is_linear__tells_components_and_mean() -> None:
    assert all(is_linear(make_estimator(name, 3).fit(X)) for name in ("ipca", "pca", "ensemble_pca"))
    assert is_linear(decomposition.PCA(3).fit(X))
    assert not is_linear(decomposition.TruncatedSVD(3).fit(X))
    assert not is_linear(DiffusionMap().fit(X))
    assert not is_linear(make_estimator("ipca", 3))


@pytest.fixture
def registered():
    """Names that a test registers go when it ends."""
    before = dict(METHODS._things)
    yield
    METHODS._things.clear()
    METHODS._things.update(before)


@pytest.mark.usefixtures("registered")
@pytest.mark.parametrize("kind", [decomposition.TruncatedSVD, decomposition.FastICA, decomposition.IncrementalPCA])
def test_register_method__an_estimator_of_scikit_learn_is_found_and_comes_back(kind: type) -> None:
    register_method("theirs", kind)
    fitted = make_estimator("theirs", 3, seed=5).fit(X)
    assert fitted.get_params().get("random_state", 5) == 5
    again = restore("theirs", own_parameters(fitted), fitted_arrays(fitted))
    np.testing.assert_allclose(again.transform(X), fitted.transform(X), rtol=1e-9, atol=1e-12)
    assert size_learned(fitted_arrays(fitted)) == 20


@pytest.mark.usefixtures("registered")
def test_register_method__one_without_parameters_is_how_it_shows_itself() -> None:
    class Sums:
        def fit(self, x):
            return self

        def transform(self, x):
            return x.sum(axis=1, keepdims=True)

        def __repr__(self):
            return "Sums()"

    register_method("sums", Sums)
    assert own_parameters(make_estimator("sums", 3)) == "Sums()"
    assert size_learned(fitted_arrays(make_estimator("sums", 3))) is None
    register_method("rules", lambda n_components: object())
    with pytest.raises(InputError, match="object must have transform"):
        make_estimator("rules", 3)
    with pytest.raises(InputError, match="there is a method 'ipca' in xfeldask itself"):
        register_method("ipca", Sums)
