"""Shots as tables of features, and what an exact decomposition makes of them."""

import numpy as np
from scipy.linalg import subspace_angles

from xfeldask.latent.linear import LinearModel


def data(shots: int = 400, features: int = 60, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    scale = 10.0 * 0.6 ** np.arange(features)
    rotation = np.linalg.qr(rng.normal(size=(features, features)))[0]
    return (rng.normal(size=(shots, features)) * scale) @ rotation + rng.normal(size=features) * 5


def poisson(shots: int = 1000, features: int = 300, seed: int = 0) -> np.ndarray:
    """Counts whose rates follow five latent directions and a brightness that varies."""
    rng = np.random.default_rng(seed)
    pattern = rng.gamma(0.5, size=(6, features))
    weights = rng.gamma(4, 0.25, size=(shots, 6)) * [2.0, 1.6, 1.2, 0.4, 0.3, 0.2]
    return rng.poisson(weights @ pattern).astype(np.float32)


def show(model: LinearModel, x: np.ndarray, batch: int) -> LinearModel:
    for _ in range(model.n_passes):
        for start in range(0, len(x), batch):
            model.partial_fit(x[start : start + batch])
        model.end_pass()
    return model


def exact(x: np.ndarray, n: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Components and variances by an SVD of everything in float64."""
    x = x.astype(np.float64)
    _, singular, vectors = np.linalg.svd(x - x.mean(0), full_matrices=False)
    return vectors[:n], singular[:n] ** 2 / (len(x) - 1)


def degrees(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.degrees(subspace_angles(np.asarray(a, float).T, np.asarray(b, float).T).max()))
