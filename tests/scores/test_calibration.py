"""Calibration against scikit-learn, and intervals against their definition."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.calibration import calibration_curve

from tests.strategies import examples
from xfeldask.errors import InputError
from xfeldask.scores import calibration, wilson

pytestmark = pytest.mark.rounding

seeds = st.integers(0, 2**32)


@examples(0.5)
@given(seeds, st.integers(1, 20))
def test_calibration__agrees_with_scikit_learn(seed: int, bins: int) -> None:
    rng = np.random.default_rng(seed)
    p = rng.random(200) ** 3
    single = rng.random(200) < p**0.5
    got = calibration(p, single, bins)
    observed, predicted = calibration_curve(single, p, n_bins=bins)
    np.testing.assert_allclose(got.predicted, predicted)
    np.testing.assert_allclose(got.observed, observed)
    assert got.count.sum() == 200
    assert got.error == pytest.approx((np.abs(observed - predicted) * got.count).sum() / 200)


def test_calibration__of_promises_that_are_kept_has_little_error() -> None:
    rng = np.random.default_rng(0)
    p = rng.random(50_000)
    assert calibration(p, rng.random(50_000) < p).error < 0.01
    assert calibration(np.ones(10), np.zeros(10)).error == 1
    assert calibration([0.0, 1.0], [False, True]).error == 0


@pytest.mark.parametrize(("p", "bins"), [([0.5, 1.1], 10), ([-0.1, 1], 10), ([0.5, np.nan], 10), ([0.5, 0.5], 0)])
def test_calibration__refuses(p, bins) -> None:
    with pytest.raises(InputError):
        calibration(p, [True, False], bins)


@given(st.integers(1, 10**6), st.floats(0, 1), st.floats(0.5, 5))
def test_wilson__ends_where_the_observed_part_is_z_deviations_off(n: int, part: float, z: float) -> None:
    k = round(n * part)
    low, high = wilson(k, n, z)
    assert 0 <= low <= k / n + 1e-12
    assert k / n - 1e-12 <= high <= 1
    for end in (low, high):
        assert (k / n - end) ** 2 == pytest.approx(z**2 * end * (1 - end) / n, rel=1e-5, abs=1e-12)


def test_wilson__knows_nothing_without_trials_and_refuses_nonsense() -> None:
    assert wilson(0, 0) == (0, 1)
    for k, n, z in ((2, 1, 1.96), (-1, 3, 1.96), (1, 3, 0.0), (1, 3, 9.0)):
        with pytest.raises(InputError):
            wilson(k, n, z)
