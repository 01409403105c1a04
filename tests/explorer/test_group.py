from __future__ import annotations

import numpy as np

from xfeldask.explorer.model.group import ONE_MORE, RUN, Group

ORDER = np.array([9, 2, 5, 0, 7])


def test_group__has_a_run_between_two_places_in_either_direction():
    for first, last in ((1, 3), (3, 1)):
        group = Group()
        group.pick(ORDER, first)
        group.pick(ORDER, last, RUN)
        assert group.shots == {2, 5, 0}


def test_group__goes_on_from_the_last_shot_wherever_it_is_listed_then():
    group = Group()
    group.pick(ORDER, 0)
    group.pick(np.sort(ORDER), 3, RUN)
    assert group.shots == {9, 7}
    group.pick(np.array([2, 5]), 1, RUN)
    assert group.shots == {9, 7, 5}, "one that is listed no more begins no run"


def test_group__takes_one_more_or_leaves_it_out():
    group = Group()
    group.pick(ORDER, 1, RUN)
    group.pick(ORDER, 3, ONE_MORE)
    group.pick(ORDER, 1, ONE_MORE)
    np.testing.assert_array_equal(np.flatnonzero(group.mask(10)), [0])
    group.pick(ORDER, 4)
    assert group.shots == {7}
    group.clear()
    assert not group.mask(10).any()
