"""Stores in repositories of Icechunk, by name."""

from __future__ import annotations

import os
import pickle
import shutil
import threading

import dask
import numpy as np
import pytest
import xarray as xr
from click.testing import CliRunner

from tests.store.storage.test_filesystem import RUN
from xfeldask import embed, open_dataset, open_run, simulate, verify
from xfeldask.cli import commands
from xfeldask.errors import InputError, MissingFileError, RunError, StoreBusyError
from xfeldask.store.results.selections import publish_selection
from xfeldask.store.storage import lock
from xfeldask.store.storage.lock import held, writer
from xfeldask.store.storage.places import place_of
from xfeldask.store.storage.urls import store_path

icechunk = pytest.importorskip("icechunk")
icechunk_place = pytest.importorskip("xfeldask.store.storage.icechunk_place")


@pytest.fixture
def place(tmp_path):
    return f"icechunk+file://{tmp_path}/repository"


def repository_at(place):
    """The repository as Icechunk opens it."""
    return icechunk.Repository.open(icechunk.local_filesystem_storage(place.removeprefix("icechunk+file://")))


def history(place):
    """Messages of the commits of a branch, the first one first."""
    return [one.message for one in repository_at(place).ancestry(branch="main")][-2::-1]


def test_verbs__commit_what_they_write_to_a_branch(place, tmp_path):
    url = f"{place}@main"
    made, here = simulate(url, **RUN), simulate(tmp_path / "run.zarr", **RUN)
    xr.testing.assert_equal(made.photons, here.photons)
    found = embed(url, n_components=2, sort=None, progress=False)
    due = embed(tmp_path / "run.zarr", n_components=2, sort=None, progress=False)
    np.testing.assert_array_equal(found.latent, due.latent)
    assert history(place) == [f"xfeldask: {url}/", "xfeldask: latent/ipca"]
    run = pickle.loads(pickle.dumps(open_run(url)))
    assert (list(run.embeddings), run.complete) == (["ipca"], True)
    assert verify(url, progress=False).ok
    publish_selection(run, "mine", np.arange(9) > 2)
    assert list(run.reopened().selections) == ["mine"]
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_branch__holds_stores_under_keys_and_tags_and_snapshots_are_read(place):
    simulate(f"{place}@main/a/run", **RUN)
    repository = repository_at(place)
    snapshot = repository.lookup_branch("main")
    repository.create_tag("v1", snapshot)
    simulate(f"{place}@main/a/run", **{**RUN, "seed": 7}, overwrite=True)
    for ref, seed in {"v1": 0, snapshot: 0, "main": 7}.items():
        assert open_run(f"{place}@{ref}/a/run").experiment.seed == seed
    with pytest.raises(InputError, match="cannot be written: v1 is no branch; make it by Icechunk"):
        embed(f"{place}@v1/a/run", sort=None, progress=False)
    with pytest.raises(InputError, match="has no branch, tag or snapshot v2; its branches are main"):
        open_run(f"{place}@v2/a/run")
    for gone in (f"{place}@main/b", f"{place}2@main"):
        with pytest.raises(MissingFileError, match="no store at icechunk"):
            open_run(gone)
    with pytest.raises(InputError, match="is written by verbs alone; give the store of a session, and commit that"):
        open_run(f"{place}@main/a/run", mode="r+").group.attrs["complete"] = False


def test_run__of_a_branch_sees_what_others_commit(place):
    simulate(f"{place}@main", **RUN)
    run = open_run(f"{place}@main")
    before = run.place.stamp("selection")
    session = repository_at(place).writable_session("main")
    publish_selection(open_run(session.store), "mine", np.arange(9) > 2)
    session.commit("by another")
    assert run.place.stamp("selection") != before
    assert list(run.reopened().selections) == ["mine"]


