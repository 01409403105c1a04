from __future__ import annotations

import os
import shutil

import numpy as np
import pytest

from tests.explorer.few_shots import N, few_shots
from xfeldask.errors import MissingFileError, UnknownNameError
from xfeldask.explorer.model.shared import shared_pictures, shared_shots
from xfeldask.store.choosing.columns import Column
from xfeldask.store.results.selections import publish_selection
from xfeldask.store.run import Run
from xfeldask.store.storage.places import place_of
from xfeldask.store.storage.urls import store_path


@pytest.fixture
def run(tmp_path):
    return Run.open(shutil.copytree(few_shots().path, tmp_path / "run.zarr"))


def test_columns__are_read_once_for_all_who_look(run, monkeypatch):
    one = shared_shots(run.path)
    values = one.column("photon_count").values
    monkeypatch.chdir(run.path.parent)
    other = shared_shots("run.zarr")
    assert other is not one
    assert other.column("photon_count").values is values


def test_store__in_a_bucket_is_read_once_and_anew_when_it_was_written():
    place = place_of(store_path("memory://explorer/run.zarr"))
    folder = place_of(few_shots().path)
    place.write({key: [folder.read(key)] for key in folder.sizes()})
    one, other = (shared_shots("memory://explorer/run.zarr", "pca") for _ in range(2))
    values = one.column("photon_count").values
    assert other.column("photon_count").values is values
    place.write({"shot_status/c/new": [b"one more"]})
    assert shared_shots(place.path, "pca").column("photon_count").values is not values
    publish_selection(one.run, "mine", np.ones(N, bool))
    assert "mine" in shared_shots(place.path, "pca").names()


def test_what_one_adds__is_seen_by_nobody_else(run):
    one, other = shared_shots(run.path), shared_shots(run.path)
    one.add(Column("mine", "mine", "1", np.ones(N, bool)))
    assert "mine" in one.names()
    assert "mine" not in other.names()
    assert "mine" not in shared_shots(run.path).names()


@pytest.mark.parametrize("place", ["shot_status/c", "latent/pca/zarr.json", "zarr.json"])
def test_store__that_was_written_is_read_anew(run, place):
    before = shared_shots(run.path, "pca").column("photon_count").values
    os.utime(run.path / place, (2e9, 2e9))
    assert shared_shots(run.path, "pca").column("photon_count").values is not before


def test_selection__that_was_saved_is_there_for_the_next_one_who_looks(run):
    assert "mine" not in shared_shots(run.path).names()
    publish_selection(run, "mine", np.arange(N) > 9)
    assert shared_shots(run.path).column("mine").values.sum() == N - 10


def test_pictures__are_shared_until_the_store_is_another(run):
    first = shared_pictures(run)
    assert shared_pictures(Run.open(run.path)) is first
    os.utime(run.path / "zarr.json", (2e9, 2e9))
    assert shared_pictures(run) is not first


def test_shared__says_what_is_not_there(run, tmp_path):
    with pytest.raises(MissingFileError, match="no store at"):
        shared_shots(tmp_path / "none.zarr")
    with pytest.raises(UnknownNameError, match="unknown embedding 'none'"):
        shared_shots(run.path, "none")
