from __future__ import annotations

import shutil
from types import SimpleNamespace

import numpy as np
import pytest

from tests.explorer.few_shots import few_shots, session
from xfeldask.explorer.model.session import Session
from xfeldask.explorer.tabs.bench import KEYS as LABEL_KEYS
from xfeldask.explorer.tabs.bench import REDO, UNDO
from xfeldask.explorer.view import bar as module
from xfeldask.explorer.view.bar import KEYS_TOLD, bar, number
from xfeldask.explorer.view.frame import data_sets
from xfeldask.explorer.view.icons import Icons
from xfeldask.explorer.view.keys import Keys
from xfeldask.store.packing.codecs import EXACT
from xfeldask.store.run import Run
from xfeldask.work.schedulers import scheduled


def keys_of(parts):
    return next(part for part in parts if isinstance(part, Keys))


def test_bar__tells_how_many_shots_there_are_and_are_selected():
    looked = session()
    told = bar(looked, [few_shots().path], 0)[0]
    assert told.object == "24 shots · 0 selected"
    looked.choose_where("n_particles == 1")
    assert told.object == "24 shots · 8 selected"


def test_bar__of_a_run_that_is_being_written_tells_how_many_there_will_be(tmp_path):
    run = Run.open(shutil.copytree(few_shots().path, tmp_path / "run.zarr"), "r+")
    run.array("shot_status", EXACT)[20:] = np.zeros(4, np.uint8)
    run.group.attrs["complete"] = False
    assert bar(Session(run.path), [run.path], 0)[0].object.startswith("20 of 24 shots")


def test_bar__goes_from_shot_to_shot_by_keys_and_clears_the_selection():
    looked = session()
    looked.choose_where("shot in (3, 7, 9)")
    actions = keys_of(bar(looked, [few_shots().path], 0))._actions
    seen = []
    for key in ("ArrowRight", "ArrowRight", "ArrowLeft", "r"):
        actions[key]()
        seen.append(looked.shot)
    assert seen[:3] == [3, 7, 3]
    assert seen[3] in (3, 7, 9)
    actions["Escape"]()
    assert not looked.selected.any()


def test_data_sets__are_offered_where_there_are_several(tmp_path):
    assert data_sets([tmp_path / "a.zarr"], 0) == []
    (choice,) = data_sets([tmp_path / "a.zarr", tmp_path / "b.zarr"], 1)
    assert choice.value == 1
    assert list(choice.options) == [f"{tmp_path}/a.zarr", f"{tmp_path}/b.zarr"]


@pytest.mark.parametrize("link", [None, "http://127.0.0.1:8787/status"])
def test_bar__links_to_what_the_workers_do_if_anybody_shows_it(monkeypatch, link):
    monkeypatch.setattr(module, "active_client", lambda: SimpleNamespace(dashboard_link=link))
    links = [getattr(part, "href", None) for part in bar(session(), [few_shots().path], 0)]
    assert links.count("http://127.0.0.1:8787/status") == bool(link)


def test_bar__leads_to_a_cluster_that_waits_for_work_and_starts_none(monkeypatch):
    monkeypatch.setattr(module, "active_client", None)
    with scheduled("local", 1, quiet=True):
        links = [getattr(part, "href", None) for part in bar(session(), [few_shots().path], 0)]
    assert links.count("dask") == 1


def test_number__goes_to_a_shot_and_follows_the_pinned_one():
    looked = session()
    field = number(looked)
    assert (field.value, field.end) == (None, 23)
    field.value = 7
    assert looked.shot == 7
    looked.step(1)
    assert field.value == 8


def test_number__hears_of_another_embedding_and_selection_at_once():
    looked = session()
    field = number(looked)
    field.end = 3
    looked.param.update(embedding=None, selected=~looked.selected)
    assert field.end == 23


def test_bar__undoes_and_redoes_selections_by_keys():
    looked = session()
    keys = keys_of(bar(looked, [few_shots().path], 0))
    looked.choose_where("shot < 3")
    keys._handle_msg("Control+z")
    assert not looked.selected.any()
    keys._handle_msg("Control+Z")
    assert looked.selected.sum() == 3
    assert set(keys.known) == set(keys._actions)


def icons_of(parts):
    return next(part for part in parts if isinstance(part, Icons))


def test_keys__are_all_in_a_list_that_a_key_opens_and_closes():
    parts = bar(session(), [few_shots().path], 0)
    keys, icons = keys_of(parts), icons_of(parts)
    for turned in (1, 2):
        keys._handle_msg("?")
        assert icons.turned == turned
    words = {"ArrowLeft": "left", "ArrowRight": "right", "Control+z": "Ctrl+Z", "Control+Z": "Ctrl+Shift+Z"}
    told = {key.strip() for keys in KEYS_TOLD for key in keys.split(",")}
    assert {words.get(key, key) for key in (*keys.known, *LABEL_KEYS, UNDO, REDO)} <= told
    assert all(what in icons.keys for what in ("Ctrl+Shift+Z", "this list"))


def test_icons__do_what_keys_do_and_pass_over_what_they_do_not_know():
    looked = session(shot=3)
    icons = icons_of(bar(looked, [few_shots().path], 0))
    for name, shot in (("next", 4), ("previous", 3)):
        icons._handle_msg(name)
        assert looked.shot == shot
    # a browser may send anything; copying is its own affair
    for name in ("copy", "keys", "ArrowLeft", None, 7, ["next"]):
        icons._handle_msg(name)
    assert looked.shot == 3
    assert [name for name, _, _ in icons.buttons] == ["previous", "next", "random", "copy", "keys"]
