from __future__ import annotations

import shutil

import numpy as np
import pytest

from tests.tiny import embed_tiny, frames, tiny_run
from xfeldask.errors import InputError, RunError
from xfeldask.store.choosing.columns import Shots
from xfeldask.store.choosing.selecting import select
from xfeldask.store.results.by_name import check_name, publish_by_name
from xfeldask.store.results.selections import publish_selection, read_selections
from xfeldask.store.run import Run


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return tiny_run(tmp_path_factory.mktemp("selections") / "run.zarr", frames(5), ingest_digest="one")


@pytest.fixture
def run(made, tmp_path):
    """A copy that may be written to."""
    return Run.open(shutil.copytree(made.path, tmp_path / "run.zarr"))


def test_selection__is_read_back_with_what_made_it(run):
    chosen = np.array([True, False, True, False, False])
    publish_selection(run, "bright", chosen, "photon_count > 60")
    publish_selection(run, "by_hand", ~chosen)
    found = run.selections
    assert list(found) == ["bright", "by_hand"]
    np.testing.assert_array_equal(found["bright"].values, chosen)
    assert found["bright"].attrs["where"] == "photon_count > 60"
    assert (found["bright"].attrs["n_selected"], found["by_hand"].attrs["n_selected"]) == (2, 3)


def test_selection__of_the_same_name_is_replaced(run):
    for chosen in (np.ones(5, bool), np.zeros(5, bool)):
        publish_selection(run, "mine", chosen)
    assert not read_selections(run)["mine"].any()


@pytest.mark.parametrize("shape", [(4,), (6,), (5, 1), ()])
def test_selection__tells_of_each_shot(run, shape):
    with pytest.raises(InputError, match="tells of each of the 5 shots of the store"):
        publish_selection(run, "mine", np.ones(shape, bool))
    assert read_selections(run) == {}


@pytest.mark.parametrize("name", ["", "a b", "a/b", "../a", "1a", "a" * 65, "ä", "a.b"])
def test_name__that_is_none_is_refused_and_nothing_written(run, name):
    with pytest.raises(InputError, match="letters, digits and underscores, 64 at most"):
        publish_selection(run, name, np.ones(5, bool))
    assert read_selections(run) == {}


@pytest.mark.parametrize(
    "name", ["is_single", "c7", "photons", "photon_count", "hit", "selection", "train", "azimuth_C2"]
)
def test_name__of_something_else_in_the_store_is_refused(tmp_path, name):
    run = tiny_run(tmp_path / "run.zarr", frames(5), columns={"train": np.arange(5)})
    with pytest.raises(InputError, match=f"{name} is what a store calls something of its own; choose another name"):
        publish_selection(run, name, np.ones(5, bool))


def test_verdict__is_not_replaced_by_a_selection_of_an_older_version(tmp_path):
    run = embed_tiny(tiny_run(tmp_path / "run.zarr", frames(24)))
    for name in ("is_single", "c0", "c7"):
        publish_by_name(run, "selection", name, "selected", np.zeros(24, bool), {})
    shots, latent = Shots.of(run), run.embedding().dataset()
    np.testing.assert_array_equal(shots.column("is_single").values, latent.is_single.values)
    np.testing.assert_array_equal(shots.latent[:, 0], latent.latent.values[:, 0])
    assert not shots.past("c7", 0).values.any()
    assert select(run.path, "is_single").size == latent.is_single.values.sum() > 0
    assert shots.selections == {"c7": True}  # the embedding has two components


@pytest.mark.parametrize("name", ["a", "_", "a1_B", "a" * 64])
def test_name__that_is_one_is_taken(name):
    check_name(name, "a selection")


def test_selections__of_another_run_are_left_out(run):
    publish_selection(run, "mine", np.ones(5, bool))
    run.reopened("r+").group.attrs["ingest_digest"] = "other"
    assert read_selections(run.reopened()) == {}
    with pytest.raises(RunError, match="was replaced by another run meanwhile; nothing was written"):
        publish_selection(run, "more", np.ones(5, bool))
