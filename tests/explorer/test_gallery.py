from __future__ import annotations

from importlib import import_module

import numpy as np
import panel as pn
import panel_material_ui as pmui
import pytest

from tests.explorer.few_shots import NUMBER, few_shots, pictures, session, texts
from xfeldask.explorer.model.group import ONE_MORE, RUN
from xfeldask.explorer.model.labels import doubt
from xfeldask.explorer.model.pictures import ZOOMS
from xfeldask.explorer.tabs.gallery import DOUBT, gallery
from xfeldask.explorer.tabs.watch import Watch
from xfeldask.explorer.view.mosaic import Mosaic

module = import_module("xfeldask.explorer.tabs.gallery")
"""The module, which its function hides in the room."""


@pytest.fixture
def shown(monkeypatch):
    """Pages of ten, and the mosaic that they are shown in."""
    made = []

    def mosaic(columns, rows, on_tap, lines, on_pick):
        made.append(Mosaic(columns, rows, on_tap, lines=lines, on_pick=on_pick))
        return made[0]

    for name, value in (("COLUMNS", 5), ("ROWS", 2), ("PAGE", 10), ("Mosaic", mosaic)):
        monkeypatch.setattr(module, name, value)
    looked = session()
    view = gallery(looked, pictures(), Watch(looked))
    page = next(iter(view.select(lambda part: hasattr(part, "show_first_button"))))
    return looked, view, page, made[0]


def labels(mosaic):
    return [int(label.split()[0]) for label in mosaic.source.data["label"]]


def test_gallery__pages_through_all_shots_where_none_is_selected(shown):
    _, view, page, mosaic = shown
    assert "<b>24</b> shots, as nothing is selected, on 3 pages, each with its verdict" in texts(view)
    assert labels(mosaic) == list(range(10))
    page.value = 2
    assert labels(mosaic) == [20, 21, 22, 23]


def test_gallery__goes_back_to_the_first_page_of_another_selection(shown):
    looked, view, page, mosaic = shown
    page.value = 2
    looked.choose_where("n_particles == 1")
    assert (page.value, page.count) == (0, 1)
    assert labels(mosaic) == np.flatnonzero(NUMBER == 1).tolist()
    assert "<b>8</b> selected shots on 1 pages" in texts(view)


def test_gallery__leaves_hidden_shots_out_and_says_so(shown):
    looked, view, _, mosaic = shown
    looked.colour = "hit"
    looked.choose_where("shot < 6")
    looked.hidden = ["blank"]
    assert labels(mosaic) == [1, 2, 4, 5]
    assert "selected shots (2 more are hidden)" in texts(view)


def test_gallery__pins_what_is_tapped_and_frames_what_is_pinned(shown):
    looked, _, page, mosaic = shown
    page.value = 1
    mosaic._on_tap(3)
    assert looked.shot == 13
    assert mosaic.marked.data["x"] == [mosaic.place(3)[0] + 0.5]
    looked.shot = 2
    assert mosaic.marked.data["x"] == []
    page.value = 0
    assert mosaic.marked.data["x"] == [mosaic.place(2)[0] + 0.5]


def test_gallery__shows_the_part_of_the_detector_that_is_looked_at(shown):
    looked, _, _, mosaic = shown
    shapes = []
    for looked.zoom in ZOOMS:
        shapes.append(mosaic.source.data["image"][0].shape)
    assert shapes == [pictures().seen(0, zoom).values.shape for zoom in ZOOMS]
    assert len(set(shapes)) > 1


def buttons(view):
    return {part.label: part for part in view.select(pmui.Button) if part.visible}


def test_gallery__selects_tiles_that_are_picked_together(shown):
    looked, view, page, mosaic = shown
    sorter(view).value = "photon_count"
    order = np.argsort(few_shots().read("photon_count"), kind="stable")
    assert buttons(view) == {}
    mosaic._on_tap(7)
    page.value = 1
    mosaic._on_pick(1, RUN)
    mosaic._on_pick(0, ONE_MORE)
    mosaic._on_pick(5, ONE_MORE)
    assert len(mosaic.picked.data["x"]) == 2, "of those on this page"
    assert list(buttons(view)) == ["select the 5 picked"]
    buttons(view)["select the 5 picked"].clicks += 1
    wanted = {int(order[place]) for place in (7, 8, 9, 11, 15)}
    assert set(np.flatnonzero(looked.selected).tolist()) == wanted
    assert set(labels(mosaic)) == wanted
    assert buttons(view) == {}
    mosaic._on_tap(0)
    mosaic._on_pick(1, RUN)
    buttons(view)["leave the 2 out"].clicks += 1
    assert set(np.flatnonzero(looked.selected).tolist()) == wanted - {int(order[7]), int(order[8])}
    looked.undo()
    assert set(np.flatnonzero(looked.selected).tolist()) == wanted


def test_gallery__forgets_what_was_picked_with_the_selection_that_it_was_picked_of(shown):
    looked, view, _, mosaic = shown
    mosaic._on_tap(2)
    mosaic._on_pick(3, RUN)
    assert len(mosaic.picked.data["x"]) == 2
    looked.choose_where("shot >= 20")
    assert (buttons(view), mosaic.picked.data["x"]) == ({}, [])


def sorter(view):
    return next(part for part in view.select(pn.widgets.Select) if part.label == "sorted by")


def test_gallery__is_sorted_by_any_quantity_and_tells_it(shown):
    looked, view, page, mosaic = shown
    page.value = 1
    sorter(view).value = "photon_count"
    photons = few_shots().read("photon_count")
    order = np.argsort(photons, kind="stable")
    assert (page.value, labels(mosaic)) == (0, order[:10].tolist())
    first = mosaic.source.data["label"][0]
    assert first.startswith(f"{order[0]} · {photons[order[0]]:,}\n")
    assert looked.about(int(order[0]))["verdict"] in first
    next(iter(view.select(pmui.Switch))).value = True
    assert labels(mosaic) == np.argsort(-photons.astype(float), kind="stable")[:10].tolist()


def test_gallery__shows_what_the_rule_is_least_sure_of(shown):
    looked, view, _, mosaic = shown
    sorter(view).value = DOUBT
    assert labels(mosaic) == np.argsort(doubt(looked.shots), kind="stable")[:10].tolist()


def test_gallery__goes_on_without_the_selection_that_it_was_sorted_by(shown):
    looked, view, _, mosaic = shown
    looked.choose_where("shot >= 20")
    looked.save("late")
    looked.choose_where("")
    sorter(view).value = "late"
    assert labels(mosaic)[-1] == 9
    looked.forget("late")
    assert sorter(view).value == "shot"
