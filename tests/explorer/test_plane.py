"""The latent plot without a browser: what is drawn, found, and selected; hexagons and units have tests of their own."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from bokeh.models import ColorBar
from matplotlib.colors import to_rgb

from tests.explorer.few_shots import NUMBER, N, few_shots, session
from tests.explorer.gestures import box, lasso, look, point, size, tap
from xfeldask.explorer.model.drawing import DENSITIES, DENSITIES_ON_DARK, LEAST_ALPHA, LEAST_ALPHA_ON_DARK
from xfeldask.explorer.view.plane import Plane, points_of
from xfeldask.explorer.view.sidebar import chips
from xfeldask.store.choosing.columns import Column


@pytest.fixture
def plane():
    return Plane(session())


def test_plane__draws_the_first_two_components_of_every_shot(plane):
    latent = few_shots().embedding().dataset().latent.values
    np.testing.assert_allclose(np.stack([plane.x, plane.y], axis=1), latent, rtol=1e-6)
    assert plane.caption.object == "drawn 24 of 24"


def test_pinned_shot__is_marked_from_the_start():
    plane = Plane(session(shot=4))
    assert plane.canvas.pin.data == {"x": [plane.x[4]], "y": [plane.y[4]]}


def test_caption__tells_what_is_hidden_selected_and_outside(plane):
    looked = plane.session
    looked.colour, looked.hidden = "hit", ["blank"]
    looked.choose_where("n_particles == 1")
    assert plane.caption.object == "drawn 16 of 24 · 8 hidden · <b>8 selected</b>"
    size(plane, 100, 100)
    middle = float(np.median(plane.x))
    look(plane, (middle, middle + 1e-6), (-1e9, 1e9))
    assert "outside the view" in plane.caption.object


def test_under__finds_the_shot_that_is_near_and_not_hidden(plane):
    looked = plane.session
    for shot in (0, 7, 23):
        assert plane.under(float(plane.x[shot]), float(plane.y[shot])) == shot
    assert plane.under(None, None) is None
    assert plane.under(1e9, 1e9) is None
    looked.colour, looked.hidden = "hit", ["blank"]
    assert plane.under(float(plane.x[0]), float(plane.y[0])) != 0


def test_gestures__select_and_pin(plane):
    looked = plane.session
    half = float(np.median(plane.x))
    box(plane, -1e9, -1e9, half, 1e9)
    np.testing.assert_array_equal(looked.selected, plane.x <= half)
    lasso(plane, [(half, -1e9), (1e9, -1e9), (1e9, 1e9), (half, 1e9)])
    np.testing.assert_array_equal(looked.selected, plane.x > half)
    before = looked.selected
    lasso(plane, [(0, 0), (1, 1)])
    lasso(plane, [])
    box(plane, 0, 0, 1, 1, final=False)
    np.testing.assert_array_equal(looked.selected, before)
    tap(plane, float(plane.x[5]), float(plane.y[5]))
    assert looked.shot == 5
    assert plane.canvas.pin.data == {"x": [plane.x[5]], "y": [plane.y[5]]}
    tap(plane, 1e9, 1e9)
    assert looked.shot == 5


def test_hover__is_told_once_for_each_shot():
    told = []
    found = Plane(session(), on_hover=told.append)
    for shot in (3, 3, 4):
        point(found, float(found.x[shot]), float(found.y[shot]))
    for _ in range(2):
        found.pointed(None, None)
    assert told == [3, 4, None]


def test_axes__of_ones_own_do_not_follow_the_session():
    looked = session()
    found = Plane(looked, axes=("photon_count", "shot"))
    looked.x = "shot"
    np.testing.assert_array_equal(found.x, few_shots().read("photon_count"))
    np.testing.assert_array_equal(found.y, np.arange(N))


def test_points__have_the_colours_of_classes_numbers_or_density():
    looked = session()
    x = np.zeros(N, np.float32)
    assert points_of(looked, x, x, "density").value is None
    assert points_of(looked, x, x, "hexagons").hexagons
    hit = points_of(looked, x, x, "hit")
    assert set(hit.colours) == {0, 1, 2}
    np.testing.assert_array_equal(hit.value, NUMBER)
    photons = points_of(looked, x, x, "photon_count")
    low, high = photons.span
    counts = few_shots().read("photon_count")
    assert counts.min() <= low < high <= counts.max()


@pytest.mark.parametrize("colour", ["density", "hexagons"])
def test_densities__stand_out_more_the_more_shots_there_are_on_light_and_on_dark(colour):
    looked = session(colour=colour)
    found = Plane(looked)
    assert found.points.palette == DENSITIES
    light = found.canvas.picture.data["image"][0]
    looked.dark = True
    assert found.points.palette == DENSITIES_ON_DARK
    assert (found.canvas.picture.data["image"][0] != light).any()
    if colour == "hexagons":
        assert found.canvas.counts.palette[-1] == DENSITIES_ON_DARK[-1]
    on_white, on_black = ([sum(to_rgb(name)) for name in one] for one in (DENSITIES, DENSITIES_ON_DARK))
    assert on_white == sorted(on_white, reverse=True)
    assert on_black == sorted(on_black)


def test_classes__hide_less_of_their_colour_on_dark():
    looked = session(colour="verdict")
    found = Plane(looked)

    def faintest() -> int:
        alpha = found.canvas.picture.data["image"][0].view(np.uint8).reshape(-1, 4)[:, 3]
        return int(alpha[alpha > 0].min())

    light = faintest()
    looked.dark = True
    assert (light, faintest()) == (LEAST_ALPHA, LEAST_ALPHA_ON_DARK)


@pytest.mark.parametrize("value", [7.5, 0])
def test_quantity_that_is_the_same_for_all__is_told_and_not_coloured(value):
    looked = session()
    looked.shots = looked.shots.own()
    looked.shots.add(Column("flat", "flatness", "m", np.full(N, value)))
    looked.colour = "flat"
    found = Plane(looked)
    assert found.points.value is None
    assert [bar.visible for bar in found.canvas.bars] == [False, False]
    assert f"flatness: {looked.about(0)['flat']} in every shot" in found.caption.object
    assert chips(looked).objects == []


def test_colour_bars__are_in_the_figure_from_the_start_and_tell_what_is_drawn():
    looked = session(colour="density")
    found = Plane(looked)
    figure = found.canvas.figure
    numbers, counts = bars = [part for part in figure.right if isinstance(part, ColorBar)]
    assert [bar.visible for bar in bars] == [False, False]
    looked.colour = "hexagons"
    assert [bar.visible for bar in bars] == [False, True]
    assert counts.title == "shots in a hexagon"
    assert counts.color_mapper.high >= found._counted.max()
    looked.colour = "photon_count"
    assert [bar.visible for bar in bars] == [True, False]
    assert (numbers.title, numbers.color_mapper.high) == (found._title, found.points.span[1])
    assert [part for part in figure.right if isinstance(part, ColorBar)] == bars


def test_plane__draws_what_a_browser_looks_at_once_for_all_that_changed(plane, monkeypatch):
    later, drawn = [], []
    served = SimpleNamespace(session_context=True, add_timeout_callback=lambda make, _: later.append(make))
    monkeypatch.setattr(Plane, "_document", served)
    plane.canvas.picture.on_change("data", lambda attr, old, new: drawn.append(new))
    size(plane, 90, 60)
    look(plane, (0.0, 1.0), (2.0, 4.0))
    assert (len(later), drawn) == (1, [])
    later.pop()()
    (told,) = drawn
    assert told["image"][0].shape == (60, 90)
    assert [told[name][0] for name in ("x", "dw", "y", "dh")] == [0, 1, 2, 2]
    look(plane, (0.0, 1.0), (2.0, 4.0))
    assert later == []


def test_pointer__beside_the_axes_points_at_what_is_next_to_it(plane, monkeypatch):
    seen = []
    monkeypatch.setattr(plane, "under", lambda *at: seen.append(at))
    (x0, x1), (y0, y1) = plane.canvas.view
    point(plane, x0 - 5, y1 + 5)
    point(plane, x1, (y0 + y1) / 2)
    assert seen == [(x0, y1), (x1, (y0 + y1) / 2)]


@pytest.mark.parametrize("where", [(5.0, 6.0), (-6.0, -5.0)])
def test_plane__looks_elsewhere_though_one_end_of_a_range_comes_after_the_other(plane, where):
    size(plane, 100, 100)
    (x0, x1), (y0, y1) = plane.canvas.view
    axis = plane.canvas.figure.x_range
    left, right = (x0 + times * (x1 - x0) for times in where)
    axis.set_from_json("start", left)
    axis.set_from_json("end", right)
    assert plane._view == ((left, right), (y0, y1))
    axis.set_from_json("start", float("nan"))
    assert plane._view == ((left, right), (y0, y1))


def test_canvas__is_no_larger_than_can_be_drawn_for_many(plane):
    plane.canvas._sized("inner_width", 0, 10**9)
    plane.canvas._sized("inner_height", 0, 100)
    assert plane.canvas.size == (8192, 100)
