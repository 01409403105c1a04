"""Clusters of a latent space: shots that lie close together, found without knowing any class."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from xfeldask.errors import InputError
from xfeldask.store.choosing.columns import Column
from xfeldask.store.results.by_name import check_name

if TYPE_CHECKING:
    from sklearn.mixture import GaussianMixture
    from sklearn.neighbors import KNeighborsClassifier

CLUSTER, NO_CLUSTER = "cluster", -1
"""Name of the quantity, and what it is of shots in no cluster."""
SAMPLE, BLOCK = 5000, 100_000
"""Shots that clusters are found among, and shots of a step in which all others are given to them."""
FEWEST, MOST = 20, 20
"""Shots that clusters are found of at the least, and clusters that are kept, the largest ones."""


@dataclass(frozen=True, eq=False)
class Clusters:
    """Shots in clusters.

    Attributes
    ----------
    of : str, the embedding
    values : int8 (shot,), number of the cluster, `NO_CLUSTER` where a shot is in none
    names : of clusters by their numbers, the largest one first

    Examples
    --------
    >>> found = Clusters("pairs", np.array([0, 1, 1, -1], np.int8), {0: "cluster_1", 1: "cluster_2"}).named(1, "ice")
    >>> found.column.classes, found.sizes
    (((-1, 'none'), (0, 'cluster_1'), (1, 'ice')), {0: 1, 1: 2})
    """

    of: str
    values: NDArray[np.int8]
    names: Mapping[int, str]

    @property
    def column(self) -> Column:
        """The clusters as a quantity of shots."""
        classes = ((NO_CLUSTER, "none"), *self.names.items())
        return Column(CLUSTER, f"cluster of {self.of}", "1", self.values, classes)

    @property
    def sizes(self) -> dict[int, int]:
        """Shots of each cluster."""
        return {cluster: int((self.values == cluster).sum()) for cluster in self.names}

    def named(self, cluster: int, name: str) -> Self:
        """Return the same with another name for a cluster; two of one name are one.

        Raises
        ------
        InputError
            What can be no name.
        """
        check_name(name, "a cluster")
        if name == "none":
            raise InputError("'none' is what shots in no cluster have; choose another name for the cluster")
        same = next((other for other, known in self.names.items() if known == name and other != cluster), None)
        if same is None:
            return replace(self, names={**self.names, cluster: name})
        names = {other: known for other, known in self.names.items() if other != cluster}
        return replace(self, values=np.where(self.values == cluster, np.int8(same), self.values), names=names)


def find_clusters(
    latent: NDArray[Any],
    of: str,
    number: int | None = None,
    least: float = 0.01,
    advance: Callable[[int], object] = lambda _: None,
) -> Clusters:
    """Find clusters among a sample of shots, and give each other shot to one.

    Parameters
    ----------
    latent : (shot, component); shots whose components are not finite are in no cluster
    of : str, the embedding
    number : int, of clusters, each a normal distribution of any shape; a shot is in the most likely one (scikit-learn's
        `GaussianMixture`). By default there are as many as are dense, and shots between them are in none (`HDBSCAN`).
    least : float, fraction of the shots that a dense cluster has
    advance : called with how many shots have been given to clusters since it was called last

    Raises
    ------
    InputError
        There are too few shots.

    Examples
    --------
    >>> latent = np.repeat([[0.0, 0], [9, 9]], 50, axis=0) + np.random.default_rng(0).normal(size=(100, 2))
    >>> found = find_clusters(latent, "pairs")
    >>> len(set(found.values[:50].tolist())), bool((found.values[:50] != found.values[50:]).all())
    (1, True)
    """
    there = np.flatnonzero(np.isfinite(latent).all(axis=1))
    if len(there) < FEWEST:
        raise InputError(f"clusters are found of {FEWEST} shots or more, and there are {len(there)}")
    sample = np.sort(np.random.default_rng(0).choice(there, min(SAMPLE, len(there)), replace=False))
    # one number for all components: what is meant by a small variance depends on it, distances do not
    scaled = np.asarray(latent, np.float64) / (latent[sample].std() or 1.0)
    model = _dense(scaled[sample], least) if number is None else _normal(scaled[sample], number)
    values = np.full(len(latent), NO_CLUSTER, np.int64)
    for start in range(0, len(there), BLOCK):
        block = there[start : start + BLOCK]
        values[block] = model.predict(scaled[block])
        advance(len(block))
    return _by_size(values, of)


def _dense(sample: NDArray[np.float64], least: float) -> KNeighborsClassifier:
    from sklearn.cluster import HDBSCAN  # scikit-learn takes a second to import
    from sklearn.neighbors import KNeighborsClassifier

    smallest = max(5, round(least * len(sample)))
    found = HDBSCAN(min_cluster_size=smallest, copy=True).fit_predict(sample)
    return KNeighborsClassifier(1).fit(sample, found)


def _normal(sample: NDArray[np.float64], number: int) -> GaussianMixture:
    from sklearn.mixture import GaussianMixture

    return GaussianMixture(number, n_init=3, max_iter=500, reg_covar=1e-4, random_state=0).fit(sample)


def _by_size(values: NDArray[np.int64], of: str) -> Clusters:
    """Give numbers to clusters by their size, the largest first."""
    found, sizes = np.unique(values[values != NO_CLUSTER], return_counts=True)
    largest = found[np.argsort(-sizes, kind="stable")][:MOST]
    out = np.full(len(values), NO_CLUSTER, np.int8)
    for number, cluster in enumerate(largest):
        out[values == cluster] = number
    return Clusters(of, out, {number: f"{CLUSTER}_{number + 1}" for number in range(len(largest))})
