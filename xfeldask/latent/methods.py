"""Methods: what embeds shots. Found by name; users add their own; as plain arrays in a store."""

from __future__ import annotations

import copy
import json
import warnings
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import clone

from xfeldask.errors import InputError
from xfeldask.latent.diffusion import DiffusionMap
from xfeldask.latent.ipca import EnsemblePCA, IncrementalPCA
from xfeldask.latent.pca import PCA
from xfeldask.latent.sum_of_features import Brightness
from xfeldask.registry import Registry, call


class Method(Protocol):
    """What embeds shots: an estimator with scikit-learn's interface, arrays in and arrays out.

    It learns by `partial_fit` from batches of all shots, or else by `fit` from an even subset of them. What it has
    learned are numbers and arrays in attributes that end in "_", all that a store keeps of it besides `get_params`.
    One that needs the data several times says so by `n_passes` and gets `end_pass` called after each. One with
    `components_`, `mean_` and `explained_variance_` is linear: it stops early once these have settled, and its
    components are stored as images.

    Examples
    --------
    >>> class Brightness:
    ...     def fit(self, X):
    ...         return self
    ...     def transform(self, X):
    ...         return np.asarray(X).sum(axis=1, keepdims=True)
    >>> make_estimator(Brightness(), 1).transform([[1, 2], [3, 4]]).tolist()
    [[3], [7]]
    """

    def transform(self, X: ArrayLike, /) -> Any:
        """Coordinates of shots, (shot, component)."""


METHODS: Registry[Callable[..., Method]] = Registry(
    "method",
    {
        "ipca": IncrementalPCA,
        "pca": partial(PCA, solver="randomized"),
        "diffusion_map": DiffusionMap,
        "ensemble_pca": EnsemblePCA,
        "brightness": Brightness,
    },
)
"""Makers of methods by name."""


def register_method(name: str, maker: Callable[..., Method]) -> None:
    """Let a method of your own be found by name, as ``method=name`` of `embed`.

    Parameters
    ----------
    name : str
    maker : callable, a class or a function that returns an unfitted `Method`; called with those of `n_components`,
        `seed` and `random_state` that it takes

    Raises
    ------
    InputError
        A name that is no identifier, or that of a method of this package.

    Examples
    --------
    >>> from sklearn.decomposition import NMF
    >>> register_method("factors", NMF)
    >>> make_estimator("factors", 4)
    NMF(n_components=4, random_state=0)
    """
    METHODS.register(name, maker)


def make_estimator(method: str | object, n_components: int, seed: int = 0) -> Method:
    """Make an unfitted estimator of a method.

    Parameters
    ----------
    method : a name in `METHODS`, or an object with scikit-learn's `transform` and `fit` or `partial_fit`, which is
        copied and keeps its own parameters
    n_components : int, for a named method
    seed : int, for a named method that draws

    Raises
    ------
    InputError
        An unknown name, a class instead of an object, an object that lacks a method, `n_components` below 1 or no whole
        number.

    Examples
    --------
    >>> make_estimator("ipca", 5)
    IncrementalPCA(n_components=5)
    """
    if isinstance(method, str):
        maker = METHODS[method]
        if not isinstance(n_components, int | np.integer):
            raise InputError(f"n_components must be a whole number, got {n_components!r}")
        if n_components < 1:
            raise InputError(f"n_components must be at least 1, got {n_components}")
        return checked_method(call(maker, n_components=n_components, seed=seed, random_state=seed))
    return _copied(checked_method(method))


def checked_method(method: object) -> Method:
    """Return an object that can embed shots.

    Raises
    ------
    InputError
        A class instead of an object, or an object that lacks a method.

    Examples
    --------
    >>> checked_method(PCA(2)).n_components
    2
    >>> checked_method(PCA)
    Traceback (most recent call last):
    ...
    xfeldask.errors.InputError: the method is the class PCA; pass an object of it, PCA(...)
    """
    if isinstance(method, type):
        raise InputError(f"the method is the class {method.__name__}; pass an object of it, {method.__name__}(...)")
    learns = any(callable(getattr(method, name, None)) for name in ("fit", "partial_fit"))
    if not learns or not callable(getattr(method, "transform", None)):
        raise InputError(
            f"the method {type(method).__name__} must have transform, and fit or partial_fit, as scikit-learn's do"
        )
    found: Method = method  # type: ignore[assignment]
    return found


