"""From coordinates in a latent space to a verdict on each shot."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
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
