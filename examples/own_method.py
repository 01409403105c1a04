"""Methods of your own, found by name: a class that learns batch by batch, and an estimator of scikit-learn."""

import sys
import tempfile

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.decomposition import TruncatedSVD

from xfeldask import embed, project, register_method, simulate


class RandomProjection(BaseEstimator):
    """Distances to the mean pattern along random directions, which any other method should beat.

    What ends in "_" is all that a store keeps of it, so that `project` can apply it to other shots.
    """

    def __init__(self, n_components=3, seed=0):
        self.n_components = n_components
        self.seed = seed

    def partial_fit(self, X, y=None):
        if not hasattr(self, "seen_"):
            directions = np.random.default_rng(self.seed).normal(size=(X.shape[1], self.n_components))
            self.components_ = np.linalg.qr(directions).Q.T
            self.seen_, self.mean_ = 0, np.zeros(X.shape[1])
        self.seen_ += len(X)
        self.mean_ = self.mean_ + (X - self.mean_).sum(axis=0) / self.seen_
        return self

    def transform(self, X):
        return (X - self.mean_) @ self.components_.T


def main(n_shots: int = 2000, detector: str = "square-256") -> None:
    register_method("random_projection", RandomProjection)
    register_method("svd", TruncatedSVD)
    stores = [f"{tempfile.mkdtemp()}/{name}.zarr" for name in ("first", "second")]
    for seed, store in enumerate(stores):
        simulate(store, particle="chaperonin", detector=detector, n_shots=n_shots, single_fraction=0.9, seed=seed)
    for method in ("random_projection", "svd"):
        print(embed(stores[0], method=method, n_components=4, sort="elliptic_envelope").latent.std("shot").values)
        print(project(stores[0], method, stores[1]).latent.std("shot").values)


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:2]))
