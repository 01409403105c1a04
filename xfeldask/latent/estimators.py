"""Estimators by name, with scikit-learn's interface."""

from __future__ import annotations

from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, TransformerMixin


class IncrementalPCA(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Principal components of data that come in batches, each read once.

    A batch and the components so far are stacked and decomposed together, as Ross et al. do (Int. J. Computer
    Vision 77, 125, 2008), but through the eigenvectors of the small Gram matrix of the rows instead of an SVD of
    the wide stack.

    Parameters
    ----------
    n_components : int, how many to report
    n_carried : int, how many to carry from batch to batch; those reported are only as good as those that were
        not cut away while they were still small

    Attributes
    ----------
    components_ : float32 (n_components, feature), orthonormal rows
    explained_variance_ : float64 (n_components,), descending
    mean_ : float64 (feature,)
    n_samples_seen_ : int

    Examples
    --------
    >>> x = np.random.default_rng(0).normal(size=(100, 5)) * [9, 5, 1, 1, 1]
    >>> pca = IncrementalPCA(2).partial_fit(x[:60]).partial_fit(x[60:])
    >>> pca.transform(x).shape
    (100, 2)
    """

    def __init__(self, n_components: int = 3, n_carried: int = 20) -> None:
        self.n_components = n_components
        self.n_carried = n_carried

    def fit(self, X: ArrayLike, y: object = None) -> Self:  # noqa: ARG002
        """Fit to one batch alone."""
        self.n_samples_seen_ = 0
        return self.partial_fit(X)

    def partial_fit(self, X: ArrayLike, y: object = None) -> Self:  # noqa: ARG002
        """Take one more batch (shot, feature)."""
        batch = np.asarray(X, np.float32)
        n = len(batch)
        mean = batch.mean(axis=0, dtype=np.float64)
        centered = batch - mean.astype(np.float32)
        seen = getattr(self, "n_samples_seen_", 0)
        if seen == 0:
            rows, self.mean_ = centered, mean
        else:
            shift = np.sqrt(seen * n / (seen + n)) * (self.mean_ - mean)
            rows = np.concatenate([self._scaled, centered, shift.astype(np.float32)[None]])
            self.mean_ = (seen * self.mean_ + n * mean) / (seen + n)
        self.n_samples_seen_ = seen + n
        self._decompose(rows)
        return self

    def transform(self, X: ArrayLike) -> NDArray[np.float32]:
        """Coordinates of shots in the components, (shot, n_components)."""
        centered = np.asarray(X, np.float32) - self.mean_.astype(np.float32)
        return np.asarray(centered @ self.components_.T)

    def _decompose(self, rows: NDArray[np.float32]) -> None:
        squares, vectors = np.linalg.eigh((rows @ rows.T).astype(np.float64))
        keep = slice(None, -1 - min(max(self.n_carried, self.n_components), len(rows)), -1)
        singular = np.sqrt(np.maximum(squares[keep], 0))
        self._scaled = (vectors[:, keep].T.astype(np.float32)) @ rows
        top = min(self.n_components, len(singular))
        scale = np.maximum(singular[:top], np.finfo(np.float32).tiny)
        components = self._scaled[:top] / scale[:, None].astype(np.float32)
        # the sign of an eigenvector is arbitrary: the largest entry is made positive
        largest = np.abs(components).argmax(axis=1)
        self.components_ = components * np.sign(components[np.arange(top), largest])[:, None]
        self.explained_variance_ = singular[:top] ** 2 / max(1, self.n_samples_seen_ - 1)
