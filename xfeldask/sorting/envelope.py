"""The rule of the reference work: the shots farthest from a robust Gaussian in the latent space are rejected."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from xfeldask.errors import InputError, XfeldaskWarning
from xfeldask.schema import LATENT, MULTIPLE, SINGLE
from xfeldask.sorting.decision import Decision
from xfeldask.sorting.protocol import Allowance, Columns, Rule, Shots

FLAT = "The covariance matrix associated to your dataset is not full rank"
"""How scikit-learn's warning begins where shots lie in a plane."""


class EnvelopeRule(Rule):
    """Flags the shots outside an ellipsoid about the bulk of the coordinates, a fraction that is chosen beforehand.

    Parameters
    ----------
    seed : int, of the subsets that the minimum covariance determinant tries

    Attributes
    ----------
    location_ : float64 (component,), robust mean
    precision_ : float64 (component, component), inverse of the robust covariance

    Raises
    ------
    InputError
        Too few shots, coordinates that are not finite, or of which too many are equal.

    Warns
    -----
    XfeldaskWarning
        Coordinates that lie in a plane: nothing is known of distances across it.

    Notes
    -----
    Rousseeuw and Van Driessen, Technometrics 41, 212 (1999), by scikit-learn's MinCovDet; verdicts are those of its
    EllipticEnvelope.

    Examples
    --------
    >>> rule = EnvelopeRule.restore({"location_": np.zeros(2), "precision_": np.eye(2)})
    >>> evidence = rule.evidence({"latent": np.array([[0.0, 1], [1, 1], [3, 4], [2, 0]])})
    >>> evidence["envelope_distance"].round(6).tolist()
    [1.0, 2.0, 25.0, 4.0]
    >>> columns, _ = rule.decide(evidence, Allowance(contamination=0.25))
    >>> columns["is_single"].tolist()
    [True, True, False, True]
    """

    needs = ("latent",)
    columns = (LATENT["envelope_distance"],)
    allowance = "contamination"

    location_: NDArray[np.float64]
    precision_: NDArray[np.float64]

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed

    def fit(self, shots: Shots) -> Self:
        """Learn the ellipsoid from the coordinates of all shots."""
        from sklearn.covariance import MinCovDet  # scikit-learn takes a second to import

        latent = np.asarray(shots.read("latent"), np.float64)
        n, components = latent.shape
        if n <= 2 * components:
            raise InputError(f"an envelope of {components} components needs more than {2 * components} shots, got {n}")
        if not np.isfinite(latent).all():
            raise InputError("the latent coordinates hold NaN or infinity")
        try:
            with warnings.catch_warnings(record=True) as told:
                # others tell of steps in between, and not of what was found
                warnings.simplefilter("always")
                found = MinCovDet(random_state=self.seed).fit(latent)
        except ValueError as error:
            raise InputError(
                f"no envelope fits the coordinates ({error}); too many of them are equal or lie in a plane, so embed "
                "with fewer components or sort by another rule"
            ) from error
        if any(re.match(FLAT, str(one.message)) for one in told):
            warnings.warn(
                f"the {components} coordinates of the shots lie in a plane, so the envelope says "
                "nothing of distances across it; embed with fewer components or sort by another rule",
                XfeldaskWarning,
                stacklevel=2,
            )
        self.location_, self.precision_ = found.location_, found.get_precision()
        return self

    def evidence(self, shots: Mapping[str, NDArray[Any]]) -> Columns:
        """Compute the squared Mahalanobis distance of shots.

        Raises
        ------
        InputError
            Nothing learned yet, or another number of components.
        """
        if not hasattr(self, "location_"):
            from xfeldask.latent.linear import NotFittedError  # scikit-learn takes a second to import

            raise NotFittedError("the envelope has learned nothing yet; fit it, or restore one that has")
        latent, known = np.asarray(shots["latent"]), len(self.location_)
        if latent.shape[1:] != (known,):
            raise InputError(f"the envelope is of {known} components, the coordinates of shape {latent.shape}")
        from sklearn.metrics import pairwise_distances

        distance = pairwise_distances(latent, self.location_[None], metric="mahalanobis", VI=self.precision_)
        return {"envelope_distance": distance.reshape(len(latent)) ** 2}

    def decide(self, columns: Mapping[str, NDArray[Any]], allowance: Allowance) -> tuple[Columns, Decision]:
        """Flag the fraction of the shots that is farthest; scores are positive inside the ellipsoid."""
        inward = -columns["envelope_distance"]
        score = inward - np.percentile(inward, 100.0 * allowance.contamination)
        verdict = np.where(score >= 0, SINGLE, MULTIPLE).astype(np.uint8)
        columns = {"score": score, "is_single": score >= 0, "verdict": verdict}
        return columns, Decision(contamination=allowance.contamination)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the ellipsoid."""
        return {"location_": self.location_, "precision_": self.precision_}

    @classmethod
    def restore(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Return the envelope that `arrays` came from.

        Raises
        ------
        InputError
            Arrays are missing.
        """
        rule = cls()
        try:
            rule.location_, rule.precision_ = (
                np.ascontiguousarray(arrays[name], np.float64) for name in ("location_", "precision_")
            )
        except KeyError as missing:
            raise InputError(f"these arrays are no whole envelope, missing: {missing}") from None
        return rule
