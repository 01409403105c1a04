"""Outlier estimators of scikit-learn as rules."""

import numpy as np
import pytest
from sklearn.ensemble import IsolationForest
from sklearn.neighbors import LocalOutlierFactor

from tests.sorting.shots import Given
from xfeldask.errors import InputError
from xfeldask.sorting.outliers import OutlierRule
from xfeldask.sorting.protocol import Allowance

pytestmark = pytest.mark.rounding

LATENT = np.random.default_rng(0).normal(size=(200, 3)).astype(np.float32)


def test_outliers__verdicts_are_those_of_the_estimator_which_stays_as_it_was() -> None:
    forest = IsolationForest(contamination=0.1, random_state=0)
    rule = OutlierRule(forest).fit(Given({"latent": LATENT}))
    found, told = rule.decide(rule.evidence({"latent": LATENT}), Allowance())
    theirs = IsolationForest(contamination=0.1, random_state=0).fit(LATENT.astype(np.float64))
    np.testing.assert_array_equal(found["score"], theirs.decision_function(LATENT.astype(np.float64)))
    np.testing.assert_array_equal(found["is_single"], theirs.predict(LATENT.astype(np.float64)) == 1)
    assert (int(found["is_single"].sum()), told.to_json()) == (180, "{}")
    assert not hasattr(forest, "offset_")


def test_outliers__one_that_scores_no_others_knows_its_own_shots() -> None:
    rule = OutlierRule(LocalOutlierFactor()).fit(Given({"latent": LATENT}))
    theirs = LocalOutlierFactor()
    kept = theirs.fit_predict(LATENT.astype(np.float64)) == 1
    found = rule.evidence({"latent": LATENT})
    np.testing.assert_array_equal(found["is_single"], kept)
    np.testing.assert_array_equal(found["score"], theirs.negative_outlier_factor_)
    with pytest.raises(InputError, match="LocalOutlierFactor judges only the shots that it is fitted to"):
        rule.evidence({"latent": LATENT[:50]})


def test_outliers__one_that_cannot_be_cloned_is_copied() -> None:
    class Halves:
        def fit(self, x):
            self.middle = np.median(x)
            return self

        def decision_function(self, x):
            return x[:, 0] - self.middle

    own = Halves()
    found = OutlierRule(own).fit(Given({"latent": LATENT})).evidence({"latent": LATENT})
    assert not hasattr(own, "middle")
    np.testing.assert_array_equal(found["is_single"], found["score"] >= 0)


@pytest.mark.parametrize("wrong", [IsolationForest, object(), 3, LATENT])
def test_outliers__refuses_what_is_no_rule(wrong: object) -> None:
    with pytest.raises(InputError, match="the name of a rule, a Rule, or an outlier estimator"):
        OutlierRule(wrong)


def test_outliers__refuses_numbers_that_are_none() -> None:
    with pytest.raises(InputError, match="coordinates hold NaN"):
        OutlierRule(IsolationForest()).fit(Given({"latent": LATENT * np.nan}))

    class Nothing:
        def fit(self, x):
            return self

        def decision_function(self, x):
            return np.full(len(x), np.nan)

    with pytest.raises(InputError, match="Nothing gives scores that are not finite"):
        OutlierRule(Nothing()).fit(Given({"latent": LATENT})).evidence({"latent": LATENT})
