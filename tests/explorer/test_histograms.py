from __future__ import annotations

import numpy as np
import pytest

from tests.explorer.few_shots import NUMBER, N, pictures, session, texts
from xfeldask.explorer.model.listing import listed
from xfeldask.explorer.tabs.histograms import BINS, LEAST, Bins, Histogram, histograms
from xfeldask.explorer.tabs.watch import Watch
from xfeldask.store.choosing.columns import Column


def bins(values):
    return Bins(Column("a", "a", "1", np.array(values)))


def test_bins__hold_the_largest_value_and_count_what_has_none():
    found = bins([0.0, 1.0, 1.0, np.nan, np.inf])
    assert len(found.edges) == BINS + 1
    counts = found.count(np.ones(5, bool))
    assert (counts[0], counts[-1], counts.sum(), found.n_without) == (1, 2, 3, 2)


def test_bins__of_nothing_or_of_one_value_are_bins():
    for values in ([np.nan, np.nan], [3.0, 3.0]):
        found = bins(values)
        assert (np.diff(found.edges) > 0).all()
        assert found.count(np.ones(2, bool)).sum() == np.isfinite(values).sum()


def test_bins__of_many_whole_numbers_are_equally_wide():
    assert len(bins(np.arange(BINS)).edges) == BINS + 1
    assert np.ptp(np.diff(bins(np.arange(10 * BINS)).edges)) < 1e-6
    assert bins([False, True]).edges.tolist() == [-0.5, 0.5, 1.5]


@pytest.mark.parametrize("first", [6 * 10**18, -(2**60), 2**52 - 3])
@pytest.mark.parametrize("n", [1, 40, 200])
def test_bins__of_whole_numbers_beyond_those_that_float64_tells_apart_hold_them_all(first, n):
    found = bins(first + np.arange(n))
    assert (np.diff(found.edges) > 0).all()
    assert found.edges[0] <= first
    assert found.edges[-1] >= first + n - 1
    assert found.count(np.ones(n, bool)).sum() == n


@pytest.mark.parametrize("logarithmic", [False, True])
def test_histogram__counts_what_is_visible_and_what_is_selected_of_it(logarithmic):
    looked = session()
    found = Histogram(looked, "n_particles", logarithmic)
    assert found.source.data["all"].tolist() == [8, 8, 8]
    looked.colour, looked.hidden = "hit", ["blank"]
    looked.choose_where("shot < 9")
    found.show()
    assert found.source.data["all"].tolist() == [0, 8, 8]
    assert found.source.data["chosen"].tolist() == [0, 3, 3]
    # nothing has no logarithm
    assert found.source.data["all_top"].tolist() == [LEAST if logarithmic else 0, 8, 8]


def test_histogram__selects_a_range_with_its_ends():
    looked = session()
    Histogram(looked, "n_particles", False).mark(1, 2)
    np.testing.assert_array_equal(looked.selected, NUMBER >= 1)


def test_tab__offers_what_there_is_and_tells_how_many_are_selected():
    looked = session()
    view = histograms(looked, pictures(), Watch(looked))
    assert f"the {N} visible shots; blue: the 0 selected" in texts(view)
    looked.choose(NUMBER == 2)
    assert "blue: the 8 selected" in texts(view)
    chosen = next(part for part in view.select(lambda part: hasattr(part, "options") and isinstance(part.value, list)))
    assert chosen.value == ["score", "photon_count", "c0"]
    assert set(chosen.options.values()) == {name for names in listed(looked).values() for name in names.values()}
    chosen.value = ["shot"]
    assert len(view.objects[2].objects) == 1
