from __future__ import annotations

import copy
import pickle
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pytest

from xfeldask.latent.sent import FieldsOnly

pytestmark = pytest.mark.rounding


@dataclass(frozen=True, eq=False)
class Squares(FieldsOnly):
    """A field, and a table that is made of it when it is asked for."""

    n: int
    weight: np.ndarray

    @cached_property
    def table(self) -> np.ndarray:
        return np.arange(self.n) ** 2


def test_fields__travel_and_tables_are_made_anew():
    sent = Squares(100_000, np.ones(3))
    before = len(pickle.dumps(sent))
    assert sent.table[-1] == 99_999**2
    assert len(pickle.dumps(sent)) == before < 1000
    arrived = pickle.loads(pickle.dumps(sent))
    assert "table" not in vars(arrived)
    np.testing.assert_array_equal(arrived.table, sent.table)
    np.testing.assert_array_equal(arrived.weight, sent.weight)


def test_copy__shares_fields_and_keeps_no_table():
    sent = Squares(4, np.ones(3))
    assert len(sent.table) == 4
    found = copy.copy(sent)
    assert found.weight is sent.weight
    assert "table" not in vars(found)
