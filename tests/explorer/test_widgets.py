from __future__ import annotations

import numpy as np
from bokeh.models import BoxSelectTool

from tests.store.test_html import Read
from xfeldask.explorer.view.widgets import caption, heading, named, plot, sentence, table
from xfeldask.store.choosing.columns import Column

HOSTILE = '<img src=x onerror=alert(1)> & "more"'


def test_texts__of_headings_and_sentences_are_text():
    for pane in (heading(HOSTILE), sentence(HOSTILE)):
        assert Read(pane.object).words == [HOSTILE]
        assert Read(pane.object).tags == []
    # a caption is HTML, written by those who escape what they tell
    assert caption("<b>7</b> shots", margin=0).object == "<b>7</b> shots"
    assert caption("", margin=0).margin == 0


def test_table__has_a_cell_for_each_text_and_shows_it_as_text():
    found = Read(table([("", "accepted"), (HOSTILE, "7")]))
    assert found.tags == ["table", *["tr", "td", "td"] * 2]
    assert found.words == ["accepted", HOSTILE, "7"]
    assert table([]) == "<table></table>"


def test_table__of_numbers_has_them_below_one_another():
    assert table([("a", "1", "2")], numbers=True).count("text-align:right") == 2
    assert table([("a", "1", "2")]).count("text-align:left") == 2


def test_plot__has_no_toolbar_and_does_not_take_the_wheel():
    tool = BoxSelectTool()
    figure = plot("q", "photons", [tool], width=77)
    assert (figure.xaxis.axis_label, figure.yaxis.axis_label, figure.width) == ("q", "photons", 77)
    assert figure.toolbar_location is None
    assert figure.toolbar.tools == [tool]
    assert figure.toolbar.active_scroll is None


def test_named__has_the_unit_of_a_quantity_that_has_one():
    assert named(Column("a", "distance", "nm", np.zeros(1))) == "distance (nm)"
    assert named(Column("a", "score", "1", np.zeros(1))) == "score"
