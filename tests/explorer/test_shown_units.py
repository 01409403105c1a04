"""Quantities of the explorer have units for people, and words about them those of the store."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import panel as pn
import pytest

from tests.explorer.gestures import box
from xfeldask.explorer.model.session import Session
from xfeldask.explorer.tabs.histograms import Histogram
from xfeldask.explorer.tabs.poster import poster
from xfeldask.explorer.view.plane import Plane
from xfeldask.explorer.view.sidebar import sidebar
from xfeldask.explorer.view.widgets import named

LABEL = "separation across the beam (nm)"


@pytest.fixture
def session(stores: dict[str, Path]) -> Session:
    return Session(stores["whole"], "pairs")


def test_shown__is_the_same_quantity_in_another_unit(session: Session) -> None:
    stored, shown = session.shots.column("separation"), session.shots.shown("separation")
    assert (stored.units, shown.units) == ("m", "nm")
    np.testing.assert_allclose(shown.values, stored.values * 1e9, rtol=1e-12)
    assert session.shots.shown("separation") is shown
    assert session.shots.shown("photon_count") is session.shots.column("photon_count")


def test_plane__has_axes_and_a_colour_bar_in_nm(session: Session) -> None:
    session.param.update(x="separation", colour="separation")
    plane = Plane(session)
    assert plane.canvas.figure.xaxis.axis_label == plane.canvas.bars[0].title == LABEL
    there = plane.x[np.isfinite(plane.x)]
    assert 1 < np.median(there) < 1000
    assert 1 < plane.canvas.mapper.high < 1000
    # a box in nm selects what an expression in m does
    box(plane, 10.0, -1e9, 30.0, 1e9)
    boxed = session.selected.copy()
    session.choose_where("separation >= 1e-8 and separation <= 3e-8")
    assert boxed.any()
    np.testing.assert_array_equal(boxed, session.selected)


def test_histogram__counts_and_selects_in_nm(session: Session) -> None:
    one = Histogram(session, "separation", logarithmic=False)
    assert named(session.shots.shown("separation")) == LABEL
    assert 1 < one.bins.edges[-1] < 1000
    one.mark(10.0, 30.0)
    marked = session.selected.copy()
    session.choose_where("separation >= 1e-8 and separation <= 3e-8")
    np.testing.assert_array_equal(marked, session.selected)


def test_about__tells_a_shot_in_nm(session: Session) -> None:
    shot = int(np.flatnonzero(np.isfinite(session.shots.column("separation").values))[0])
    about = session.about(shot, ["separation", "photon_energy"])
    assert about["separation"].endswith(" nm")
    assert about["photon_energy"] == "4600 eV"


def test_sidebar__says_in_which_units_numbers_are_typed(session: Session) -> None:
    assert session.typed_units == {"separation": "m", "fluence": "1/µm²"}
    texts = [view.object for view in pn.Column(*sidebar(session)).select(pn.pane.HTML)]
    assert "Numbers have the units of the store: separation in m, fluence in 1/µm²." in texts


def test_poster__has_axes_in_nm(session: Session) -> None:
    session.param.update(x="separation")
    assert LABEL.encode() in poster(session, "svg")
