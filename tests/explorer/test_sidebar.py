from __future__ import annotations

import shutil

import numpy as np
import panel as pn
import param
import pytest

from tests.explorer.few_shots import NUMBER, few_shots, session, texts
from xfeldask.errors import InputError
from xfeldask.explorer.model.listing import listed
from xfeldask.explorer.model.session import Session
from xfeldask.explorer.view.sidebar import GESTURES, bound, chips, saved_list, saving, selecting, sidebar
from xfeldask.store.results.selections import publish_selection
from xfeldask.store.run import Run


def named(parts, **attributes):
    """The part that has these values."""
    every = pn.Column(*parts).select(lambda part: all(getattr(part, k, None) == v for k, v in attributes.items()))
    (found,) = every
    return found


def test_bound__goes_both_ways():
    class Looked(param.Parameterized):
        x = param.String("a")

    looked, widget = Looked(), pn.widgets.Select(options=["a", "b", "c"])
    assert bound(widget, looked, "x") is widget
    assert widget.value == "a"
    widget.value = "b"
    assert looked.x == "b"
    looked.x = "c"
    assert widget.value == "c"


def test_sidebar__offers_all_quantities_for_axes_and_colours():
    looked = session()
    parts = sidebar(looked)
    x, colour = (named(parts, label=label) for label in ("x", "colour by"))
    offered = {name for names in listed(looked).values() for name in names.values()}
    assert set(x.values) == offered
    assert set(colour.values) == {"density", "hexagons"} | offered
    colour.value = "hit"
    assert looked.colour == "hit"
    assert named(parts, label="embedding").value == "pca"


def test_chips__hide_and_show_the_classes_of_what_colours_tell():
    looked = session()
    looked.colour = "hit"
    looked.hidden = ["elsewhere"]
    box = chips(looked)
    (group,) = box.objects
    assert list(group.options) == ["+ blank (8)", "● single (8)", "▣ multiple (8)"]
    group.value = ["single", "multiple"]
    np.testing.assert_array_equal(looked.visible, NUMBER > 0)
    assert looked.hidden == ["elsewhere", "blank"]
    group.value = ["single", "multiple", "blank"]
    assert looked.visible.all()
    looked.colour = "density"
    assert box.objects == []
    seen = []
    box.param.watch(lambda event: seen.extend(label for group in event.new for label in group.options), "objects")
    looked.colour = "hit"
    assert seen == ["+ blank (8)", "● single (8)", "▣ multiple (8)"], "with their labels from the start"
    looked.colour = "density"
    looked.colour = "photon_count"
    assert box.objects == []


def test_words__select_or_say_what_is_wrong_with_them():
    looked = session()
    parts = selecting(looked)
    words = named(parts, label="select where")
    words.value = "n_particles == 2"
    np.testing.assert_array_equal(looked.selected, NUMBER == 2)
    words.value = "<b>glitter</b> > 1"
    assert "&lt;b&gt;" in texts(pn.Column(*parts))
    np.testing.assert_array_equal(looked.selected, NUMBER == 2)
    looked.choose_where("n_particles == 1")
    assert words.value == "n_particles == 1"


@pytest.mark.parametrize("gesture", GESTURES)
def test_gesture__is_told_in_words(gesture):
    looked = session()
    parts = selecting(looked)
    named(parts, label="lasso and box").value = gesture
    assert looked.combination == gesture
    assert f"a lasso or box {GESTURES[gesture]} the selection" in texts(pn.Column(*parts))


def test_buttons__invert_and_clear():
    looked = session()
    parts = selecting(looked)
    looked.choose(NUMBER == 1)
    named(parts, label="invert").clicks += 1
    np.testing.assert_array_equal(looked.selected, NUMBER != 1)
    named(parts, label="clear").clicks += 1
    assert not looked.selected.any()


@pytest.mark.parametrize("allowed", [True, False])
def test_saving__keeps_the_selection_where_it_may(tmp_path, allowed):
    run = Run.open(shutil.copytree(few_shots().path, tmp_path / "run.zarr"))
    looked = Session(run.path)
    looked.choose(NUMBER == 1)
    parts = saving(looked, allowed)
    name, save = named(parts, label="save the selection as"), named(parts, label="save")
    name.value = "no name"
    save.clicks += 1
    assert "letters, digits and underscores" in texts(pn.Column(*parts))
    name.value = "mine"
    save.clicks += 1
    assert ("mine saved in the store" in texts(pn.Column(*parts))) == allowed
    assert ("mine" in run.reopened().selections) == allowed
    assert "mine" in looked.quantities


@pytest.mark.parametrize("allowed", [True, False])
def test_saved_selections__are_listed_used_and_deleted(tmp_path, allowed):
    run = Run.open(shutil.copytree(few_shots().path, tmp_path / "run.zarr"))
    looked = Session(run.path)
    parts, box = sidebar(looked, allowed), saved_list(looked, allowed)
    assert box.objects == []
    looked.choose(NUMBER == 2)
    looked.save("doubles", write=allowed)
    ((use, delete),) = (row.objects for row in box.objects)
    assert use.label == "doubles (8)"
    for label in ("x", "y", "colour by"):
        assert "doubles" in named(parts, label=label).values
    looked.choose_where("")
    use.clicks += 1
    np.testing.assert_array_equal(looked.selected, NUMBER == 2)
    assert looked.where == "doubles"
    looked.combination = "subtract"
    looked.choose_where("n_particles > 0")
    use.clicks += 1
    np.testing.assert_array_equal(looked.selected, NUMBER == 1)
    looked.colour = "doubles"
    delete.clicks += 1
    assert box.objects == []
    assert looked.colour == "verdict"
    assert "doubles" not in looked.quantities
    assert "doubles" not in run.reopened().selections


def test_selection_in_the_store__stays_where_it_may_not_be_written(tmp_path):
    run = Run.open(shutil.copytree(few_shots().path, tmp_path / "run.zarr"))
    publish_selection(run, "theirs", NUMBER == 1)
    looked = Session(run.path)
    (row,) = saved_list(looked, False).objects
    assert [part.label for part in row.objects] == ["theirs (8)"]
    with pytest.raises(InputError, match="--allow-write"):
        looked.forget("theirs")
    assert "theirs" in looked.quantities


def test_selection_of_this_page__stays_when_the_store_is_read_anew(tmp_path):
    run = Run.open(shutil.copytree(few_shots().path, tmp_path / "run.zarr"))
    looked = Session(run.path)
    looked.choose(NUMBER == 1)
    looked.save("mine")
    looked.reopen("pca")
    np.testing.assert_array_equal(looked.shots.column("mine").values, NUMBER == 1)
