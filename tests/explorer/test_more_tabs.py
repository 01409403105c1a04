"""Tabs of kinds of particles and of reconstructions, where a store has them."""

from __future__ import annotations

import html
import shlex
import shutil
from importlib import import_module
from types import SimpleNamespace

import numpy as np
import panel as pn
import pytest

from tests.explorer.few_shots import NUMBER, N, few_shots, texts
from tests.explorer.gestures import size
from tests.explorer.more_store import SIZE, S, with_more
from tests.store.test_html import Read
from xfeldask import sort
from xfeldask.explorer.model.pictures import Pictures
from xfeldask.explorer.model.session import Session
from xfeldask.explorer.tabs import MORE, TABS, Tabs, tabs
from xfeldask.explorer.tabs.agreement import agreement
from xfeldask.explorer.tabs.kinds_tab import Deciding, Shown, kinds, middle
from xfeldask.explorer.tabs.reconstruction_tab import reconstruction
from xfeldask.explorer.tabs.verdict import Verdict
from xfeldask.explorer.tabs.watch import Watch
from xfeldask.explorer.view.page import Explorer
from xfeldask.explorer.view.plane import Plane
from xfeldask.physics.orientations import beam_directions, super_fibonacci
from xfeldask.report.decision_facts import decision_told
from xfeldask.schema import of_names
from xfeldask.scores import Confusion
from xfeldask.sorting.decision import Decision
from xfeldask.store.results.particle_kinds import KINDS
from xfeldask.store.results.reconstruction import Reconstructing, Reconstruction
from xfeldask.store.run import Run
from xfeldask.store.storage.lock import held


@pytest.fixture
def looked(tmp_path):
    """A session on a store with kinds and reconstructions."""
    return Session(with_more(tmp_path / "run.zarr"))


def test_tabs__of_a_store_are_those_that_it_has_something_for(looked):
    bars = [view.objects[0] for view in (tabs(s, Pictures(s.shots.run)) for s in (Session(few_shots().path), looked))]
    assert [list(bar._names) for bar in bars] == [[*TABS], [*TABS, *MORE]]


def test_kinds__tell_how_many_shots_each_has_and_how_large_it_is(looked):
    view = kinds(looked, Pictures(looked.shots.run), Watch(looked))
    told = texts(view)
    for words in ("kind 0", "kind 1", "6.25 nm", "not known", "120", "20 of 24 single hits, of kind 0"):
        assert words in told
    select = list(view.select(lambda part: getattr(part, "label", "") == "select its shots"))
    select[1].clicks += 1
    assert np.flatnonzero(looked.selected).tolist() == list(range(20, 24))


def test_verdict__selects_the_accepted_of_the_wanted_kind_alone(looked):
    view = Verdict(looked, Pictures(looked.shots.run))
    view.slider.value = float(np.nanmin(looked.shots.column("score").values))
    for label, due in (("select the accepted", range(20)), ("select the rejected", range(20, 24))):
        (button,) = view.view.select(lambda part, label=label: getattr(part, "label", "") == label)
        button.clicks += 1
        assert np.flatnonzero(looked.selected).tolist() == list(due)


def test_kinds__that_were_named_have_their_names(looked):
    embedding = looked.shots.run.embedding("pca")
    named = ("protein", "drop")
    found = embedding.stored().load()
    found["kind"].attrs = of_names(named).attributes()
    decision = Decision(kinds=(20, 4), kind_names=named, wanted_kinds=(1,)).to_json()
    embedding.publish(found.assign_attrs(decision=decision), embedding.parts())
    again = Session(looked.shots.run.path)
    view = kinds(again, Pictures(again.shots.run), Watch(again))
    told = texts(view)
    for words in ("of drop", "protein", "Species as named"):
        assert words in told
    next(iter(view.select(lambda part: getattr(part, "label", "") == "select its shots"))).clicks += 1
    assert np.flatnonzero(again.selected).tolist() == list(range(20))


