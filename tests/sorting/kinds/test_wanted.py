from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xfeldask.sorting.expected import expected
from xfeldask.sorting.kinds.wanted import accepted_at

pytestmark = pytest.mark.rounding


@given(st.lists(st.floats(0, 1), min_size=1, max_size=40), st.floats(0.001, 0.5), st.integers(0, 9))
def test_accepted_at__lets_the_interval_end_at_what_is_allowed_and_takes_the_surest(
    probability: list[float], allowed: float, seed: int
) -> None:
    chance = np.array(probability)
    candidate = np.random.default_rng(seed).random(len(chance)) < 0.7
    taken = accepted_at(chance, candidate, allowed)
    assert not (taken & ~candidate).any()
    assert 1 - expected(chance, taken)[0].low <= allowed + 1e-12 or not taken.any()
    left = candidate & ~taken
    if taken.any() and left.any():
        assert chance[taken].min() > chance[left].max()
        surest = chance[left].max()
        one_more = taken | (candidate & (chance >= surest))
        assert 1 - expected(chance, one_more)[0].low > allowed


def test_accepted_at__without_a_limit_takes_all_candidates() -> None:
    assert accepted_at([0.1, 0.2], [True, False]).tolist() == [True, False]


def test_accepted_at__keeps_equal_probabilities_together() -> None:
    assert len({*accepted_at([0.99] * 21, [True] * 21, 0.1).tolist()}) == 1
