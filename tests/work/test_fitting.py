"""What estimators are shown, in which order."""

from threading import get_ident

import dask
import dask.array as da
import numpy as np
import pytest
from sklearn.base import BaseEstimator

from xfeldask.work.fitting import fit

ROWS = np.arange(40.0).reshape(20, 2)


class Plain:
    """Only what is asked of a method."""

    def __init__(self) -> None:
        self.seen: list[list[float]] = []

    def partial_fit(self, rows):
        self.seen.append(rows[:, 0].tolist())
        return self

    def transform(self, rows):
        return rows


class Whole(Plain, BaseEstimator):
    """As scikit-learn has it."""

    def __init__(self) -> None:
        pass

    def fit(self, rows):
        raise AssertionError

    def partial_fit(self, rows, y=None):
        self.seen = [*getattr(self, "seen", []), rows[:, 0].tolist()]
        return self


@pytest.mark.parametrize("kind", [Plain, Whole])
def test_fit__shows_batches_in_their_order_each_once(kind: type) -> None:
    told: list[int] = []
    found = fit(da.from_array(ROWS, chunks=(8, 2)), kind(), False, (), told.append)
    assert found.estimator.seen == [ROWS[a : a + 8, 0].tolist() for a in (0, 8, 16)]
    np.testing.assert_array_equal(found.fitted, np.arange(20))
    assert sum(told) == 20


class AtOnce:
    """Learns from all rows at once, and knows where."""

    def fit(self, rows):
        self.rows, self.thread = rows, get_ident()
        return self

    def transform(self, rows):
        return rows


def test_fit__at_once_takes_an_even_subset_and_is_a_task(monkeypatch) -> None:
    monkeypatch.setattr("xfeldask.work.fitting.SUBSET", 5)
    with dask.config.set(scheduler="threads"):
        found = fit(da.from_array(ROWS, chunks=(8, 2)), AtOnce(), True, (), lambda _: None)
    np.testing.assert_array_equal(found.estimator.rows, ROWS[[0, 4, 9, 14, 19]])
    np.testing.assert_array_equal(found.fitted, [0, 4, 9, 14, 19])
    assert found.estimator.thread != get_ident()
