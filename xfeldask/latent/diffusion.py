"""Diffusion maps: coordinates along a curved surface of shots."""

from __future__ import annotations

from typing import ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import eigh
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.metrics.pairwise import euclidean_distances

from xfeldask.errors import InputError
from xfeldask.latent.linear import NotFittedError, checked, upright


class DiffusionMap(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Diffusion coordinates of a training subset, and of other shots by Nystroem's extension.

    A walker steps between shots x and y with a probability in proportion to exp(-|x - y|^2 / epsilon), divided by
    the density of shots around both to the power of `alpha`. The coordinates are the slowest eigenfunctions of the
    walk, each times its eigenvalue to the power of `time`; that of eigenvalue 1, a constant, is left out.

    Parameters
    ----------
    n_components : int
    n_neighbors : int, the scale epsilon is the median over the subset of the squared distance to this neighbour
    alpha : float, how far the density is divided out: 0 not at all, 1 wholly
    time : float, steps of the walk, 1 or more

    Attributes
    ----------
    landmarks_ : float32 (landmark, feature), the training subset
    eigenvalues_ : float64 (n_components,), descending, within [0, 1]
    eigenvectors_ : float64 (landmark, n_components), of mean square 1 over the stationary distribution
    density_ : float64 (landmark,), sum of the kernel
    epsilon_ : float, in the square of the features' unit

    Raises
    ------
    InputError
        A parameter out of range, NaN or infinity, too few shots, more than half of them in heaps of equals; in
        `transform`, not fitted or another number of features.

    Notes
    -----
    Coifman and Lafon, Appl. Comput. Harmon. Anal. 21, 5 (2006); the extension, Bengio et al., NIPS 16 (2003).
    Memory and time grow as the square of the subset. Groups with no way between them at this scale have eigenvalue 1
    each and come out as points.

    Examples
    --------
    >>> angle = np.linspace(0, 6.28, 100, endpoint=False)
    >>> circle = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    >>> radius = np.linalg.norm(DiffusionMap(2).fit(circle).transform(circle), axis=1)
    >>> bool(radius.std() < 0.01 * radius.mean())
    True
    """

    stored: ClassVar[tuple[str, ...]] = ("landmarks_", "eigenvalues_", "eigenvectors_", "density_", "epsilon_")

    def __init__(self, n_components: int = 3, n_neighbors: int = 10, alpha: float = 1.0, time: float = 1.0) -> None:
        self.n_components = n_components
        self.n_neighbors = n_neighbors
        self.alpha = alpha
        self.time = time

    def fit(self, X: ArrayLike, y: object = None) -> Self:  # noqa: ARG002
        """Learn the map from a training subset (landmark, feature)."""
        landmarks = checked(X)
        self._refuse(len(landmarks))
        squared = euclidean_distances(landmarks, squared=True).astype(np.float64)
        epsilon = float(np.median(np.partition(squared, self.n_neighbors, axis=1)[:, self.n_neighbors]))
        if epsilon == 0:
            raise InputError(
                f"more than half of the {len(landmarks)} training shots have {self.n_neighbors} exact copies, "
                "so there is no scale; leave blank shots out or raise n_neighbors"
            )
        kernel = np.exp(squared / -epsilon)
        self.density_ = kernel.sum(axis=1)
        kernel /= np.outer(self.density_, self.density_) ** self.alpha
        degree = kernel.sum(axis=1)
        kernel /= np.sqrt(np.outer(degree, degree))
        # the constant's part is taken off: were the graph in pieces, eigenvalue 1 would have other vectors too
        constant = np.sqrt(degree / degree.sum())
        kernel -= np.outer(constant, constant)
        # not ARPACK: of groups with no way between them it misses eigenvalues, or takes hours
        last = len(kernel) - 1
        values, vectors = eigh(kernel, subset_by_index=(last - self.n_components + 1, last))
        self.eigenvalues_ = np.clip(values[::-1], 0, 1)
        self.eigenvectors_ = np.ascontiguousarray(upright(vectors.T[::-1] / constant).T)
        self.landmarks_, self.epsilon_ = landmarks, epsilon
        return self

    def transform(self, X: ArrayLike) -> NDArray[np.float32]:
        """Diffusion coordinates of shots, (shot, n_components); those of a landmark are its own."""
        if not hasattr(self, "landmarks_"):
            raise NotFittedError("DiffusionMap has not seen any shots; call fit first")
        squared = euclidean_distances(checked(X, self.landmarks_.shape[1]), self.landmarks_, squared=True)
        squared = squared.astype(np.float64)
        # only ratios within a row count: a shot far from all landmarks must not get 0 / 0
        kernel = np.exp((squared.min(axis=1, keepdims=True) - squared) / self.epsilon_) / self.density_**self.alpha
        steps = kernel / kernel.sum(axis=1, keepdims=True)
        return np.asarray(steps @ self.eigenvectors_ * self.eigenvalues_ ** (self.time - 1), np.float32)

    def _refuse(self, shots: int) -> None:
        if self.n_components < 1 or self.n_neighbors < 1:
            raise InputError(
                f"n_components and n_neighbors must be at least 1, got {self.n_components} and {self.n_neighbors}"
            )
        if not 0 <= self.alpha <= 1:
            raise InputError(f"alpha must be between 0 and 1, got {self.alpha}")
        if not self.time >= 1:
            raise InputError(f"time must be 1 step or more, got {self.time}")
        needed = 1 + max(self.n_components, self.n_neighbors)
        if shots < needed:
            raise InputError(
                f"{self.n_components} components and {self.n_neighbors} neighbours need {needed} training shots or "
                f"more, got {shots}"
            )
