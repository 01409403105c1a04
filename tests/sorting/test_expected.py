"""What a rule's probabilities say of what it accepts."""

from __future__ import annotations

import numpy as np
import pytest

from xfeldask.sorting.expected import WRONG, expected, most_expected

pytestmark = pytest.mark.rounding


@pytest.mark.parametrize("wrong", [1 / WRONG, 1, WRONG])
@pytest.mark.parametrize("sure", [1.0, 30.0])
def test_interval__holds_what_is_drawn_from_the_probabilities_even_if_they_are_wrong(sure, wrong):
    rng = np.random.default_rng(3)
    probability = rng.beta(sure, 1, 3000)
    accepted = probability > 0.6
    purity, lost = expected(probability, accepted)
    others = rng.random((2000, int(accepted.sum()))) < wrong * (1 - probability[accepted])
    singles = rng.random((2000, int((~accepted).sum()))) < wrong * probability[~accepted]
    purities, losts = 1 - others.mean(axis=1), singles.sum(axis=1) / probability.sum()
    for found, values in ((purity, purities), (lost, losts)):
        assert wrong != 1 or found.value == pytest.approx(values.mean(), abs=0.002)
        assert ((values >= found.low) & (values <= found.high)).mean() >= 0.94


def test_expected__of_nothing_is_nothing_and_of_the_sure_is_sure():
    nothing = expected(np.full(5, np.nan), np.zeros(5, bool))
    assert [str(one) for one in nothing] == ["none", "none"]
    purity, lost = expected(np.array([1.0, 1.0, 0.0, np.nan]), np.array([True, True, False, True]))
    assert purity == (1, 1, 1)
    assert lost == (0, 0, 0)


def test_expected__where_nothing_is_accepted_every_single_is_lost():
    purity, lost = expected(np.full(30, 0.1), np.zeros(30, bool))
    assert np.isnan(purity.value)
    assert tuple(lost) == (1.0, 1.0, 1.0)


@pytest.mark.parametrize("n", [40, 400, 40_000])
@pytest.mark.parametrize("asked", [0.003, 0.05, 0.4])
def test_most_expected__is_where_the_interval_ends_at_the_fraction(n, asked):
    most = float(most_expected(n, asked))
    for others, within in ((0.999 * most, True), (1.001 * most, False)):
        purity, _ = expected(np.full(n, 1 - others / n), np.ones(n, bool))
        assert (1 - purity.low <= asked + 1e-12) is within


def test_expected__allows_for_more_rejected_singles_where_most_hits_are_multiple_but_not_where_they_are_blank():
    probability = np.concatenate([np.full(1000, 0.99), np.full(80, 0.25), np.full(5000, 1e-4)])
    accepted = np.arange(len(probability)) < 1000
    _, many = expected(probability, accepted)
    _, none = expected(probability[:1080], accepted[:1080])
    _, blank = expected(np.where(probability < 0.01, 0, probability), accepted)
    assert blank == none
    assert many.value == pytest.approx(none.value, rel=0.06)
    assert 2 < many.high / none.high < 3