def test_simulate__that_broke_off_is_resumed_and_what_broke_off_half_way_is_not_committed(place, monkeypatch):
    url = f"{place}@main"
    monkeypatch.setattr("xfeldask.store.layout.SHARD_BYTES", 4 * 32 * 32)
    kind = type(place_of(store_path(url)))
    calls, write = [], kind.write

    def broken(place, files):
        calls.append(place)
        if len(calls) == 4:
            raise RuntimeError("the disk was lost")
        write(place, files)

    monkeypatch.setattr(kind, "write", broken)
    with dask.config.set(scheduler="synchronous"), pytest.raises(RunError, match="the disk was lost"):
        simulate(url, **RUN)
    assert not open_run(url).complete
    monkeypatch.setattr(kind, "write", write)
    whole = simulate(url, **RUN, resume=True)
    assert whole.photons.equals(simulate(f"{place}@main/other", **RUN).photons)

    monkeypatch.setattr(kind, "remove", lambda *_: (_ for _ in ()).throw(RuntimeError("half-way")))
    with pytest.raises(RuntimeError, match="half-way"):
        publish_selection(open_run(url), "mine", np.arange(9) > 2)
    assert list(open_run(url).selections) == []
    assert len(history(place)) == 3


def test_held__in_a_repository_lets_one_process_write_at_a_time(place, monkeypatch):
    path = store_path(f"{place}@main")
    simulate(path, **RUN)
    refused = []

    def other():
        with pytest.raises(StoreBusyError) as error, held(path):
            pass
        refused.append(str(error.value))

    with held(path):
        assert writer(path).process == os.getpid()
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
        monkeypatch.setattr(lock, "_held", {})  # as another process sees it
        monkeypatch.setattr(icechunk_place, "branch_of", icechunk_place.Branch)
        with pytest.raises(StoreBusyError, match="is being written by process"), held(path, "latent/ipca"):
            raise AssertionError
        monkeypatch.undo()
    assert "is being written by process" in refused[0]
    assert writer(path) is None
    with held(path, "latent/a"), held(path, "latent/b"):
        pass


@pytest.mark.parametrize("scheduler", ["processes", "multiprocessing"])
def test_simulate__into_a_session_is_refused_where_workers_would_write_into_copies(place, scheduler):
    with dask.config.set(scheduler=scheduler), pytest.raises(InputError, match="in a session of this process"):
        simulate(f"{place}@main", **RUN)


def test_simulate__into_a_session_is_refused_for_ranges_of_shards(place):
    with pytest.raises(InputError, match="is written in one session, not in ranges of shards side by side"):
        simulate(f"{place}@main", **RUN, shards="1/2")


def test_commands__take_a_repository_and_a_branch(place):
    simulate(f"{place}@main", **RUN)
    for words in (["embed", "--sort", "none", "--quiet"], ["inspect"]):
        found = CliRunner().invoke(commands, [words[0], f"{place}@main", *words[1:]])
        assert (found.exit_code, found.exception) == (0, None)
    assert "ipca" in found.output
    assert open_dataset(f"{place}@main", group="latent/ipca").sizes["shot"] == 9


def test_held__commits_nothing_where_another_committed_the_same_meanwhile(place):
    path = store_path(f"{place}@main")
    simulate(path, **RUN)
    with pytest.raises(StoreBusyError, match="was written by another process meanwhile"), held(path):  # noqa: PT012
        open_run(path, mode="r+").group.attrs["complete"] = False
        session = repository_at(place).writable_session("main")
        open_run(session.store, mode="r+").group.attrs["title"] = "theirs"
        session.commit("by another")
    assert open_run(path).complete


def test_held__says_that_nothing_was_committed_where_the_repository_is_gone(place, tmp_path):
    path = store_path(f"{place}@main")
    simulate(path, **RUN)
    with pytest.raises(RunError, match="nothing was committed: the repository icechunk"), held(path):  # noqa: PT012
        open_run(path, mode="r+").group.attrs["complete"] = False
        shutil.rmtree(tmp_path / "repository")
