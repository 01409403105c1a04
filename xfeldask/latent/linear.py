"""What the linear estimators share: checked input, a sign rule, the projection."""

from __future__ import annotations

from functools import cached_property
from typing import ClassVar, NamedTuple, Self

import numpy as np
import sklearn.exceptions
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, TransformerMixin

from xfeldask.errors import InputError

BLOCK = 128  # rows decomposed together: their Gram matrix costs rows squared, and they should stay in the cache
LARGEST = 1e15  # of a value: squares of it still add up in float32


class NotFittedError(InputError, sklearn.exceptions.NotFittedError):  # type: ignore[misc]
    """A model that was asked before it had learned; `hasattr` takes it for a missing attribute.

    Examples
    --------
    >>> from xfeldask.latent.pca import PCA
    >>> PCA(1).fit([[1.0, 2.0]]).transform([[1.0, 2.0]])
    Traceback (most recent call last):
    ...
    xfeldask.latent.linear.NotFittedError: PCA has seen 1 shots; 1 components need 2 or more
    """


class Solution(NamedTuple):
    """What a linear estimator finds: components, their variances, the mean."""

    components: NDArray[np.float32]
    explained_variance: NDArray[np.float64]
    mean: NDArray[np.float64]


def checked(X: ArrayLike, features: int | None = None) -> NDArray[np.float32]:
    """Rows of finite numbers as float32 (shot, feature).

    Raises
    ------
    InputError
        No table of numbers, NaN or infinity, another number of features than `features`.

    Examples
    --------
    >>> checked([[1, 2], [3, 4]]).dtype.name
    'float32'
    """
    given = np.asarray(X)
    if given.ndim != 2 or given.dtype.kind not in "buif":
        raise InputError(f"features must be real numbers (shot, feature), got {given.dtype} of shape {given.shape}")
    if features not in (None, given.shape[1]):
        raise InputError(f"the model knows {features} features a shot, got {given.shape[1]}; give all shots the same")
    # NaN fails every comparison
    if given.size and not (float(given.min()) >= -LARGEST and float(given.max()) <= LARGEST):
        raise InputError(f"features hold NaN, infinity or values beyond {LARGEST:g}; mask such pixels first")
    return np.asarray(given, np.float32)


def upright(vectors: NDArray[np.floating]) -> NDArray[np.floating]:
    """Rows with the sign that makes the entry of largest magnitude positive.

    Examples
    --------
    >>> upright(np.array([[0.5, -2.0], [3.0, 1.0]])).tolist()
    [[-0.5, 2.0], [3.0, 1.0]]
    """
    largest = np.take_along_axis(vectors, np.abs(vectors).argmax(axis=1)[:, None], axis=1)
    return np.asarray(np.where(largest < 0, -vectors, vectors))


class LinearModel(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Estimator with `components_`, `explained_variance_` and `mean_`, worked out when first asked for.

    A subclass has `partial_fit`, which starts with `_take`, and `_solve`.

    Examples
    --------
    >>> from xfeldask.latent.pca import PCA
    >>> model = PCA(1).fit([[0, 1], [2, 1], [4, 1], [6, 1]])
    >>> model.components_.round(6).tolist(), model.mean_.tolist()
    ([[1.0, 0.0]], [3.0, 1.0])
    >>> model.transform([[3, 1], [5, 9]]).ravel().round(4).tolist()
    [0.0, 2.0]
    """

    n_components: int
    n_samples_seen_ = 0
    stored: ClassVar[tuple[str, ...]] = ("components_", "mean_")

    @property
    def n_passes(self) -> int:
        """Times the data must be shown."""
        return 1

    def end_pass(self) -> None:
        """Take note that all the data were shown once."""

    def fit(self, X: ArrayLike, y: object = None) -> Self:  # noqa: ARG002
        """Forget all and learn from these shots alone, a block after the other."""
        rows = checked(X)
        for name in vars(self).keys() - self.get_params().keys():
            delattr(self, name)
        for _ in range(self.n_passes):
            for start in range(0, len(rows), BLOCK):
                self.partial_fit(rows[start : start + BLOCK])
            self.end_pass()
        return self

    def partial_fit(self, X: ArrayLike, y: object = None) -> Self:
        """Take one more batch (shot, feature)."""
        raise NotImplementedError

    def transform(self, X: ArrayLike) -> NDArray[np.float32]:
        """Coordinates of shots in the components, (shot, n_components)."""
        components, mean = self.components_, self.mean_
        centered = checked(X, len(mean)) - mean.astype(np.float32)
        return np.asarray(centered @ components.T)

    @cached_property
    def components_(self) -> NDArray[np.float32]:
        """Orthonormal rows (n_components, feature)."""
        return self._solution.components

    @cached_property
    def explained_variance_(self) -> NDArray[np.float64]:
        """Variance along each component, descending."""
        return self._solution.explained_variance

    @cached_property
    def mean_(self) -> NDArray[np.float64]:
        """Mean of the features (feature,)."""
        return self._solution.mean

    @cached_property
    def _solution(self) -> Solution:
        if self.n_samples_seen_ <= self.n_components:
            raise NotFittedError(
                f"{type(self).__name__} has seen {self.n_samples_seen_} shots; "
                f"{self.n_components} components need {self.n_components + 1} or more"
            )
        values, vectors, mean = self._solve()
        components = np.ascontiguousarray(upright(vectors), np.float32)
        return Solution(components, np.maximum(values, 0) / (self.n_samples_seen_ - 1), mean)

    def _solve(self) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Largest eigenvalues of the scatter matrix, descending, their eigenvectors as rows, and the mean."""
        raise NotImplementedError

    def _take(self, X: ArrayLike) -> NDArray[np.float32]:
        if "components_" in vars(self) and "_solution" not in vars(self):
            raise InputError(f"a restored {type(self).__name__} can transform but not learn; fit a new one")
        if self.n_components < 1:
            raise InputError(f"n_components must be at least 1, got {self.n_components}")
        rows = checked(X, getattr(self, "n_features_in_", None))
        if not len(rows):
            raise InputError("a batch of no shots cannot be learned from; leave it out")
        if rows.shape[1] < self.n_components:
            raise InputError(f"{self.n_components} components need as many features or more, got {rows.shape[1]}")
        for name in [name for name in vars(self) if isinstance(getattr(type(self), name, None), cached_property)]:
            delattr(self, name)
        self.n_features_in_ = rows.shape[1]
        return rows
