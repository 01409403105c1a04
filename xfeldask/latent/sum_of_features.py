"""A coordinate that nothing need be learned for."""

from __future__ import annotations

from typing import ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, TransformerMixin

from xfeldask.latent.linear import checked


class Brightness(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """One coordinate, the sum of a shot's features, such as its photons: for shots too few to fit a space to.

    Attributes
    ----------
    n_features_in_ : int

    Raises
    ------
    InputError
        NaN or infinity, another number of features than it was fitted to.

    Examples
    --------
    >>> Brightness().fit([[1, 2]]).transform([[1, 2], [3, 4]]).tolist()
    [[3.0], [7.0]]
    """

    stored: ClassVar[tuple[str, ...]] = ("n_features_in_",)
    n_features_in_: int

    def fit(self, X: ArrayLike, y: object = None) -> Self:  # noqa: ARG002
        """Take note of the number of features."""
        self.n_features_in_ = checked(X).shape[1]
        return self

    def transform(self, X: ArrayLike) -> NDArray[np.float32]:
        """Coordinates of shots, (shot, 1)."""
        return np.asarray(checked(X, self.n_features_in_).sum(axis=1, keepdims=True, dtype=np.float64), np.float32)
