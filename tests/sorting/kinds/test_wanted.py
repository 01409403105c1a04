from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xfeldask.sorting.kinds.wanted import accepted_at

pytestmark = pytest.mark.rounding


@given(st.lists(st.floats(0, 1), min_size=1, max_size=40), st.floats(0.001, 0.5), st.integers(0, 9))
def test_accepted_at__expects_no_more_than_allowed_and_takes_the_surest(
    probability: list[float], allowed: float, seed: int
) -> None:
    chance = np.array(probability)
    candidate = np.random.default_rng(seed).random(len(chance)) < 0.7
    taken = accepted_at(chance, candidate, allowed)
    assert not (taken & ~candidate).any()
    assert (1 - chance[taken]).sum() <= allowed * taken.sum() + 1e-9
    left = candidate & ~taken
    if taken.any() and left.any():
        assert chance[taken].min() >= chance[left].max()
        surest = chance[left].max()
        assert (1 - chance[taken]).sum() + 1 - surest > allowed * (taken.sum() + 1) - 1e-9


def test_accepted_at__without_a_limit_takes_all_candidates() -> None:
    assert accepted_at([0.1, 0.2], [True, False]).tolist() == [True, False]
