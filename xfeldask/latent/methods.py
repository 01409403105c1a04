"""Methods by name, users' own estimators, and models as plain arrays."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import clone

from xfeldask.errors import InputError, UnknownNameError
from xfeldask.latent.diffusion import DiffusionMap
from xfeldask.latent.ipca import EnsemblePCA, IncrementalPCA
from xfeldask.latent.pca import PCA


class Estimator(Protocol):
    """What embeds shots; it learns by `partial_fit` from batches of them all, or by `fit` from a subset."""

    def transform(self, X: ArrayLike, /) -> Any:
        """Coordinates of shots, (shot, component)."""


METHODS: dict[str, Callable[[int, int], Estimator]] = {
    "ipca": lambda n_components, seed: IncrementalPCA(n_components),  # noqa: ARG005
    "pca": lambda n_components, seed: PCA(n_components, solver="randomized", seed=seed),
    "diffusion_map": lambda n_components, seed: DiffusionMap(n_components),  # noqa: ARG005
    "ensemble_pca": lambda n_components, seed: EnsemblePCA(n_components),  # noqa: ARG005
}


def make_estimator(method: str | object, n_components: int, seed: int = 0) -> Estimator:
    """Unfitted estimator of a method.

    Parameters
    ----------
    method : a name in `METHODS`, or an object with scikit-learn's `transform` and `fit` or `partial_fit`, which is
        copied and keeps its own parameters
    n_components : int, for a named method
    seed : int, for a named method that draws

    Raises
    ------
    InputError
        An unknown name, a class instead of an object, an object that lacks a method, `n_components` below 1.

    Examples
    --------
    >>> make_estimator("ipca", 5)
    IncrementalPCA(n_components=5)
    """
    if isinstance(method, str):
        if method not in METHODS:
            raise UnknownNameError("method", method, METHODS)
        if n_components < 1:
            raise InputError(f"n_components must be at least 1, got {n_components}")
        return METHODS[method](n_components, seed)
    if isinstance(method, type):
        raise InputError(f"the method is the class {method.__name__}; pass an object of it, {method.__name__}(...)")
    learns = any(callable(getattr(method, name, None)) for name in ("fit", "partial_fit"))
    if not learns or not callable(getattr(method, "transform", None)):
        raise InputError(
            f"the method {type(method).__name__} must have transform, and fit or partial_fit, as scikit-learn's do"
        )
    return _copied(method)


def fitted_arrays(estimator: object) -> dict[str, NDArray[Any]]:
    """What a fitted estimator has learned: public attributes that end in "_" and are numbers, by name.

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


def restore(method: str, parameters: Mapping[str, Any], arrays: Mapping[str, ArrayLike]) -> Estimator:
    """Fitted estimator of a named method from its parameters and `fitted_arrays`; it transforms to the same bits.

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
    if method not in METHODS:
        raise UnknownNameError("method", method, METHODS)
    kind: Any = type(METHODS[method](1, 0))
    try:
        estimator = kind(**parameters)
    except TypeError as error:
        raise InputError(f"parameters {sorted(parameters)} do not fit the method {method}: {error}") from error
    if missing := [name for name in estimator.stored if name not in arrays]:
        raise InputError(f"a model of {method} needs the arrays {', '.join(estimator.stored)}; missing: {missing}")
    for name, value in arrays.items():
        if name.startswith("_") or not name.endswith("_"):
            raise InputError(f"{name!r} is no fitted attribute; leave it out")
        array = np.asarray(value)
        # BLAS may round otherwise for another order in memory
        setattr(estimator, name, np.ascontiguousarray(array) if array.ndim else array.item())
    restored: Estimator = estimator
    return restored


def is_linear(estimator: object) -> bool:
    """Whether a fitted estimator has `components_` and `mean_`, pictures of its own.

    Examples
    --------
    >>> is_linear(IncrementalPCA(1).fit([[1, 2], [3, 5]])), is_linear(DiffusionMap())
    (True, False)
    """
    return hasattr(estimator, "components_") and hasattr(estimator, "mean_")


def _copied(estimator: object) -> Estimator:
    try:
        fresh: Estimator = clone(estimator)
    except (TypeError, RuntimeError):  # no parameters to copy by
        fresh = copy.deepcopy(estimator)  # type: ignore[assignment]
    return fresh
