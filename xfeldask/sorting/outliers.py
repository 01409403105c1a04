"""A user's outlier estimator as a rule."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from xfeldask.errors import InputError
from xfeldask.schema import LATENT
from xfeldask.sorting.decision import Decision
from xfeldask.sorting.protocol import Allowance, Columns, Rule, Shots


class OutlierRule(Rule):
    """Flags shots by an outlier estimator with scikit-learn's interface, which has an allowance of its own.

    Parameters
    ----------
    estimator : object with `fit` and `decision_function`, or with `fit_predict` that gives 1 for what is accepted; it
        is copied

    Raises
    ------
    InputError
        An object without these methods, coordinates or scores that are not finite.

    Examples
    --------
    >>> from sklearn.ensemble import IsolationForest
    >>> OutlierRule(IsolationForest(contamination=0.1)).needs
    ('latent',)
    """

    needs = ("latent",)
    columns = (LATENT["score"], LATENT["is_single"])

    def __init__(self, estimator: object) -> None:
        methods = [name for name in ("decision_function", "fit_predict") if callable(getattr(estimator, name, None))]
        if isinstance(estimator, type) or not methods:
            raise InputError(
                "sort takes the name of a rule, a Rule, or an outlier estimator: an object with fit and "
                "decision_function, or with fit_predict"
            )
        self.estimator = estimator
        self._scores_others = "decision_function" in methods

    def fit(self, shots: Shots) -> Self:
        """Fit a copy of the estimator to the coordinates of all shots."""
        from sklearn.base import clone  # scikit-learn takes a second to import

        points = _checked(shots.read("latent"))
        try:
            self._own: Any = clone(self.estimator)
        except (TypeError, RuntimeError):  # no parameters to copy by
            self._own = copy.deepcopy(self.estimator)
        if self._scores_others:
            self._own.fit(points)
            return self
        # one that scores no others knows these shots alone
        self._points, self._kept = points, np.asarray(self._own.fit_predict(points) == 1)
        return self

    def evidence(self, shots: Mapping[str, NDArray[Any]]) -> Columns:
        """Compute the estimator's score and verdict."""
        points = _checked(shots["latent"])
        if self._scores_others:
            score = np.asarray(self._own.decision_function(points), np.float64)
            kept = np.asarray(self._own.predict(points) == 1) if hasattr(self._own, "predict") else score >= 0
            if not np.isfinite(score).all():
                raise InputError(f"{type(self.estimator).__name__} gives scores that are not finite")
            return {"score": score, "is_single": kept}
        name = type(self.estimator).__name__
        if not np.array_equal(points, self._points):
            raise InputError(f"{name} judges only the shots that it is fitted to; it has no decision_function")
        score = np.asarray(getattr(self._own, "negative_outlier_factor_", self._kept), np.float64)
        return {"score": score, "is_single": self._kept}

    def decide(self, columns: Mapping[str, NDArray[Any]], allowance: Allowance) -> tuple[Columns, Decision]:  # noqa: ARG002
        """Take the estimator's verdict."""
        return dict(columns), Decision()


def _checked(latent: NDArray[Any]) -> NDArray[np.float64]:
    if not np.isfinite(latent).all():
        raise InputError("the latent coordinates hold NaN or infinity")
    return np.asarray(latent, np.float64)