def fitted_arrays(estimator: object) -> dict[str, NDArray[Any]]:
    """Return what a fitted estimator has learned: public attributes that end in "_" and are numbers, by name.

    Examples
    --------
    >>> sorted(fitted_arrays(IncrementalPCA(1).fit([[1, 2], [3, 5]])))
    ['components_', 'explained_variance_', 'mean_', 'n_features_in_', 'n_samples_seen_']
    """
    found = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of attributes that are to go away
        for name in dir(estimator):
            if name.endswith("_") and not name.startswith("_"):
                value = getattr(estimator, name, None)
                if isinstance(value, np.ndarray | np.generic | bool | int | float | complex):
                    array = np.asarray(value)
                    if array.dtype.kind in "buifc":
                        found[name] = array
    return found


def restore(method: str, parameters: Mapping[str, Any], arrays: Mapping[str, ArrayLike]) -> Method:
    """Return the fitted estimator of a named method from its parameters and `fitted_arrays`.

    Those of this package transform to the same bits as the one that the arrays came from.

    Parameters
    ----------
    method : a name in `METHODS`
    parameters : as of the estimator's `get_params`
    arrays : as of `fitted_arrays`

    Raises
    ------
    InputError
        An unknown name or parameter, an array missing or with a name that is not one of a fitted attribute.

    Examples
    --------
    >>> fitted = IncrementalPCA(1).fit([[1, 2], [3, 5]])
    >>> restore("ipca", fitted.get_params(), fitted_arrays(fitted)).transform([[2, 3.5]]).tolist()
    [[0.0]]
    """
    kind: Any = type(make_estimator(method, 1))
    try:
        estimator = kind(**parameters)
    except TypeError as error:
        raise InputError(f"parameters {sorted(parameters)} do not fit the method {method}: {error}") from error
    needed = getattr(estimator, "stored", ())
    if missing := [name for name in needed if name not in arrays]:
        raise InputError(f"a model of {method} needs the arrays {', '.join(needed)}; missing: {missing}")
    for name, value in arrays.items():
        if name.startswith("_") or not name.endswith("_"):
            raise InputError(f"{name!r} is no fitted attribute; leave it out")
        array = np.asarray(value)
        # BLAS may round otherwise for another order in memory
        setattr(estimator, name, np.ascontiguousarray(array) if array.ndim else array.item())
    restored: Method = estimator
    return restored


def own_parameters(estimator: object) -> dict[str, Any] | str:
    """Return what `restore` needs to make an estimator again; how it shows itself where it cannot be made again.

    Examples
    --------
    >>> own_parameters(IncrementalPCA(1))
    {'n_carried': 20, 'n_components': 1}
    """
    try:
        told: dict[str, Any] = estimator.get_params()  # type: ignore[attr-defined]
        json.dumps(told)
    except (AttributeError, TypeError, ValueError):
        return repr(estimator)
    return told


def size_learned(arrays: Mapping[str, NDArray[Any]]) -> int | None:
    """Length of the rows that a fitted estimator takes; None where its arrays do not tell.

    Examples
    --------
    >>> size_learned({"mean_": np.zeros(5)})
    5
    """
    for name in ("mean_", "landmarks_", "components_"):
        if name in arrays and arrays[name].ndim:
            return int(arrays[name].shape[-1])
    return int(arrays["n_features_in_"]) if "n_features_in_" in arrays else None


def is_linear(estimator: object) -> bool:
    """Whether a fitted estimator has `components_` and `mean_`, pictures of its own.

    Examples
    --------
    >>> is_linear(IncrementalPCA(1).fit([[1, 2], [3, 5]])), is_linear(DiffusionMap())
    (True, False)
    """
    return hasattr(estimator, "components_") and hasattr(estimator, "mean_")


def _copied(estimator: Method) -> Method:
    try:
        fresh: Method = clone(estimator)
    except (TypeError, RuntimeError):  # no parameters to copy by
        fresh = copy.deepcopy(estimator)
    return fresh
