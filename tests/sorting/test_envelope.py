"""The reference's rule."""

import numpy as np
import pytest
from sklearn.covariance import EllipticEnvelope

from tests.sorting.shots import Given
from xfeldask.errors import InputError, XfeldaskWarning
from xfeldask.sorting.envelope import EnvelopeRule
from xfeldask.sorting.protocol import Allowance

pytestmark = pytest.mark.rounding


def points(n: int = 950, far: int = 50) -> np.ndarray:
    rng = np.random.default_rng(0)
    return np.concatenate([rng.normal(size=(n, 3)), rng.normal(size=(far, 3)) + 20]).astype(np.float32)


@pytest.mark.parametrize("contamination", [0.1, 0.03])
def test_envelope__is_that_of_scikit_learn(contamination: float) -> None:
    latent = points()
    rule = EnvelopeRule(seed=3).fit(Given({"latent": latent}))
    found, told = rule.decide(rule.evidence({"latent": latent}), Allowance(contamination=contamination))
    theirs = EllipticEnvelope(contamination=contamination, random_state=3).fit(latent.astype(np.float64))
    np.testing.assert_allclose(found["score"], theirs.decision_function(latent), rtol=1e-9, atol=1e-9)
    np.testing.assert_array_equal(found["is_single"], theirs.predict(latent) == 1)
    assert found["is_single"].sum() == 1000 * (1 - contamination)
    assert told.to_json() == f'{{"contamination": {contamination}}}'


def test_envelope__flags_the_far_ones_and_others_come_back_the_same() -> None:
    latent = points()
    rule = EnvelopeRule().fit(Given({"latent": latent}))
    columns = rule.evidence({"latent": latent})
    assert columns["envelope_distance"][950:].min() > columns["envelope_distance"][:950].max()
    again = EnvelopeRule.restore({name: np.array(value.tolist()) for name, value in rule.arrays().items()})
    np.testing.assert_array_equal(again.evidence({"latent": latent[::-1]})["envelope_distance"][::-1],
                                  columns["envelope_distance"])  # fmt: skip


def test_envelope__of_coordinates_in_a_plane_says_so_once() -> None:
    latent = points()
    latent[:, 2] = latent[:, 0]
    with pytest.warns(XfeldaskWarning) as told:
        rule = EnvelopeRule().fit(Given({"latent": latent}))
    assert len(told) == 1
    assert "the 3 coordinates of the shots lie in a plane" in str(told[0].message)
    assert np.isfinite(rule.evidence({"latent": latent})["envelope_distance"]).all()


def test_envelope__refuses_what_it_cannot_learn_from() -> None:
    for latent, told in (
        (np.zeros((6, 3)), "more than 6 shots"),
        (np.full((60, 3), np.nan), "NaN"),
        (np.zeros((60, 3)), "no envelope fits the coordinates .* fewer components"),
    ):
        with pytest.raises(InputError, match=told):
            EnvelopeRule().fit(Given({"latent": latent}))


def test_envelope__refuses_to_judge_what_it_does_not_know() -> None:
    with pytest.raises(InputError, match="learned nothing yet"):
        EnvelopeRule().evidence({"latent": points()})
    rule = EnvelopeRule().fit(Given({"latent": points()}))
    with pytest.raises(InputError, match="of 3 components"):
        rule.evidence({"latent": points()[:, :2]})
    with pytest.raises(InputError, match="missing: 'precision_'"):
        EnvelopeRule.restore({"location_": np.zeros(3)})