@pytest.fixture
def deciding(looked):
    looked.may_write = True
    return Deciding(looked, Pictures(looked.shots.run), Watch(looked))


def test_deciding__tells_what_sort_would_as_kinds_are_kept_and_named(deciding, looked, tmp_path):
    stored = looked.shots.run.embedding("pca")
    before = stored.dataset().load()
    assert (deciding.make.disabled, deciding.back.visible) == (True, False)
    deciding.kinds[1].keep.value = True
    deciding.kinds[1].name.value = "ice"
    assert not deciding.make.disabled
    other = shutil.copytree(looked.shots.run.path, tmp_path / "other.zarr")
    found = sort(other, wanted=[0, 1], name_kinds={1: "ice"})
    due = decision_told(Decision.from_json(found.attrs["decision"]))
    words = Read(deciding.table.object).words
    assert words[1].startswith(f"{int(found.is_single.sum())} of ")
    assert words[1].endswith("of kind_0 and ice")
    assert words[words.index("expected") + 1] == due["expected"] if "expected" in due else "expected" not in words
    assert stored.dataset().load().identical(before)  # nothing is written by looking
    deciding.back.clicks += 1
    assert [field.value for kind in deciding.kinds for field in (kind.keep, kind.name)] == [True, "", False, ""]
    assert deciding.make.disabled


def test_deciding__writes_the_verdict_as_sort_does(deciding, looked):
    for kind, name in zip(deciding.kinds, ("capsid", "ice"), strict=True):
        kind.name.value = f" {name} "
        kind.keep.value = name == "ice"
    deciding.start()
    deciding.thread.join(60)
    assert looked.shots.run.embedding("pca").decision.wanted_called == "ice"
    assert looked.classes("kind") == ((-1, "none"), (0, "capsid"), (1, "ice"))
    kept = looked.shots.column("is_single").values
    assert kept.any()
    assert (looked.shots.column("kind").values[kept] == 1).all()


@pytest.mark.parametrize(
    ("name", "keep", "told"),
    [
        ("<b>", True, "&lt;b&gt;"),
        ("none", True, "no kind can be named"),
        ("kind_1", True, "means something else"),
        ("", False, "no kind is wanted"),
    ],
)
def test_deciding__says_what_can_be_no_name_and_that_one_must_be_kept(deciding, name, keep, told):
    deciding.kinds[0].name.value, deciding.kinds[0].keep.value = name, keep
    assert told in deciding.told.object
    assert deciding.make.disabled


def test_deciding__refuses_to_go_by_kinds_that_are_others_by_now(deciding, looked):
    sort(looked.shots.run.path, name_kinds={0: "capsid"})
    deciding.kinds[0].keep.value, deciding.kinds[1].keep.value = False, True
    deciding.start()
    deciding.thread.join(60)
    assert "since this page read them; reload it" in deciding.told.object
    assert looked.shots.run.reopened().embedding("pca").decision.wanted_kinds == (0,)


def test_deciding__without_leave_to_write_shows_the_command(deciding, looked):
    looked.may_write = False
    deciding = Deciding(looked, Pictures(looked.shots.run), Watch(looked))
    assert not deciding.make.visible
    deciding.kinds[1].keep.value = True
    command = shlex.join(["xfeldask", "sort", str(looked.shots.run.path), "--name", "pca", "--wanted", "0,1"])
    assert html.escape(command) in deciding.command.object


