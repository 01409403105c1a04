"""Lassos and boxes as text."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.explorer.few_shots import N, few_shots, session
from tests.explorer.gestures import box, lasso, look, size
from xfeldask.errors import InputError
from xfeldask.explorer.model.drawing import draw
from xfeldask.explorer.model.masks import in_polygon
from xfeldask.explorer.model.outline import BOX, LASSO, MOST, Outline
from xfeldask.explorer.model.session import Session
from xfeldask.explorer.view.address import read_address
from xfeldask.explorer.view.plane import Plane
from xfeldask.store.choosing.columns import Column

ANGLE = np.linspace(0, 2 * np.pi, 700)


@given(scale=st.floats(1e-9, 1e9), wobble=st.integers(1, 40))
def test_lasso__is_short_and_selects_what_was_drawn_but_at_its_line(scale, wobble):
    radius = 200 + 20 * np.cos(wobble * ANGLE)
    line = np.column_stack([radius * np.cos(ANGLE), radius * np.sin(ANGLE)])
    drawn = Outline.drawn(LASSO, ("a", "b"), line * scale, (scale, scale))
    assert len(drawn.numbers) <= 2 * MOST
    assert len(drawn.text) < 30 * MOST
    x, y = np.random.default_rng(0).uniform(-230, 230, (2, 400))
    away = np.abs(np.hypot(x, y) - (200 + 20 * np.cos(wobble * np.arctan2(y, x))))
    sure = away > 25
    values = {"a": (x * scale)[sure], "b": (y * scale)[sure]}
    np.testing.assert_array_equal(
        Outline.read(drawn.text).inside(values.get), in_polygon(values["a"], values["b"], line * scale)
    )


@pytest.mark.parametrize(
    "text", ["", "lasso", "lasso a b 1 2 3 4", "box a b 1 2 3", "ring a b 1 2 3 4", "box a b 1 2 3 nan", "box a b c"]
)
def test_read__of_what_is_no_outline_says_so(text):
    with pytest.raises(InputError, match="no lasso and no box"):
        Outline.read(text)


def test_gesture__is_in_the_address_and_selects_the_same_on_another_page():
    looked = session()
    plane = Plane(looked)
    x, y = plane.x, plane.y
    lasso(plane, [(x[3] - 1e-3, y[3] - 1e-3), (x[3] + 1e-3, y[3] - 1e-3), (x[3], y[3] + 1e-3)])
    assert looked.selected[3]
    box(plane, -1e9, -1e9, float(np.median(x)), 1e9)
    assert looked.outline.startswith("box c0 c1 ")
    other = Session(few_shots().path, **read_address({"outline": looked.outline}))
    np.testing.assert_array_equal(other.selected, looked.selected)


@pytest.mark.parametrize("how", ["combined", "hidden", "words", "undone"])
def test_outline__is_left_out_where_it_does_not_tell_what_is_selected(how):
    looked = session()
    box = Outline(BOX, ("shot", "shot"), (2.0, 2.0, 9.0, 9.0))
    if how == "combined":
        looked.choose_where("shot == 1")
        looked.combination = "add"
    if how == "hidden":
        looked.colour, looked.hidden = "hit", ["blank"]
    looked.draw(box)
    if how == "words":
        looked.choose_where("shot == 1")
    if how == "undone":
        looked.undo()
    assert looked.outline == ""


@pytest.mark.parametrize("kind", [np.int64, np.float64])
def test_identifiers_of_a_beamline__are_drawn_selected_and_zoomed_one_by_one(kind):
    trains = (1_600_000_000 + np.arange(N)).astype(kind)
    looked = session()
    looked.shots.add(Column("train", "train", "1", trains))
    looked.x, looked.y = "train", "c0"
    plane = Plane(looked)
    np.testing.assert_array_equal(plane.x, trains)
    size(plane, 10 * N, 100)
    look(plane, (1_599_999_999.5, 1_599_999_999.5 + N), (-1e9, 1e9))
    drawn = draw(plane.points, looked.visible, looked.selected, *plane.canvas.view, N, 1)
    assert (drawn.rgba[..., 3] > 0).all(), "each train in a column of its own"
    box(plane, 1_600_000_004.9, -1e9, 1_600_000_007.1, 1e9)
    assert np.flatnonzero(looked.selected).tolist() == [5, 6, 7]
    outline = Outline.read(looked.outline)
    np.testing.assert_array_equal(outline.inside(lambda name: looked.column(name).values), looked.selected)
    look(plane, (1_600_000_010.0, 1_600_000_012.0), (-1.0, 1.0))
    assert looked.view == [1_600_000_010, 1_600_000_012, -1, 1]


def test_view__is_told_where_it_is_not_the_whole_and_taken_up_from_the_address():
    looked = session()
    plane = Plane(looked)
    size(plane, 500, 500)
    assert looked.view == []
    look(plane, (-1.0, 2.0), (-3.0, 4.0))
    assert looked.view == [-1, 2, -3, 4]
    other = Plane(session(**read_address({"view": looked.view})))
    assert other.canvas.view == ((-1, 2), (-3, 4))
    assert read_address({"view": [1, "2", 3, None]}) == {}
    whole = Plane(session()).canvas.view
    assert Plane(session(view=[2.0, 1.0, 0.0, 1.0])).canvas.view == whole
