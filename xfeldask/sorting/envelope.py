"""From coordinates in a latent space to a verdict on each shot."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.covariance import EllipticEnvelope

from xfeldask.errors import InputError


def elliptic_envelope(
    latent: NDArray[np.floating], contamination: float = 0.1, seed: int = 0
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Flag the shots farthest from a robust Gaussian, the rule of the reference work.

    Parameters
    ----------
    latent : (shot, component)
    contamination : float, part of the shots to flag, above 0 and at most 0.5
    seed : int, of the subsets that the minimum covariance determinant tries

    Returns
    -------
    score : float64 (shot,), positive inside the envelope; larger is more like the bulk
    is_single : bool (shot,)

    Raises
    ------
    InputError
        Too few shots, a contamination out of range, coordinates that are not finite.

    Notes
    -----
    Rousseeuw and Van Driessen, Technometrics 41, 212 (1999), by scikit-learn's EllipticEnvelope.

    Examples
    --------
    >>> points = np.random.default_rng(0).normal(size=(200, 3))
    >>> int(elliptic_envelope(points, contamination=0.05)[1].sum())
    190
    """
    if not 0 < contamination <= 0.5:
        raise InputError(f"contamination must be above 0 and at most 0.5, got {contamination}")
    shots, components = latent.shape
    if shots <= 2 * components:
        raise InputError(f"an envelope of {components} components needs more than {2 * components} shots, got {shots}")
    if not np.isfinite(latent).all():
        raise InputError("the latent coordinates hold NaN or infinity")
    rule = EllipticEnvelope(contamination=contamination, random_state=seed).fit(np.asarray(latent, np.float64))
    score = np.asarray(rule.decision_function(latent), np.float64)
    return score, score >= 0


def outlier_verdict(estimator: object, latent: NDArray[np.floating]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Flag shots by an outlier estimator with scikit-learn's interface.

    Parameters
    ----------
    estimator : with `fit` and `decision_function`, or with `fit_predict` that gives 1 for what is kept; it is copied
    latent : (shot, component)

    Returns
    -------
    score : float64 (shot,), larger is more like the bulk
    is_single : bool (shot,)

    Raises
    ------
    InputError
        An object without these methods, coordinates or scores that are not finite.

    Examples
    --------
    >>> from sklearn.ensemble import IsolationForest
    >>> points = np.random.default_rng(0).normal(size=(200, 3))
    >>> score, kept = outlier_verdict(IsolationForest(contamination=0.1, random_state=0), points)
    >>> int(kept.sum())
    180
    """
    methods = [name for name in ("decision_function", "fit_predict") if callable(getattr(estimator, name, None))]
    if isinstance(estimator, type) or not methods:
        raise InputError("an outlier estimator is an object with fit and decision_function, or with fit_predict")
    if not np.isfinite(latent).all():
        raise InputError("the latent coordinates hold NaN or infinity")
    points, own = np.asarray(latent, np.float64), clone(estimator)
    if "decision_function" in methods:
        score = np.asarray(own.fit(points).decision_function(points), np.float64)
        kept = np.asarray(own.predict(points) == 1) if hasattr(own, "predict") else score >= 0
    else:
        kept = np.asarray(own.fit_predict(points) == 1)
        score = np.asarray(getattr(own, "negative_outlier_factor_", kept), np.float64)
    if not np.isfinite(score).all():
        raise InputError(f"{type(estimator).__name__} gives scores that are not finite")
    return score, kept
