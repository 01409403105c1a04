"""Shots counted by truth and verdict: all of them, once."""

from __future__ import annotations

import math
from dataclasses import astuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xfeldask.errors import InputError
from xfeldask.scores import OUTCOMES, Confusion, confusion_class

VERDICTS = st.lists(st.tuples(st.booleans(), st.booleans()), max_size=40)
FRACTIONS = [name for name in dir(Confusion) if "fraction" in name or name == "purity"]


def test_confusion_class__has_the_labels_of_the_reference_viewer() -> None:
    codes = confusion_class([1, 0, 0, 1], np.array([True, True, False, False]))
    assert codes.dtype == np.uint8
    assert [OUTCOMES[code].name for code in codes] == [
        "single accepted", "multiple accepted", "multiple rejected", "single rejected",
    ]  # fmt: skip


@given(VERDICTS)
def test_confusion__is_what_counting_gives(pairs: list[tuple[bool, bool]]) -> None:
    single, accepted = np.array(pairs, bool).reshape(-1, 2).T
    counted = Confusion.of(single, accepted)
    assert astuple(counted) == tuple(
        pairs.count(pair) for pair in ((True, True), (False, True), (False, False), (True, False))
    )
    assert [counted.singles, counted.accepted] == [single.sum(), accepted.sum()]
    assert [counted.multiples, counted.rejected] == [(~single).sum(), (~accepted).sum()]
    assert counted.shots == len(pairs)


@given(VERDICTS)
def test_confusion__fractions_are_means_over_the_shots_they_are_of(pairs: list[tuple[bool, bool]]) -> None:
    single, accepted = np.array(pairs, bool).reshape(-1, 2).T
    counted = Confusion.of(single, accepted)
    wanted = {
        "single_fraction": single,
        "singles_accepted_fraction": accepted[single],
        "singles_rejected_fraction": ~accepted[single],
        "multiples_accepted_fraction": accepted[~single],
        "multiples_rejected_fraction": ~accepted[~single],
        "purity": single[accepted],
        "rejected_multiple_fraction": ~single[~accepted],
    }
    assert sorted(wanted) == FRACTIONS
    for name, among in wanted.items():
        assert getattr(counted, name) == pytest.approx(among.mean() if len(among) else math.nan, nan_ok=True), name


def test_confusion__counts_are_whole_numbers_and_fractions_are_named_so() -> None:
    counted = Confusion.of([True, False], [True, True])
    for name in dir(counted):
        value = None if name.startswith("_") else getattr(counted, name)
        if isinstance(value, int | float):
            assert isinstance(value, float) == (name in FRACTIONS), name


@pytest.mark.parametrize(
    ("single", "accepted", "told"),
    [([2, 0], [1, 0], "single must be booleans"), ([1, 0], [1, 0.5], "accepted must be"), ([1, 0], [1], "same shots")],
)
def test_confusion__refuses(single: list[float], accepted: list[float], told: str) -> None:
    with pytest.raises(InputError, match=told):
        Confusion.of(single, accepted)
