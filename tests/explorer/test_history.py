"""Selections that are undone and redone."""

from __future__ import annotations

import numpy as np

from tests.explorer.few_shots import N, session
from xfeldask.explorer.model.history import MOST, History, Selection


def at(*shots):
    return np.isin(np.arange(N), shots)


def test_undo__goes_back_over_gestures_words_and_inversion_and_redo_forth_again():
    looked = session()
    looked.choose(at(1, 2))
    looked.choose_where("shot < 3")
    looked.combination = "add"
    looked.choose(at(9))
    looked.invert()
    seen = [(looked.selected, looked.where)]
    while looked.undo():
        seen.append((looked.selected, looked.where))
    assert [(mask.nonzero()[0].tolist(), where) for mask, where in seen[1:]] == [
        ([0, 1, 2, 9], ""), ([0, 1, 2], "shot < 3"), ([1, 2], ""), ([], "")
    ]  # fmt: skip
    for mask, where in seen[-2::-1]:
        assert looked.redo()
        np.testing.assert_array_equal(looked.selected, mask)
        assert looked.where == where
    assert not looked.redo()


def test_undo__is_forgotten_by_another_selection_and_not_moved_by_none():
    looked = session()
    looked.choose(at(1))
    looked.choose(at(1))
    assert looked.history.steps == (1, 0)
    looked.undo()
    looked.choose_where("")
    assert looked.history.steps == (0, 1)
    looked.choose(at(2))
    assert not looked.redo()


def test_undo__keeps_the_shots_but_not_the_words_of_a_selection_that_was_deleted():
    looked = session()
    looked.choose(at(4, 5))
    looked.save("gone")
    looked.choose_where("gone")
    looked.choose(at(7))
    looked.forget("gone")
    looked.undo()
    np.testing.assert_array_equal(looked.selected, at(4, 5))
    assert looked.where == ""


def test_history__keeps_the_last_ones():
    history, empty = History(), Selection.of(at())
    for _ in range(MOST + 5):
        history.leave(empty)
    assert history.steps == (MOST, 0)


def test_selection__of_more_shots_has_none_of_those_that_were_not_there():
    assert Selection.of(at(N - 1)).mask(N + 9).nonzero()[0].tolist() == [N - 1]
