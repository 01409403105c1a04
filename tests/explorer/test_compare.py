"""Two selections side by side."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import zarr

from tests.explorer.few_shots import NUMBER, N, few_shots, pictures, session, texts
from xfeldask.explorer.model import comparison
from xfeldask.explorer.model.comparison import apart, blocks, class_counts, differences, middles, patterns
from xfeldask.explorer.model.pictures import PHOTONS, RINGS, WHOLE, Pictures
from xfeldask.explorer.model.session import Session
from xfeldask.explorer.tabs.compare import OTHERS, SELECTED, Compare
from xfeldask.explorer.tabs.watch import Watch
from xfeldask.explorer.view.sidebar import chips
from xfeldask.store.choosing.columns import Column

A, B = NUMBER == 1, NUMBER == 2


@pytest.mark.parametrize("zoom", [PHOTONS, WHOLE])
def test_patterns__have_the_mean_of_all_shots_and_its_error(zoom):
    name, grid = pictures().bins(zoom)
    images = few_shots().read(name)[A].astype(float)
    found = patterns(pictures(), zoom, A)
    dark = grid.weight == 0
    np.testing.assert_allclose(found.mean[~dark], images.mean(axis=0)[~dark])
    np.testing.assert_allclose(found.error[~dark], images.std(axis=0, ddof=1)[~dark] / np.sqrt(A.sum()), atol=1e-12)
    assert np.isnan(found.mean[dark]).all()
    assert (found.n, found.used, len(found.curve)) == (A.sum(), A.sum(), RINGS)
    assert (np.diff(middles(pictures(), zoom)) > 0).all()


def test_apart__is_in_standard_deviations_of_the_difference():
    a, b = (patterns(pictures(), WHOLE, mask) for mask in (A, B))
    least = (a.used * a.mean + b.used * b.mean) / (a.used + b.used)
    errors = (np.sqrt(np.maximum(one.error**2, least / one.used)) for one in (a, b))
    found, known = apart(a, b), np.hypot(*errors)
    at = np.isfinite(a.mean) & (known > 0)
    np.testing.assert_allclose(found[at], ((a.mean - b.mean)[at] / known[at]))
    np.testing.assert_array_equal(apart(a, a)[np.isfinite(a.mean)], 0)


def test_blocks__of_many_shots_are_some_of_them_evenly_chosen(monkeypatch):
    monkeypatch.setattr(comparison, "MOST_BLOCKS", 3)
    mask = np.zeros(256 * 9, bool)
    mask[::64] = True
    assert [int(block[0]) for block in blocks(mask)] == [0, 1024, 2048]
    assert list(blocks(np.zeros(9, bool))) == []


def test_differences__name_first_what_tells_the_sets_apart():
    looked = session()
    looked.shots = looked.shots.own()
    noise = np.random.default_rng(0).normal(size=N)
    looked.shots.add(Column("told", "tells them apart", "m", (noise + 20 * A) * 1e-9))
    found = differences(looked, A, B)
    assert (found[0].name, found[0].label) == ("told", "tells them apart (nm)")
    within = np.sqrt((noise[A].var() + noise[B].var()) / 2)
    assert found[0].size == pytest.approx((noise[A].mean() + 20 - noise[B].mean()) / within)
    assert "hit" not in [one.name for one in found]


def test_differences__of_angles_are_of_those_that_have_a_mean():
    looked = session()
    looked.shots = looked.shots.own()
    for name in ("azimuth", "elevation", "rotation"):
        looked.shots.add(Column(name, name, "degree", np.linspace(-80, 80, N)))
    assert [one.name for one in differences(looked, A, B) if one.label.endswith("(°)")] == ["elevation"]


def test_classes__are_counted_in_both_sets_and_in_all():
    rows = class_counts(session(), A | B, B)["truth"]
    assert rows == [("blank", 0, 0, 8), ("single", 8, 0, 8), ("multiple", 8, 8, 8)]


@pytest.fixture
def tab():
    looked = session()
    return looked, Compare(looked, pictures(), Watch(looked))


def compared(tab):
    tab.start()
    tab.thread.join()
    return texts(tab.view)


def test_tab__compares_the_selection_with_all_others(tab):
    looked, found = tab
    looked.choose(A)
    found.sides[0].value, found.sides[1].value = SELECTED, OTHERS
    told = compared(found)
    assert "A 8 shots (the selection); B 16 shots (all others)" in told
    assert "truth" in told
    assert found._body.visible
    shapes = set()
    for looked.zoom in (PHOTONS, WHOLE):
        found.thread.join()
        shapes.add(found.difference.source.data["image"][0].shape)
    assert len(shapes) == 2


def test_tab__offers_saved_selections_and_says_what_is_in_both(tab):
    looked, found = tab
    looked.choose(A | B)
    looked.save("hits")
    looked.choose(A)
    found.sides[0].value, found.sides[1].value = "hits", SELECTED
    assert "8 shots are in both" in compared(found)


@pytest.mark.parametrize("chosen", [None, "all others"])
def test_tab__that_is_open_offers_what_was_taught_unless_somebody_chose(tmp_path, chosen):
    path = shutil.copytree(few_shots().path, tmp_path / "run.zarr")
    looked = Session(path, "pca")
    found = Compare(looked, Pictures(looked.shots.run), Watch(looked))
    a, b = found.sides
    assert (a.value, b.value) == ("verdict single", "verdict multiple")
    b.value = chosen or b.value
    shutil.copytree(path / "latent" / "pca", path / "latent" / "pca_taught")
    looked.reopen("pca_taught")
    offered = "accepted by pca", "accepted by pca_taught"
    assert (a.value, b.value) == (("verdict single", chosen) if chosen else offered)


def test_tab__compares_first_what_was_accepted_before_and_after_a_rule_was_taught(tmp_path):
    path = shutil.copytree(few_shots().path, tmp_path / "run.zarr")
    shutil.copytree(path / "latent" / "pca", path / "latent" / "pca_taught")
    taught = zarr.open_group(path / "latent" / "pca_taught", mode="r+")["is_single"]
    before = taught[:].astype(bool)
    taught[0] = not before[0]
    looked = Session(path, "pca_taught")
    found = Compare(looked, Pictures(looked.shots.run), Watch(looked))
    names = [side.value for side in found.sides]
    assert names == ["accepted by pca", "accepted by pca_taught"]
    masks = [found.mask(*pair) for pair in (names, names[::-1])]
    np.testing.assert_array_equal(masks[0], before)
    assert np.flatnonzero(masks[0] != masks[1]).tolist() == [0]
    changed = ["accepted by pca, not by pca_taught", "accepted by pca_taught, not by pca"]
    assert {*changed} <= {*found.sides[0].options}
    for side, (names, expected) in enumerate(zip((changed, changed[::-1]), (before[0], not before[0]), strict=True)):
        found.sides[side].value, found.sides[1 - side].value = names
        found.select_side[side].clicks += 1
        assert np.flatnonzero(looked.selected).tolist() == ([0] if expected else [])
    alone = Compare(session(), pictures(), Watch(session()))
    assert not [option for option in alone.sides[0].options if option.startswith("accepted")]


def test_tab__of_an_empty_set_says_so(tab):
    _, found = tab
    found.sides[0].value, found.sides[1].value = SELECTED, OTHERS
    assert "there is no shot in one of the sets" in compared(found)
    assert not found._body.visible


def test_tab__shows_nothing_of_another_embedding(tab):
    looked, found = tab
    looked.choose(A)
    found.sides[0].value, found.sides[1].value = SELECTED, OTHERS
    compared(found)
    assert found._body.visible
    looked.param.trigger("embedding")
    assert not found._body.visible
    assert "A 8 shots" not in texts(found.view)


def test_tab__is_ready_again_whatever_happened(tab, monkeypatch, caplog):
    looked, found = tab
    looked.choose(A)
    found.sides[0].value, found.sides[1].value = SELECTED, OTHERS
    monkeypatch.setitem(Compare._make.__globals__, "differences", lambda *_: 1 / 0)
    assert "division by zero" in compared(found)
    assert "Compare failed" in caplog.text
    assert not found.bar.visible


def test_tab__reads_no_more_when_its_page_is_closed(tab, monkeypatch):
    looked, found = tab
    looked.choose(A)
    found.sides[0].value, found.sides[1].value = SELECTED, OTHERS
    read, block = [], found._pictures.block

    def closing(name, shots):
        read.append(len(shots))
        found._close(None)
        return block(name, shots)

    monkeypatch.setattr(found._pictures, "block", closing)
    compared(found)
    assert read == [8], "the second set is not read"
    assert not found._body.visible


def test_tab__shows_nothing_that_was_asked_of_another_embedding(tab, monkeypatch):
    looked, found = tab
    looked.choose(A)
    found.sides[0].value, found.sides[1].value = SELECTED, OTHERS
    block = found._pictures.block

    def leaving(name, shots):
        looked.param.trigger("embedding")
        return block(name, shots)

    monkeypatch.setattr(found._pictures, "block", leaving)
    assert "A 8 shots" not in compared(found)
    assert not found._body.visible


def test_tab__makes_nothing_where_another_embedding_came_before_its_thread_began(tab, monkeypatch, caplog):
    looked, found = tab
    begin = found._begin

    def late():
        looked.param.trigger("embedding")
        begin()

    monkeypatch.setattr(found, "_begin", late)
    compared(found)
    assert not found._body.visible
    assert found.told.object == ""
    assert caplog.text == ""


def test_chips__count_within_the_selection():
    looked = session(colour="hit")
    box = chips(looked)
    assert list(box[0].options)[1] == "● single (8)"
    first = box.objects
    looked.choose_where("shot < 6")
    assert list(box[0].options) == [f"{name} (2 of 8)" for name in ("+ blank", "● single", "▣ multiple")]
    assert box.objects == first
