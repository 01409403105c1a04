"""Where images of a mosaic stand, and what a tap finds."""

import numpy as np
import pytest
from bokeh.events import Tap
from hypothesis import given
from hypothesis import strategies as st

from xfeldask.explorer.model.group import ONE_MORE, RUN
from xfeldask.explorer.view.mosaic import STEPS, Mosaic
from xfeldask.explorer.view.taps import TAPS


@given(st.integers(1, 6), st.integers(1, 4), st.data())
def test_tap__finds_the_image_under_it(columns: int, rows: int, data: st.DataObject) -> None:
    tapped: list[int] = []
    mosaic = Mosaic(columns, rows, tapped.append)
    n = data.draw(st.integers(1, columns * rows))
    mosaic.show([np.full((2, 2), i) for i in range(n)], [str(i) for i in range(n)])
    i = data.draw(st.integers(0, n - 1))
    x, y = mosaic.source.data["x"][i], mosaic.source.data["y"][i]
    mosaic._tapped(Tap(None, x=x + data.draw(st.floats(0.01, 0.99)), y=y + data.draw(st.floats(0.01, 0.99))))
    mosaic._tapped(Tap(None, x=x + 1.03, y=y + 0.5))
    mosaic._tapped(Tap(None, x=None, y=None))
    assert tapped == [i]
    fig = mosaic.figure
    assert fig.x_range.start <= x < x + 1 <= fig.x_range.end
    assert fig.y_range.start <= y < y + 1 <= fig.y_range.end


@pytest.mark.parametrize(
    ("held", "found"),
    [
        ({}, ["tapped"]),
        (None, ["tapped"]),
        ({"shift": True}, [RUN]),
        ({"ctrl": True}, [ONE_MORE]),
        ({"alt": True}, [ONE_MORE]),
    ],
)
def test_tap__with_a_key_picks(held: dict | None, found: list[str]) -> None:
    heard: list[str] = []
    mosaic = Mosaic(2, on_tap=lambda _: heard.append("tapped"), on_pick=lambda _, how: heard.append(how))
    mosaic.show([np.ones((2, 2))], ["0"])
    for kind in TAPS:
        mosaic.figure._trigger_event(kind(mosaic.figure, x=0.5, y=0.5, modifiers=held))
    assert heard == found * 3


def test_place__goes_along_rows_from_the_top() -> None:
    mosaic = Mosaic(3, 2)
    places = [mosaic.place(i) for i in range(6)]
    assert [x for x, _ in places[:3]] == [x for x, _ in places[3:]] == sorted({x for x, _ in places})
    assert {y for _, y in places[:3]} > {0} or min(y for _, y in places[:3]) > max(y for _, y in places[3:])


def test_show__shares_a_logarithmic_scale_of_photons() -> None:
    mosaic = Mosaic(2)
    top = mosaic.show([np.array([[0, 1.0]]), np.array([[100.0, np.nan]])], ["a", "b"])
    one, two = mosaic.source.data["image"]
    assert top == 100
    assert one[0, 0] == 1
    assert 1 < one[0, 1] < two[0, 0] == STEPS
    assert two[0, 1] == 0
    assert one[0, 1] - 1 == pytest.approx((STEPS - 1) * np.log(2) / np.log(200), abs=0.5)


def test_show__puts_zero_of_signed_images_in_the_middle() -> None:
    mosaic = Mosaic(3, signed=True)
    mosaic.show([np.array([[-2.0, 0, 2]]), np.array([[0.0, 0, 0]]), np.full((1, 1), np.nan)], ["a", "b", "c"])
    one, two, three = mosaic.source.data["image"]
    assert one.tolist() == [[1, 128, STEPS]]
    assert two.tolist() == [[128, 128, 128]]
    assert three.tolist() == [[0]]


def test_show__nothing_is_an_empty_figure() -> None:
    mosaic = Mosaic(3)
    mosaic.show([np.ones((2, 2))], ["a"])
    mosaic.mark(0)
    assert len(mosaic.marked.data["x"]) == 1
    mosaic.show([], [])
    assert (mosaic.source.data["label"], mosaic.marked.data["x"], mosaic.found(0.5, 0.5)) == ([], [], None)
