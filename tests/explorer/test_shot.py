from __future__ import annotations

import shutil
from importlib import import_module
from types import SimpleNamespace

import numpy as np

from tests.explorer.few_shots import N, few_shots, pictures, session, texts
from xfeldask.errors import CorruptStoreError
from xfeldask.explorer.model.pictures import Picture, Pictures
from xfeldask.explorer.model.session import Session
from xfeldask.explorer.tabs.shot import lit, nearby, select_nearby, shot
from xfeldask.explorer.tabs.watch import Watch
from xfeldask.store.run import Run

module = import_module("xfeldask.explorer.tabs.shot")
"""The module, which its function hides in the room."""


def test_lit__are_middles_of_pixels_with_photons():
    values = np.array([[0, 2, np.nan], [0, 0, 7]], np.float32)
    found = lit(Picture(values, (10.0, 20.0, 3.0, 4.0)))
    assert {name: value.tolist() for name, value in found.items()} == {
        "x": [11.5, 12.5], "y": [21.0, 23.0], "photons": [2.0, 7.0]
    }  # fmt: skip


def test_lit__are_none_where_so_many_are_that_none_can_be_missed(monkeypatch):
    monkeypatch.setattr(module, "MOST_LIT", 3)
    for n, drawn in ((3, 3), (4, 0)):
        values = np.zeros((4, 4), np.float32)
        values.ravel()[:n] = 1
        assert len(lit(Picture(values, (0, 0, 1, 1)))["x"]) == drawn


def test_nearby__is_nothing_without_coordinates():
    looked = session()
    assert len(nearby(looked, 3)[0]) == module.NEIGHBOURS
    assert 3 not in nearby(looked, 3)[0]
    without = SimpleNamespace(shots=SimpleNamespace(latent=np.zeros((N, 0))))
    assert nearby(without, 3) == ([], [])


def test_tab__asks_for_a_shot_and_tells_all_about_it():
    looked = session()
    view = shot(looked, pictures(), Watch(looked))
    hint, body = view.objects
    assert (hint.visible, body.visible) == (True, False)
    looked.shot = 4
    assert (hint.visible, body.visible) == (False, True)
    told = texts(view)
    assert f"{few_shots().read('photon_count')[4]:,}" in told
    assert "The 12 nearest of all 24 shots" in told
    first = body.objects
    looked.shot = 5
    # panes are filled again, and not made again
    assert body.objects == first


def test_tab__of_a_damaged_shot_names_what_is_wrong(tmp_path):
    run = Run.open(shutil.copytree(few_shots().path, tmp_path / "run.zarr"))
    (run.path / "photons/c/0/0/0/0").write_bytes(b"torn")
    looked = Session(run.path, shot=2)
    view = shot(looked, Pictures(run), Watch(looked))
    assert "shot 2 cannot be read" in texts(view)
    looked.shot = 6
    assert "cannot be read" not in texts(view)


def test_select_nearby__selects_the_shot_and_those_most_like_it_as_a_gesture_would():
    looked = session(shot=3)
    select_nearby(looked, 5)
    assert set(np.flatnonzero(looked.selected)) == {3, *nearby(looked, 3, 5)[0]}
    looked.combination = "subtract"
    select_nearby(looked, 2)
    assert looked.selected.sum() == 3


def test_tab__of_a_shot_whose_image_is_damaged_names_what_is_wrong(monkeypatch):
    def damaged(*_: object) -> None:
        raise CorruptStoreError("shot 2 cannot be read")

    monkeypatch.setattr("xfeldask.explorer.tabs.spread.brightness", damaged)
    looked = session(shot=2)
    assert "shot 2 cannot be read" in texts(shot(looked, pictures(), Watch(looked)))
