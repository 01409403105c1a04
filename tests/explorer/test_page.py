"""The page of one person without a browser; what visitors meet has tests of its own."""

from __future__ import annotations

import shutil

import numpy as np
import panel as pn
import panel_material_ui as pmui
import pytest

from tests.explorer.few_shots import few_shots, session, texts
from xfeldask.explorer.model.session import Session
from xfeldask.explorer.view.frame import message
from xfeldask.explorer.view.page import Explorer, make_page
from xfeldask.schema import BLANK, SINGLE
from xfeldask.store.choosing.columns import Shots
from xfeldask.store.packing.codecs import EXACT
from xfeldask.store.run import Run


def alerts(page):
    return [part.objects[0].object for part in page.main if isinstance(part, pmui.Alert)]


def test_message__is_text_whatever_a_store_is_called(tmp_path):
    page = message("<img src=x> cannot be shown", [tmp_path / "a.zarr", tmp_path / "b.zarr"], 1)
    (alert,) = alerts(page)
    assert alert == "&lt;img src=x&gt; cannot be shown"
    # one can go to another store
    assert page.header[0].value == 1


@pytest.mark.parametrize(("name", "told"), [("none.zarr", "no store at"), ("empty.zarr", "is not a Zarr store")])
def test_make_page__says_why_there_is_nothing_to_be_seen(tmp_path, name, told):
    (tmp_path / "empty.zarr").mkdir()
    (alert,) = alerts(make_page([tmp_path / name]))
    assert told in alert


def test_make_page__of_a_store_has_plots_sidebar_and_bar():
    page = make_page([few_shots().path])
    assert page.title == "run.zarr"
    assert alerts(page) == []
    assert "24 shots · 0 selected" in texts(*page.header[:1])
    assert [len(page.main[-1].select(pn.pane.Bokeh)) > 0, len(page.main[-1].select(pmui.Tabs))] == [True, 1]
    assert len(page.sidebar) == 1


def test_page__tells_its_session_whether_it_is_dark():
    found = Explorer(session())
    page = found.page([few_shots().path])
    for dark in (True, False):
        page.dark_theme = dark
        assert found.session.dark is dark


def test_look__shows_a_shot_or_the_one_that_is_pinned():
    found = Explorer(session(shot=4))
    assert found.line.value.startswith("<b>shot 4</b> · truth single · verdict ")
    found.look(9)
    assert "<b>shot 9</b>" in found.line.value
    found.look(None)
    assert "<b>shot 4</b>" in found.line.value
    found.session.shot = 7
    assert "<b>shot 7</b>" in found.line.value
    assert found.pattern.image.visible
    # the store tells of no atoms
    assert not found.particles.image.visible


def test_look__at_a_blank_shows_no_particle_as_the_brightest(stores):
    found = Explorer(Session(stores["whole"], "pairs"))
    kind = found.session.shots.column("hit").values
    for shot, high in ((np.argmax(kind == BLANK), 1.0), (np.argmax(kind == SINGLE), None)):
        found.look(int(shot))
        assert found.particles.mappers["linear"].high == high


def test_look__at_a_damaged_shot_tells_what_is_wrong_and_goes_on(tmp_path):
    run = Run.open(shutil.copytree(few_shots().path, tmp_path / "run.zarr"))
    for name in ("image", "low_q"):
        for file in (run.path / name / "c/0").rglob("0"):
            if file.is_file():
                file.write_bytes(b"torn")
    found = Explorer(Session(run.path))
    assert "shot 0 cannot be read" in found.line.value
    assert not found.pattern.image.visible
    found.look(6)
    assert "<b>shot 6</b>" in found.line.value
    assert found.pattern.image.visible


def test_page__of_a_run_that_is_being_written_begins_with_a_shot_that_is_there(tmp_path):
    run = Run.open(shutil.copytree(few_shots().path, tmp_path / "run.zarr"), "r+")
    run.array("shot_status", EXACT)[:8] = np.zeros(8, np.uint8)
    run.group.attrs["complete"] = False
    found = Explorer(Session(run.path))
    assert "<b>shot 8</b>" in found.line.value
    found.look(3)
    assert found.line.value == "<b>shot 3</b> · not yet written"
    assert found.plane.caption.object == "drawn 16 of 24 · 8 not yet written"


def test_shots__that_are_written_while_columns_are_read_do_not_count_yet(tmp_path):
    run = Run.open(shutil.copytree(few_shots().path, tmp_path / "run.zarr"), "r+")
    status = run.array("shot_status", EXACT)
    done = np.asarray(status[:])
    status[:8] = np.zeros(8, np.uint8)
    shots = Shots.of(Run.open(run.path))
    status[:] = done
    assert not shots.done[:8].any()


def test_shot__that_is_seen_already_is_not_sent_again_when_it_is_pinned():
    found = Explorer(session())
    found.look(3)
    sent = []
    found.pattern.source.on_change("data", lambda attr, old, new: sent.append(attr))
    found.session.shot = 3
    assert sent == []
    found.session.shot = 4
    assert sent == ["data"]


def test_line__tells_no_truth_while_the_tab_of_labels_is_open():
    found = Explorer(session(shot=5))
    (bar,) = found.main().select(pmui.Tabs)
    for name, told in (("labels", False), ("gallery", True)):
        bar.active = list(bar._names).index(name)
        assert ("truth multiple" in found.line.value) == told
        assert ("truth hidden while you label" in found.line.value) != told
        found.look(8)
        assert ("truth multiple" in found.line.value) == told
        found.look(5)


def test_particles__are_not_shown_to_who_labels(stores):
    found = Explorer(Session(stores["whole"], "pairs", shot=3))
    seen = [found.particles.image.visible]
    for blind in (True, False):
        found.session.blind = blind
        seen.append(found.particles.image.visible)
    assert seen == [True, False, True]


def test_view__of_a_notebook_offers_the_quantities_of_the_embedding_that_is_looked_at(stores):
    looked = Session(stores["whole"], "pairs")
    view = Explorer(looked).view()

    def offered():
        (x,) = view.select(lambda part: getattr(part, "label", "") == "x")
        return set(x.values)

    assert "verdict" in offered()
    looked.reopen("second")
    assert "verdict" not in offered()
