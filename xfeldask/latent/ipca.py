"""Principal components of data that come in batches, each read once."""

from __future__ import annotations

from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import orthogonal_procrustes, subspace_angles

from xfeldask.errors import InputError
from xfeldask.latent.linear import BLOCK, LinearModel, NotFittedError


class IncrementalPCA(LinearModel):
    """Principal components of data that come in batches, each read once.

    A block of rows and the components so far are stacked and decomposed together, as Ross et al. do (Int. J.
    Computer Vision 77, 125, 2008), but through the eigenvectors of the small Gram matrix of the rows instead of an
    SVD of the wide stack.

    Parameters
    ----------
    n_components : int, how many to report
    n_carried : int, how many to carry from block to block; those reported are only as good as those that were
        not cut away while they were still small

    Attributes
    ----------
    components_ : float32 (n_components, feature), orthonormal rows
    explained_variance_ : float64 (n_components,), descending
    mean_ : float64 (feature,)
    n_samples_seen_ : int

    Raises
    ------
    InputError
        NaN or infinity, fewer features than components, another number of features than before; in `transform`,
        no more shots seen than components.

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

    def partial_fit(self, X: ArrayLike, y: object = None) -> Self:  # noqa: ARG002
        """Take one more batch (shot, feature)."""
        rows = self._take(X)
        for start in range(0, len(rows), BLOCK):
            self._absorb(rows[start : start + BLOCK])
        return self

    def _absorb(self, block: NDArray[np.float32]) -> None:
        seen, total = self.n_samples_seen_, self.n_samples_seen_ + len(block)
        if seen == 0:
            self._mean, self._carried = block[0].astype(np.float64), block[:0]
        carried = len(self._carried)
        rows = np.empty((carried + len(block), block.shape[1]), np.float32)
        rows[:carried] = self._carried
        fresh = rows[carried:]
        np.subtract(block, self._mean.astype(np.float32), out=fresh)
        step = fresh.mean(axis=0)
        # centred here, between the old mean and the block's, the rows' scatter also holds that of the two means
        fresh -= np.float32(1 - np.sqrt(seen / total)) * step
        vectors = np.linalg.eigh((rows @ rows.T).astype(np.float64)).eigenvectors
        keep = vectors[:, ::-1][:, : max(self.n_carried, self.n_components)]
        self._carried = keep.T.astype(np.float32) @ rows
        self._mean += step * (len(block) / total)
        self.n_samples_seen_ = total

    def _solve(self) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        _, singular, vectors = np.linalg.svd(self._carried.astype(np.float64), full_matrices=False)
        return singular[: self.n_components] ** 2, vectors[: self.n_components], self._mean.copy()


class EnsemblePCA(LinearModel):
    """Incremental principal components of several members that share out the batches, averaged.

    Batch i goes to member i mod `n_members`. The members' bases are turned onto the first one's (orthogonal
    Procrustes: Schönemann, Psychometrika 31, 1, 1966), averaged, made orthonormal again (polar factor) and turned to
    the eigenvectors of the pooled covariance within what they span. How far the members are from the average tells
    how much of the result is chance.

    Parameters
    ----------
    n_components : int
    n_members : int
    n_carried : int, see `IncrementalPCA`

    Attributes
    ----------
    components_, explained_variance_, mean_, n_samples_seen_ : see `IncrementalPCA`
    spread_ : float64 (member,), largest principal angle of each member's basis to the average [rad]

    Raises
    ------
    InputError
        See `IncrementalPCA`; no member, no member that has seen enough shots.

    Examples
    --------
    >>> x = np.random.default_rng(0).normal(size=(800, 5)) * [9, 5, 1, 1, 1]
    >>> pca = EnsemblePCA(2, n_members=2).fit(x)
    >>> bool((pca.spread_ < 0.1).all())
    True
    """

    def __init__(self, n_components: int = 3, n_members: int = 4, n_carried: int = 20) -> None:
        self.n_components = n_components
        self.n_members = n_members
        self.n_carried = n_carried

    def partial_fit(self, X: ArrayLike, y: object = None) -> Self:  # noqa: ARG002
        """Give one more batch (shot, feature) to the member whose turn it is."""
        if self.n_members < 1:
            raise InputError(f"n_members must be at least 1, got {self.n_members}")
        rows = self._take(X)
        if not self.n_samples_seen_:
            self._members = [IncrementalPCA(self.n_components, self.n_carried) for _ in range(self.n_members)]
            self._turn = 0
        self._members[self._turn].partial_fit(rows)
        self._turn = (self._turn + 1) % self.n_members
        self.n_samples_seen_ += len(rows)
        return self

    @cached_property
    def spread_(self) -> NDArray[np.float64]:
        """Largest principal angle of each member's basis to the average [rad]."""
        basis = self.components_.T
        return np.array([subspace_angles(member.T, basis).max() for member in self._bases()])

    def _bases(self) -> list[NDArray[np.float32]]:
        bases = [member.components_ for member in self._members if member.n_samples_seen_ > self.n_components]
        if not bases:
            raise NotFittedError(
                f"{self.n_samples_seen_} shots over {self.n_members} members leave none with more than "
                f"{self.n_components}, its number of components; give more shots or fewer members"
            )
        return bases

    def _solve(self) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        bases = [basis.T.astype(np.float64) for basis in self._bases()]
        turned = [basis @ orthogonal_procrustes(basis, bases[0])[0] for basis in bases]
        left, _, right = np.linalg.svd(np.mean(turned, axis=0), full_matrices=False)
        basis = left @ right
        members = [member for member in self._members if member.n_samples_seen_]
        weights = np.array([member.n_samples_seen_ for member in members], np.float64)
        means = np.array([member._mean for member in members])
        mean = np.average(means, axis=0, weights=weights)
        rows = np.concatenate([np.sqrt(weights)[:, None] * (means - mean), *(member._carried for member in members)])
        values, vectors = np.linalg.eigh((rows @ basis).T @ (rows @ basis))
        return values[::-1], (basis @ vectors[:, ::-1]).T, mean
