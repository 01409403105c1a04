"""Principal components of data that do not fit in memory and are read several times."""

from __future__ import annotations

from typing import Self

import numpy as np
import scipy.linalg
from numpy.typing import ArrayLike, NDArray

from xfeldask.errors import InputError, UnknownNameError
from xfeldask.latent.linear import LinearModel, NotFittedError

LARGEST_COVARIANCE = 4096  # features; 134 MB
PASSES = 4


class PCA(LinearModel):
    """Principal components as of all the shots at once, which come in batches.

    `solver="exact"` adds up the covariance in float64 and reads the data once. `solver="randomized"` applies the
    covariance, never formed, to a random block of vectors, once a pass and four times, and takes the eigenvectors
    within all that it has seen on the way: a block Krylov space (Musco and Musco, NIPS 28, 1396, 2015).

    Parameters
    ----------
    n_components : int
    solver : "exact" (up to 4096 features) or "randomized"
    n_oversamples : int, vectors in the random block beyond `n_components`
    seed : int, of the random block

    Attributes
    ----------
    components_ : float32 (n_components, feature), orthonormal rows
    explained_variance_ : float64 (n_components,), descending
    mean_ : float64 (feature,)
    n_samples_seen_ : int, of one pass
    n_passes : int, times that all the batches must come, `end_pass` called after each

    Raises
    ------
    InputError
        Too many features for the exact solver, an unknown solver, passes of different lengths or too many of them,
        NaN or infinity, fewer features than components; in `transform`, passes missing or too few shots.

    Examples
    --------
    >>> x = np.random.default_rng(0).normal(size=(100, 5)) * [9, 5, 1, 1, 1]
    >>> one, other = PCA(2).fit(x), PCA(2, solver="randomized").fit(x)
    >>> bool(np.allclose(one.components_, other.components_, atol=1e-4))
    True
    """

    _passes = 0
    _shown = 0
    _reference: NDArray[np.float32]
    _mean: NDArray[np.float64]
    _sum: NDArray[np.float64]
    _product: NDArray[np.float64]
    _probe: NDArray[np.float64]
    _basis: NDArray[np.float64]
    _images: NDArray[np.float64]

    def __init__(self, n_components: int = 3, solver: str = "exact", n_oversamples: int = 20, seed: int = 0) -> None:
        self.n_components = n_components
        self.solver = solver
        self.n_oversamples = n_oversamples
        self.seed = seed

    @property
    def n_passes(self) -> int:
        """Times the data must be shown."""
        return PASSES if self.solver == "randomized" else 1

    def partial_fit(self, X: ArrayLike, y: object = None) -> Self:  # noqa: ARG002
        """Take one more batch (shot, feature)."""
        rows = self._take(X)
        if not hasattr(self, "_reference"):
            self._begin(rows)
        if self._passes == self.n_passes > 1:
            raise InputError(f"the data were shown {self.n_passes} times already; fit a new PCA")
        if self.solver == "exact":
            exact = rows.astype(np.float64) - self._reference
            self._product += exact.T @ exact
            self._sum += exact.sum(axis=0)
        else:
            centered = rows - self._reference
            self._product += centered.T @ (centered @ self._probe.astype(np.float32))
            self._sum += centered.sum(axis=0, dtype=np.float64)
        self._shown += len(rows)
        if not self._passes:
            self.n_samples_seen_ = self._shown
        return self

    def end_pass(self) -> None:
        """Take note that all the data were shown once."""
        if self.solver == "exact":
            return
        if not self._shown or self._shown != self.n_samples_seen_:
            raise InputError(
                f"pass {self._passes + 1} showed {self._shown} shots, the first {self.n_samples_seen_}; "
                "show the same ones"
            )
        image = self._product - np.outer(self._sum, self._sum @ self._probe) / self._shown
        self._basis = np.hstack([self._basis, self._probe])
        self._images = np.hstack([self._images, image])
        known = self._basis.shape[1]
        # Householder's Q is orthonormal even where the new columns depend on the known ones
        self._probe = np.linalg.qr(np.hstack([self._basis, image])).Q[:, known:]
        self._mean = self._reference + self._sum / self._shown
        self._sum, self._product = np.zeros_like(self._sum), np.zeros_like(self._probe)
        self._passes, self._shown = self._passes + 1, 0

    def _begin(self, rows: NDArray[np.float32]) -> None:
        """Start: all rows are taken relative to the mean of the first, so that large offsets do not cancel."""
        features = rows.shape[1]
        if self.solver not in ("exact", "randomized"):
            raise UnknownNameError("solver", self.solver, ("exact", "randomized"))
        if self.solver == "exact" and features > LARGEST_COVARIANCE:
            raise InputError(
                f"the exact solver takes {LARGEST_COVARIANCE} features or fewer, got {features}; "
                "use solver='randomized' or a smaller feature"
            )
        self._reference = rows.mean(axis=0)
        self._sum = np.zeros(features)
        if self.solver == "exact":
            self._product = np.zeros((features, features))
        else:
            start = np.random.default_rng(self.seed).normal(size=(features, self.n_components + self.n_oversamples))
            self._probe = np.linalg.qr(start).Q
            self._product = np.zeros_like(self._probe)
            self._basis, self._images = np.empty((features, 0)), np.empty((features, 0))

    def _solve(self) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        if self.solver == "randomized":
            if self._passes < PASSES:
                raise NotFittedError(f"PCA was shown the data {self._passes} of {PASSES} times; end_pass ends each")
            values, vectors = np.linalg.eigh(self._basis.T @ self._images)
            vectors, mean = self._basis @ vectors, self._mean
        else:
            last = self.n_features_in_ - 1
            scatter = self._product - np.outer(self._sum, self._sum) / self.n_samples_seen_
            values, vectors = scipy.linalg.eigh(scatter, subset_by_index=(last + 1 - self.n_components, last))
            mean = self._reference + self._sum / self.n_samples_seen_
        return values[::-1][: self.n_components], vectors[:, ::-1][:, : self.n_components].T, mean
