from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tests.explorer.few_shots import pictures, session
from xfeldask.explorer.model.pictures import Picture
from xfeldask.explorer.tabs import TABS
from xfeldask.explorer.tabs.watch import Watch
from xfeldask.explorer.view.cards import Card, follow_rings
from xfeldask.explorer.view.rings import APART, resolutions

AXES = ("q along x (1/nm)", "q along y (1/nm)")
SQUARE = Picture(np.ones((4, 4), np.float32), (-0.5, -0.5, 1.0, 1.0))


@given(st.floats(1e-4, 1e4))
def test_resolutions__fit_and_are_apart(reach):
    found = resolutions(reach)
    radius = 1 / np.array(found)
    assert 2 <= len(found) <= 5
    assert (radius <= reach * (1 + 1e-6)).all()
    assert (-np.diff(radius) >= APART * reach * (1 - 1e-6)).all()
    # the outermost is not far from the edge
    assert radius[0] > reach / 1.51


def test_rings__are_shown_on_wish_where_pictures_end():
    card = Card("pattern", "photons", AXES, reciprocal=True)
    card.show(SQUARE)
    assert card.rings is None, "a page has them made and drawn sooner without"
    card.ring(True)
    assert card.rings.source.data["told"] == ["2 nm", "2.5 nm", "4 nm", "7 nm"]
    np.testing.assert_allclose(card.rings.source.data["radius"], [1 / 2, 1 / 2.5, 1 / 4, 1 / 7])
    np.testing.assert_allclose(np.hypot(card.rings.source.data["x"], card.rings.source.data["y"]),
                               card.rings.source.data["radius"])  # fmt: skip
    card.show(Picture(SQUARE.values, (-5.0, -5.0, 10.0, 10.0)))
    assert card.rings.source.data["told"][0] == "0.2 nm"
    card.ring(False)
    assert card.rings.source.data["told"] == []


def test_rings__do_not_widen_the_axes_of_a_picture():
    card = Card("pattern", "photons", AXES, reciprocal=True)
    assert card.figure.x_range.renderers == card.figure.y_range.renderers == [card.image]


def test_rings__are_none_in_real_space():
    card = Card("particles", "electrons", AXES, reciprocal=False)
    card.show(SQUARE)
    card.ring(True)
    assert card.rings is None


def test_cards__follow_the_session():
    looked, card = session(), Card("pattern", "photons", AXES, reciprocal=True)
    follow_rings(looked, [card], looked.param.watch)
    card.show(SQUARE)
    looked.rings = True
    assert card.rings.source.data["told"]
    looked.rings = False
    assert not card.rings.source.data["told"]


def test_shot__is_shown_with_rings_from_the_start_where_they_are_wanted():
    looked = session(shot=3, rings=True)
    view = TABS["shot"](looked, pictures(), Watch(looked))
    figures = [pane.object for pane in view.select() if hasattr(getattr(pane, "object", None), "renderers")]
    told = [source.data["told"] for fig in figures for source in {r.data_source for r in fig.renderers}
            if "told" in source.data]  # fmt: skip
    assert told
    assert told[0]
