"""Several processes that make one store together, each a range of its shards."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import threading

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.strategies import examples
from tests.threads import elsewhere
from xfeldask import open_run, simulate
from xfeldask.errors import ExperimentMismatchError, InputError, RunError, StoreBusyError
from xfeldask.store.storage import shard_range
from xfeldask.store.storage.lock import held, shot_writers
from xfeldask.store.storage.shard_range import ShardRange
from xfeldask.store.storage.urls import store_path
from xfeldask.verbs import simulate as simulate_module

SHOTS = 23
ARGUMENTS = f"""
import numpy as np
import xfeldask.store.layout
xfeldask.store.layout.SHARD_BYTES = 4 * 32 * 32
RUN = dict(
    particle=(np.random.default_rng(1).normal(size=(30, 3)) * 5e-10, ["C", "N", "O"] * 10), detector="square-32",
    beam=dict(photon_energy=4600.0, photons_per_pulse=1e16, focus_radius=5e-7), n_shots={SHOTS}, progress=False,
)
"""
COMMAND = f"""
import sys
import dask
from xfeldask import simulate
{ARGUMENTS}
dask.config.set(scheduler="synchronous")
simulate(sys.argv[1], **RUN, shards=sys.argv[2])
"""


@pytest.fixture(autouse=True)
def short_shards(monkeypatch):
    monkeypatch.setattr("xfeldask.store.layout.SHARD_BYTES", 4 * 32 * 32)


@pytest.fixture
def arguments():
    return {
        "particle": (np.random.default_rng(1).normal(size=(30, 3)) * 5e-10, ["C", "N", "O"] * 10),
        "detector": "square-32",
        "beam": {"photon_energy": 4600.0, "photons_per_pulse": 1e16, "focus_radius": 5e-7},
        "n_shots": SHOTS,
        "progress": False,
    }


def digests(store):
    """What is in each file of a store."""
    files = sorted(file for file in store.rglob("*") if file.is_file())
    return {str(file.relative_to(store)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


@given(st.permutations(range(1, 8)), st.integers(1, 7))
@settings(examples(0.1), suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_ranges__in_any_order_and_number_make_the_same_store(tmp_path_factory, arguments, order, count):
    folder = tmp_path_factory.mktemp("ranges")
    simulate(folder / "whole.zarr", **arguments)
    mine = [number for number in order if number <= count]
    for number in mine:
        assert not (folder / "run.zarr").exists() or not open_run(folder / "run.zarr").complete
        simulate(folder / "run.zarr", **arguments, shards=f"{number}/{count}")
    assert open_run(folder / "run.zarr").complete
    assert digests(folder / "run.zarr") == digests(folder / "whole.zarr")
    assert sorted(file.name for file in folder.iterdir()) == ["run.zarr", "whole.zarr"]


def test_processes__that_begin_together_make_one_store(tmp_path, arguments):
    store = tmp_path / "run.zarr"
    words = [sys.executable, "-W", "error", "-c", COMMAND, str(store)]
    jobs = [subprocess.Popen([*words, f"{number}/2"], stderr=subprocess.PIPE, text=True) for number in (1, 2)]
    assert [(job.communicate(timeout=300)[1], job.returncode) for job in jobs] == [("", 0)] * 2
    simulate(tmp_path / "whole.zarr", **arguments)
    assert digests(store) == digests(tmp_path / "whole.zarr")


def test_range__that_broke_off_is_finished_by_the_same_call(tmp_path, arguments, monkeypatch):
    store, drawn = tmp_path / "run.zarr", []
    original = simulate_module.simulate_shard

    def broken(run, shard):
        if len(drawn) == 2:
            raise OSError("the node went down")
        drawn.append(shard)
        original(run, shard)

    monkeypatch.setattr(simulate_module, "simulate_shard", broken)
    with pytest.raises(RunError, match="the node went down"):
        simulate(store, **arguments, shards="2/2")
    monkeypatch.setattr(simulate_module, "simulate_shard", original)
    assert 0 < open_run(store).done().sum() <= 8
    simulate(store, **arguments, shards="2/2")
    assert (open_run(store).done() == (np.arange(SHOTS) >= 12)).all()
    simulate(store, **arguments, shards="1/2")
    again = simulate(store, **arguments, shards="1/2")
    assert open_run(store).complete
    assert again.photons.shape == (SHOTS, 1, 32, 32)


def test_ranges__and_who_writes_the_whole_exclude_each_other(tmp_path, arguments):
    store = tmp_path / "run.zarr"
    simulate(store, **arguments, shards="1/2")
    before = digests(store)
    with held(store, ShardRange(2, 2).lock_path):
        for how in ({"resume": True}, {"overwrite": True}, {"shards": "2/2"}):
            (raised,) = elsewhere(simulate, store, **arguments, **how)
            assert isinstance(raised, StoreBusyError)
            assert f"process {os.getpid()}" in str(raised)
    assert digests(store) == before
    assert not elsewhere(simulate, store, **arguments, resume=True)
    assert open_run(store).complete


def test_ranges__that_are_cut_otherwise_are_refused_while_one_is_written(tmp_path, arguments):
    store = tmp_path / "run.zarr"
    simulate(store, **arguments, shards="1/2")
    with held(store, ShardRange(2, 2).lock_path):
        (raised,) = elsewhere(simulate, store, **arguments, shards="3/3")
        assert isinstance(raised, StoreBusyError)
        assert not elsewhere(simulate, store, **arguments, shards="1/2")
        assert len(shot_writers(store)) == 1
    assert not elsewhere(simulate, store, **arguments, shards="3/3")
    assert not shot_writers(store)


def test_range__of_a_store_that_was_removed_meanwhile_waits_and_then_says_so(tmp_path, arguments, monkeypatch):
    store, begun = tmp_path / "run.zarr", []
    monkeypatch.setattr(shard_range, "PATIENCE", 0.1)
    monkeypatch.setattr(shard_range, "LOOK", 0.04)
    monkeypatch.setattr(simulate_module, "_begin", lambda *_: begun.append(1))
    with held(store, ShardRange(2, 2).lock_path):
        (raised,) = elsewhere(simulate, store, **arguments, shards="1/2")
    assert isinstance(raised, StoreBusyError)
    assert not begun


def test_last_ranges__leave_alone_what_the_other_is_writing(tmp_path, arguments):
    store = tmp_path / "run.zarr"
    simulate(store, **arguments, shards="1/2")
    unfinished = store / "photons" / "c" / "9.1234.partial"
    unfinished.touch()
    with held(store, ShardRange(1, 2).lock_path):
        assert not elsewhere(simulate, store, **arguments, shards="2/2")
    assert unfinished.exists()
    assert open_run(store).complete


def test_range__waits_for_who_writes_the_whole_and_not_for_ever(tmp_path, arguments, monkeypatch):
    store = tmp_path / "run.zarr"
    monkeypatch.setattr(shard_range, "LOOK", 0.01)
    with held(store):
        waiting = threading.Thread(target=simulate, args=[store], kwargs={**arguments, "shards": "1/1"})
        waiting.start()
        waiting.join(0.2)
        assert waiting.is_alive()
        assert not store.exists()
        monkeypatch.setattr(shard_range, "PATIENCE", 0.0)
        (raised,) = elsewhere(simulate, store, **arguments, shards="1/1")
        assert isinstance(raised, StoreBusyError)
    waiting.join()
    assert open_run(store).complete


def test_range__of_a_bucket_is_locked_as_in_a_folder(arguments):
    store = "memory://ranges/run.zarr"
    simulate(store, **arguments, shards="1/2")
    with held(store_path(store), ShardRange(2, 2).lock_path):
        (raised,) = elsewhere(simulate, store, **arguments, resume=True)
    assert isinstance(raised, StoreBusyError)
    simulate(store, **arguments, shards="2/2")
    assert open_run(store).complete


def test_range__of_another_experiment_or_no_range_is_refused(tmp_path, arguments):
    store = tmp_path / "run.zarr"
    for wrong in ("0/3", "4/3", "3", "a/b", "-1/2", "1/0"):
        with pytest.raises(InputError, match="write I/N"):
            simulate(store, **arguments, shards=wrong)
    with pytest.raises(InputError, match="leave out overwrite"):
        simulate(store, **arguments, shards="1/2", overwrite=True)
    assert not store.exists()
    simulate(store, **arguments, shards="1/2")
    with pytest.raises(ExperimentMismatchError):
        simulate(store, **{**arguments, "seed": 9}, shards="2/2")


def test_more_ranges_than_shards__leave_some_without_work(tmp_path, arguments):
    for number in (8, 7, 6, 5, 4, 3, 2, 1):
        simulate(tmp_path / "run.zarr", **arguments, shards=f"{number}/8")
    assert open_run(tmp_path / "run.zarr").complete