def test_kind__shows_the_mean_pattern_and_the_plane_through_the_middle(looked):
    found = looked.shots.run.embedding("pca").parts()[KINDS].isel(kind=1)
    looked.zoom = "whole detector"
    shown = Shown(looked, Pictures(looked.shots.run), Watch(looked), found, 1, "kind 1", False)
    np.testing.assert_array_equal(shown.pattern.source.data["image"][0], found.mean_image.values)
    plane = shown.slice.source.data["image"][0]
    # rows go along y, columns along x
    np.testing.assert_allclose(plane[2, 5], found.intensity.values[5, 2, SIZE // 2])
    np.testing.assert_allclose(shown.slice.source.data["dw"][0], SIZE * 0.01)
    assert 0 < shown.slice.mappers["log"].low < plane.max()


def test_verdict__tells_how_many_are_rejected_for_their_kind(looked):
    found = Verdict(looked, Pictures(looked.shots.run))
    low, high = found.threshold.range
    for threshold, rejected in ((low, "4"), (high + 1, "0")):
        found.slider.value = threshold
        words = Read(found.table.object).words
        assert words[words.index("above it, rejected by kind") + 1] == rejected


def test_verdict__counts_as_accepted_what_is_neither_below_the_threshold_nor_rejected_by_kind(looked):
    embedding = looked.shots.run.embedding("pca")
    found = embedding.stored().load()
    # of the wanted kind, and not surely enough of it for the contamination that was asked for
    found["is_single"][:3] = False
    # below the threshold of the rule, which so had no say on their kind
    found["kind"][3:5], found["is_single"][3:5], found["score"][3:5] = -1, False, found["score"].min() - 1
    embedding.publish(found, embedding.parts())
    looked = Session(looked.shots.run.path)
    truth, accepted = NUMBER == 1, np.isin(np.arange(N), range(5, 20))
    view = Verdict(looked, Pictures(looked.shots.run))
    assert view.slider.value == view.stored == looked.shots.column("score").values[accepted].min()
    stored = Confusion.of(truth, found["is_single"].values)
    assert view.threshold.confusion(view.stored) == stored
    words = Read(view.table.object).words
    assert words[words.index("purity of the accepted") + 1] == f"{stored.purity:.3%}"
    assert words[words.index("multiples") + 1] == f"{stored.multiples_accepted}"
    assert words[words.index("shots") + 1] == "15"
    (button,) = view.view.select(lambda part: getattr(part, "label", "") == "select the accepted")
    button.clicks += 1
    np.testing.assert_array_equal(looked.selected, accepted)
    view.slider.value = float(looked.shots.column("score").values.min())
    button.clicks += 1
    assert looked.selected[3:5].all(), "the threshold alone rejected them"
    assert looked.selected.sum() == 17


def test_kinds__of_another_embedding_are_named(looked):
    looked.embedding = None
    assert "beside pca" in texts(pn.Column(kinds(looked, Pictures(looked.shots.run), Watch(looked))))


def test_reconstruction__is_chosen_and_shown_in_three_planes_with_its_curves(looked):
    view = reconstruction(looked, Pictures(looked.shots.run), Watch(looked))
    which = view.objects[0]
    assert which.options == ["bare", "phased"]
    assert "D8" in texts(view)
    assert "electron density" not in texts(view)
    assert "Resolution is read" in texts(view)
    assert len(view.select(pn.pane.Bokeh)) == 3 + 2
    which.value = "phased"
    assert "electron density" in texts(view)
    assert len(view.select(pn.pane.Bokeh)) == 3 + 3 + 2 + 2


def test_reconstruction__that_is_being_made_is_shown_as_it_comes(tmp_path):
    looked = Session(shutil.copytree(few_shots().path, tmp_path / "run.zarr"))
    run, watch = looked.shots.run, Watch(looked)
    view = reconstruction(looked, Pictures(run), watch)
    assert "There is none yet: xfeldask reconstruct" in texts(view)
    assert not looked.grows
    with held(run.path, "reconstruction/emc"):  # before there is anything
        assert looked.grows
        assert MORE["reconstruction"][1](looked)
    more = Run.open(with_more(tmp_path / "more.zarr")).reconstructions["bare"].dataset().load().drop_attrs()
    for n_used, finished in ((12, False), (17, False), (20, True)):
        told = Reconstructing(n_used=n_used).to_json()
        Reconstruction(run, "emc").publish(more.assign_attrs(n_shots=N, finished=finished, parameters=told))
        looked.look_again()
        assert f"{n_used} of {N}" in texts(view)
        assert ("not finished" in texts(view)) == (not finished)
        assert not looked.grows  # nobody goes on with it
        shown = view.objects[1].objects
        looked.look_again()
        assert view.objects[1].objects is shown
    watch.close()
    run.place.remove("reconstruction/emc")
    looked.look_again()
    watch.open()
    assert "There is none yet" in texts(view)


def test_page__looks_once_more_after_whoever_makes_a_reconstruction_has_let_go(tmp_path):
    looked = Session(shutil.copytree(few_shots().path, tmp_path / "run.zarr"))
    found = Run.open(with_more(tmp_path / "more.zarr")).reconstructions["bare"].dataset().load()
    page, stopped = Explorer(looked), []
    page._callbacks = [SimpleNamespace(stop=lambda: stopped.append(True))]
    lock, look = held(looked.shots.path, "reconstruction/emc"), looked.look_again

    def look_just_before():
        look()
        if not looked.rebuilt:
            Reconstruction(looked.shots.run, "emc").publish(found)
            lock.__exit__(None, None, None)

    looked.look_again = look_just_before
    lock.__enter__()
    page._look_again()
    assert not stopped
    page._look_again()
    assert list(looked.rebuilt) == ["emc"]
    assert stopped


def test_agreement__has_each_curve_where_its_shells_are_and_directions_of_shots_that_were_used(looked):
    found = looked.shots.run.reconstructions["phased"].dataset()
    truth = np.full((N, 4), np.nan)
    truth[3:6] = np.eye(4)[:3]  # the first of these was not used
    panes = list(agreement(found, truth).select(pn.pane.Bokeh))
    halves, densities, phases = (renderer.data_source.data for renderer in panes[0].object.renderers[:3])
    np.testing.assert_allclose(halves["y"], 1)
    np.testing.assert_allclose(halves["x"], [0.02, 0.03])
    np.testing.assert_allclose(densities["x"], [0.01, 0.02])
    assert (densities["y"].tolist(), phases["y"].tolist()) == ([0.9, 0.2], [1.0, 0.6])
    points = [renderer.data_source.data for pane in panes for renderer in pane.object.renderers[-1:]]
    np.testing.assert_allclose(np.stack([points[1]["x"], points[1]["y"]], -1), beam_directions(super_fibonacci(N)))
    assert len(points[2]["x"]) == 2


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_middle__is_across_one_axis_with_the_others_in_order(axis):
    values = np.random.default_rng(2).random((SIZE,) * 3)
    found = middle(values, S, axis)
    at = [3, 6]
    at.insert(axis, SIZE // 2)
    np.testing.assert_allclose(found.values[6, 3], values[tuple(at)], rtol=1e-6)
    np.testing.assert_allclose(found.extent, (-0.045, -0.045, 0.09, 0.09))


def test_tab__says_that_it_is_being_made_before_it_is(monkeypatch):
    module = import_module("xfeldask.explorer.tabs")
    looked, later = Session(few_shots().path), []
    found = Tabs(looked, Pictures(few_shots()), {name: TABS[name] for name in ("shot", "gallery", "provenance")})
    monkeypatch.setattr(module, "locked", later.append)
    found.bar.active = 1
    box = found.view.objects[2]
    assert texts(box) == "making gallery …"
    later.pop()()
    assert "shots, as nothing is selected" in texts(box)
    # somebody who goes on before it is made does not wait for it
    found.bar.active = 2
    found.bar.active = 1
    for make in later:
        make()
    assert texts(found.view.objects[3]) == "making provenance …"


def test_plane__of_other_axes_is_drawn_when_its_size_is_known():
    looked = Session(few_shots().path)
    other, latent = Plane(looked, axes=("shot", "photon_count")), Plane(looked)
    assert not other.canvas.picture.data["image"][0].any()
    assert latent.canvas.picture.data["image"][0].any()
    size(other, 300, 200)
    (image,) = other.canvas.picture.data["image"]
    assert image.any()
    assert image.shape == (200, 300)
