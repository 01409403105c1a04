from __future__ import annotations

import shutil

import numpy as np
import pytest

from tests.explorer.few_shots import N, few_shots, pictures, session, texts
from tests.store.test_html import Read
from xfeldask.explorer.model.session import Session
from xfeldask.explorer.tabs.provenance import parameters, parsed, provenance, tree, written
from xfeldask.explorer.tabs.watch import Watch
from xfeldask.store.results.known_background import KnownBackground, publish_known_background
from xfeldask.store.run import Run


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ('{"a": [1, null]}', {"a": [1, None]}),
        ("{'a': (1, None)}", {"a": (1, None)}),
        ("[1, 2", "[1, 2"),
        ("plain", "plain"),
        ("7", "7"),
        (np.float32(0.5), 0.5),
        (np.arange(2), [0, 1]),
        (None, None),
    ],
)
def test_parsed__is_an_object_where_the_text_is_one(value, found):
    assert parsed(value) == found


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("distance", 0.15, "150 mm"),
        ("photon_energy", 12_000.0, "12 keV"),
        ("focus_radius", "gone", "gone"),
        ("seed", None, "none"),
        ("hits", {"1": 0.5}, '{"1": 0.5}'),
        ("separation", [], "[]"),
        ("names", ["a", "b"], '["a", "b"]'),
    ],
)
def test_written__has_units_for_people(name, value, text):
    assert written(name, value) == text


def test_tree__shows_every_leaf_as_text_and_opens_what_is_near():
    deep = {"a": {"b": {"c": {"d": 1}}}, "empty": {}, "<b>": "<i>", "long": ["word"] * 40, "short": [1, 2]}
    text = tree("store", deep)
    found = Read(text)
    assert not {"b", "i"} & set(found.tags)
    assert text.count("<details open") == 4
    assert "empty (none)" in found.words
    # a long list has a line for each of its values, a short one is one
    assert sum(word.endswith("word") for word in found.words) == 40
    assert any("[1, 2]" in word for word in found.words)


def test_parameters__are_those_of_the_store_and_of_the_embedding():
    told = parameters(session())
    assert told["store"]["path"] == str(few_shots().path)
    assert told["embedding"]["parameters"]["method"] == "pca"
    assert told["embedding"]["name"] == "pca"


def test_parameters__are_those_of_the_background_where_one_is_known(tmp_path):
    path = shutil.copytree(few_shots().path, tmp_path / "run.zarr")
    assert "background" not in parameters(Session(path))
    run = Run.open(path)
    image, low_q = (np.ones(getattr(run.layout, name), np.float32) for name in ("image", "low_q"))
    found = KnownBackground(image, low_q, np.arange(N, dtype=np.float32), np.arange(N) < 9, "shot < 9")
    publish_known_background(run, found)
    told = parameters(Session(path))["background"]
    assert "measured on 9 of 24 shots (shot < 9)" in told["told"]
    assert told["digest"] == found.digest
    # and what it weighs in each shot is a quantity to look at
    assert Session(path).shots.column("background_weight").values.tolist() == list(range(N))


def test_tab__tells_the_selection_as_it_changes():
    looked = session()
    view = provenance(looked, pictures(), Watch(looked))
    assert "Nothing is selected." in texts(view)
    looked.choose(np.arange(N) < 5)
    assert "5 shots were selected by hand" in texts(view)
    looked.choose_where("n_particles == 1")
    assert "xfeldask select" in texts(view)
