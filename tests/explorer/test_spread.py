from __future__ import annotations

import numpy as np

from tests.explorer.few_shots import pictures, session
from xfeldask.explorer.model.brightness import ALL, brightness
from xfeldask.explorer.tabs.spread import Curves


def test_curves__of_a_shot_are_drawn_before_the_means_and_leave_out_what_is_nothing():
    curves = Curves(session(), pictures())
    curves.classes()
    curves.show(3)
    wanted = brightness(pictures(), [3])
    np.testing.assert_array_equal(curves.radial["shot"].data["x"], wanted.q)
    drawn = curves.radial["shot"].data["y"]
    np.testing.assert_array_equal(np.isnan(drawn), wanted.photons == 0)
    np.testing.assert_array_equal(curves.held["shot"].data["x"], wanted.number)
    means = {name for name, source in curves.radial.items() if len(source.data["x"])}
    assert {"shot", ALL} < means


def test_curves__read_the_means_once_for_the_shots_that_are_there(monkeypatch):
    looked, asked = session(), []
    curves = Curves(looked, pictures())
    monkeypatch.setattr("xfeldask.explorer.tabs.spread.class_means", lambda *_: asked.append(1) or {})
    curves.classes()
    curves.classes()
    assert asked == [1]
    looked.reopen(looked.embedding)
    curves._of = None
    curves.classes()
    assert asked == [1, 1]
