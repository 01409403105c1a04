from __future__ import annotations

import numpy as np
import pytest

from tests.sorting.shots import Given
from xfeldask.errors import InputError
from xfeldask.schema import Variable
from xfeldask.sorting.decision import Decision
from xfeldask.sorting.protocol import Allowance, Rule


class Bright(Rule):
    """What a user writes at least."""

    needs = ("photon_count",)
    columns = (Variable("brightness", ("shot",), "float64", "photons counted", "count"),)

    def fit(self, shots):
        return self

    def evidence(self, shots):
        return {"brightness": np.asarray(shots["photon_count"], float)}

    def decide(self, columns, allowance):
        return {"score": -columns["brightness"], "is_single": columns["brightness"] < 9}, Decision()


@pytest.mark.parametrize("value", [0, 1, -0.1, 1.5, np.nan])
def test_allowance__of_singles_is_a_fraction(value):
    with pytest.raises(InputError, match="max_singles_lost must be above 0 and below 1"):
        Allowance(max_singles_lost=value)


@pytest.mark.parametrize("value", [0, 1, -0.1, 5, np.nan])
def test_allowance__of_others_is_a_fraction(value):
    with pytest.raises(InputError, match=f"max_contamination must be above 0 and below 1, got {value}"):
        Allowance(max_contamination=value)


@pytest.mark.parametrize("value", [0, 0.51, -0.1, np.nan])
def test_allowance__of_shots_is_a_half_at_most(value):
    with pytest.raises(InputError, match=r"contamination must be above 0 and at most 0\.5"):
        Allowance(contamination=value)
    assert Allowance(contamination=0.5).max_singles_lost == 0.01


def test_rule__of_ones_own_has_what_it_leaves_out():
    rule = Bright()
    assert isinstance(rule, Rule)
    assert (rule.allowance, rule.uses_labels, rule.arrays()) == ("", False, {})
    assert rule.check(Given({})) is None
    assert isinstance(Bright.restore({}), Bright)


def test_rule__is_told_by_what_it_has_and_not_by_its_class():
    class Whole:
        needs, columns, allowance, uses_labels = (), (), "", False
        fit = evidence = decide = check = arrays = restore = staticmethod(lambda *_: None)

    assert isinstance(Whole(), Rule)
    assert not isinstance(object(), Rule)
