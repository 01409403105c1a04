"""What is drawn of points: their places, colours and order; hexagons have tests of their own."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from xfeldask.errors import InputError
from xfeldask.explorer.model.drawing import LEAST_ALPHA, MARGIN, SPREAD, Points, draw, first_range
from xfeldask.explorer.model.shapes import DISC, PICTURES, offsets

NONE, ALL = np.zeros(4, bool), np.ones(4, bool)
X = np.array([0.1, 0.1, 0.6, 0.9], np.float32)
Y = np.array([0.1, 0.1, 0.6, 0.9], np.float32)


def points(value=None, colours=None, palette=("#000000", "#ffffff"), **more):
    return Points(X, Y, None if value is None else np.array(value), colours or {}, palette, **more)


def drawn(some, visible=ALL, selected=NONE, size=10):
    return draw(some, visible, selected, (0, 1), (0, 1), size, size)


@given(arrays(np.float64, st.integers(1, 200), elements=st.floats(-1e6, 1e6)))
def test_first_range__holds_nearly_all_with_a_margin(values):
    low, high = first_range(values)
    assert low < high
    assert ((values >= low) & (values <= high)).mean() > 0.98
    if np.ptp(values) > 1e-3 and len(values) < 100:
        assert low < np.quantile(values, 0.01)
        assert high - low < (1 + 3 * MARGIN) * np.ptp(values) + 1e-9


def test_draw__counts_what_is_visible_and_in_the_view():
    found = draw(points(), np.array([True, True, True, False]), NONE, (0, 0.5), (0, 1), 10, 10)
    assert (found.drawn, found.shown) == (2, 3)
    assert draw(points(), NONE, NONE, (0, 1), (0, 1), 10, 10).rgba.max() == 0


def test_draw__mixes_the_colours_of_classes_by_their_shots():
    mixed = drawn(points([0, 1, 1, 1], {0: "#ff0000", 1: "#0000ff"})).rgba
    # two shots of two classes in the pixel at (0.1, 0.1), whose row is counted from the top
    np.testing.assert_allclose(mixed[8, 1, :3], [127.5, 0, 127.5], atol=1)
    np.testing.assert_array_equal(mixed[3, 6, :3], [0, 0, 255])


def test_draw__has_the_shape_of_its_class_where_shots_are_few():
    some = points([0, 1, 1, 0], {0: "#ff0000", 1: "#0000ff"}, shapes=("x", "s"))
    rgba = drawn(some, size=40).rgba

    def around(row, column):
        return np.where(rgba[row - 3 : row + 4, column - 3 : column + 4, 3] > 0, "#", ".").tolist()

    # the first two lie in one pixel, and are of two classes
    for shape, row, column in ((DISC, 35, 4), ("s", 15, 24), ("x", 4, 35)):
        wanted = [list(line.strip()) for line in PICTURES[shape].split("\n") if line.strip()]
        assert around(row, column) == wanted
    for shape in PICTURES:
        assert offsets(shape)[-1].tolist() == [0, 0]


def test_draw__has_dots_without_shape_where_shots_are_many():
    rng = np.random.default_rng(1)
    n = SPREAD[0][0] + 1
    x, y, value = rng.random(n, np.float32), rng.random(n, np.float32), rng.integers(0, 2, n)
    colours = {0: "#ff0000", 1: "#0000ff"}
    with_shapes, without = (Points(x, y, value, colours, ("#000000",), shapes=shapes) for shapes in (("x", "s"), ()))
    every, none = np.ones(n, bool), np.zeros(n, bool)
    one, other = (draw(some, every, none, (0, 1), (0, 1), 90, 90).rgba for some in (with_shapes, without))
    np.testing.assert_array_equal(one, other)


def test_draw__has_the_fullest_pixel_opaque_and_a_single_shot_visible():
    rgba = drawn(points([0, 0, 0, 0], {0: "#00ff00"})).rgba
    assert rgba[8, 1, 3] == 255
    assert rgba[3, 6, 3] == LEAST_ALPHA


def test_draw__tells_numbers_by_the_palette_and_none_in_grey():
    rgba = drawn(points([0.0, 0.0, 2.0, np.nan], span=(0.0, 2.0))).rgba
    assert rgba[8, 1].tolist() == [0, 0, 0, 255]
    assert rgba[3, 6].tolist() == [255, 255, 255, 255]
    red, green, blue, alpha = rgba[0, 9].tolist()
    assert (red == green == blue, alpha) == (True, 255)
    # beyond the span, colours end
    assert drawn(points([-9.0, -9.0, 9.0, 0.0], span=(0.0, 2.0))).rgba[3, 6].tolist() == [255, 255, 255, 255]


def test_draw__paints_what_is_selected_over_the_others():
    x = np.array([0.45, 0.55], np.float32)
    both = Points(x, x * 0 + 0.5, np.array([0, 0]), {0: "#ff0000"}, ("#000000",))
    rgba = draw(both, np.ones(2, bool), np.array([True, False]), (0, 1), (0, 1), 10, 10).rgba
    assert rgba[5, 4, :3].tolist() == [255, 0, 0]
    assert len(set(rgba[5, 7, :3].tolist())) == 1


@pytest.mark.parametrize("hexagons", [False, True])
def test_draw__has_what_is_not_selected_fainter_than_what_is_on_white_and_on_black(hexagons):
    both = Points(X, Y, None, {}, ("#a6cbe8", "#08306b"), hexagons=hexagons)
    rgba = draw(both, np.ones(4, bool), np.array([True, True, False, False]), (0, 1), (0, 1), 60, 60).rgba.astype(float)
    for ground in (0.0, 255.0):
        seen = ground + (rgba[..., :3] - ground) * rgba[..., 3:] / 255
        away = np.abs(seen - ground).max(axis=-1)
        chosen, other = away[54, 6], away[24, 36]
        assert chosen > 1.5 * other > 60


@pytest.mark.parametrize(
    "view", [((0, 0), (0, 1), 9, 9), ((1, 0), (0, 1), 9, 9), ((0, 1), (0, 1), 0, 9), ((0, 1), (0, 1), 9, -1)]
)
def test_draw__refuses_a_view_without_extent(view):
    with pytest.raises(InputError, match="a view must be wider and higher than 0"):
        draw(points(), ALL, NONE, *view)
