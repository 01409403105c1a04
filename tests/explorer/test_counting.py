"""Kernels that count points into pixels, against NumPy, which makes an array of each step."""

from __future__ import annotations

import numpy as np
import pytest

from xfeldask.explorer.model.counting import OUTSIDE, add_up, codes, count, mix, paint, places

WIDTH, HEIGHT = 13, 9
VIEW = np.array([-1.0, 1.5, -2.0, 1.0])


@pytest.fixture
def points():
    rng = np.random.default_rng(7)
    x, y = rng.normal(size=(2, 500)).astype(np.float32)
    x[:20], y[20:40] = np.nan, np.inf
    x[40], y[40] = VIEW[1], VIEW[3]
    return x, y, rng.random(500) < 0.8, rng.random(500) < 0.3


def pixels(x, y, visible):
    x0, x1, y0, y1 = VIEW
    inside = visible & (x >= x0) & (x <= x1) & (y >= y0) & (y <= y1)
    column = np.minimum((x[inside].astype(float) - x0) * (WIDTH / (x1 - x0)), WIDTH - 1).astype(int)
    row = np.minimum((y[inside].astype(float) - y0) * (HEIGHT / (y1 - y0)), HEIGHT - 1).astype(int)
    return inside, (HEIGHT - 1 - row) * WIDTH + column


def test_places_and_count__are_those_of_points_that_are_seen(points):
    x, y, visible, chosen = points
    visible[40] = True
    inside, wanted = pixels(x, y, visible)
    pixel = places(x, y, visible, VIEW, WIDTH, HEIGHT)
    np.testing.assert_array_equal(pixel[inside], wanted)
    assert (pixel[~inside] == OUTSIDE).all()
    assert pixel[40] == WIDTH - 1
    both = [np.bincount(wanted[chosen[inside] == layer], minlength=WIDTH * HEIGHT) for layer in (False, True)]
    np.testing.assert_array_equal(count(pixel, chosen, WIDTH * HEIGHT), both)


def test_sums__are_of_the_chosen_points_of_each_pixel(points):
    x, y, visible, chosen = points
    inside, wanted = pixels(x, y, visible)
    pixel = places(x, y, visible, VIEW, WIDTH, HEIGHT)
    value = np.where(np.arange(500) % 11, np.arange(500.0), np.nan)
    code, colour = (np.arange(500) % 3).astype(np.uint8), np.arange(9.0).reshape(3, 3)
    where, place = np.unique(wanted[chosen[inside]], return_inverse=True)
    of_pixel = np.zeros(WIDTH * HEIGHT, np.int32)
    of_pixel[where] = np.arange(len(where))
    some = np.flatnonzero(inside & chosen)
    mixed = [np.bincount(place, colour[code[some], part]) for part in range(3)]
    np.testing.assert_array_equal(mix(pixel, chosen, of_pixel, len(where), code, colour), np.transpose(mixed))
    total, number = add_up(pixel, chosen, of_pixel, len(where), value)
    finite = np.isfinite(value[some])
    np.testing.assert_array_equal(number, np.bincount(place[finite], minlength=len(where)))
    np.testing.assert_array_equal(total, np.bincount(place[finite], value[some][finite], len(where)))


def test_paint__hides_what_was_painted_before_and_stays_in_the_picture():
    rgba = np.zeros((2, 3, 4), np.uint8)
    paint(rgba, np.array([2, 3]), np.array([[1] * 4, [2] * 4], np.uint8), np.array([[0, 1], [-1, 0], [0, 0]]))
    assert rgba[..., 0].tolist() == [[2, 0, 1], [2, 2, 0]]


def test_codes__of_values_that_are_no_class_come_after_all_classes():
    assert codes(np.array([3, 1, 9]), (1, 3)).tolist() == [1, 0, 2]


def test_codes__are_of_as_many_classes_as_there_are():
    np.testing.assert_array_equal(codes(np.arange(300), tuple(range(299))), np.arange(300))
