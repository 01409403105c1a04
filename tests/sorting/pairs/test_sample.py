from __future__ import annotations

import numpy as np
import pytest

from tests.sorting.pairs.test_networks import grid, shots
from tests.sorting.pairs.test_rule import given
from tests.sorting.shots import Given
from xfeldask.sorting.pairs import sample

pytestmark = pytest.mark.rounding


def test_sample__stops_at_enough_hits_and_leaves_later_blanks_out(monkeypatch: pytest.MonkeyPatch) -> None:
    everything, _ = sample.sample_hits(given(), seed=1)
    assert sorted(everything) == list(range(800))
    images, number, _ = shots(4000, 7, multiple=0.01, blank=0.9)
    monkeypatch.setattr(sample, "MOST_HITS", 160)
    index, taken = sample.sample_hits(Given({"low_q": images}, grid()), seed=1)
    np.testing.assert_array_equal(taken, images[index])
    assert 128 <= (number[index] > 0).sum() < 200
    assert (number[index[160:]] > 0).all()
    assert len(np.unique(index)) == len(index)


def test_sample__is_the_same_for_a_seed_and_another_for_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sample, "MOST_HITS", 160)
    one, same, other = (sample.sample_hits(given(), seed)[0] for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert len(one) == 160
    assert set(one) != set(other)


def test_sample__reads_shots_together_as_they_lie_in_a_store(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sample, "MOST_HITS", 160)
    index, _ = sample.sample_hits(given(), seed=1)
    blocks = index.reshape(-1, sample.TOGETHER)
    assert (np.diff(blocks, axis=1) == 1).all()
    assert (blocks[:, 0] % sample.TOGETHER == 0).all()
