"""What a rule's probabilities say of what it accepts."""

from __future__ import annotations

import numpy as np
import pytest

from xfeldask.sorting.expected import expected

pytestmark = pytest.mark.rounding


@pytest.mark.parametrize("sure", [1.0, 30.0])
def test_interval__holds_what_is_drawn_from_the_probabilities_95_of_100_times_or_more(sure):
    rng = np.random.default_rng(3)
    probability = rng.beta(sure, 1, 3000)
    accepted = probability > 0.6
    purity, lost = expected(probability, accepted)
    drawn = rng.random((2000, 3000)) < probability
    purities, losts = drawn[:, accepted].mean(axis=1), drawn[:, ~accepted].sum(axis=1) / probability.sum()
    for found, values in ((purity, purities), (lost, losts)):
        assert found.value == pytest.approx(values.mean(), abs=0.002)
        assert ((values >= found.low) & (values <= found.high)).mean() >= 0.94
        assert found.high - found.low < 8 * values.std() + 0.002


def test_expected__of_nothing_is_nothing_and_of_the_sure_is_sure():
    nothing = expected(np.full(5, np.nan), np.zeros(5, bool))
    assert [str(one) for one in nothing] == ["none", "none"]
    purity, lost = expected(np.array([1.0, 1.0, 0.0, np.nan]), np.array([True, True, False, True]))
    assert purity == (1, 1, 1)
    assert lost == (0, 0, 0)
