from __future__ import annotations

import pickle
from pathlib import Path

import dask
import numpy as np
import zarr
from dask.utils import key_split
from zarr.storage import MemoryStore

from xfeldask.engines.workshop import simulate_shard
from xfeldask.store.run import Run
from xfeldask.work.tasks import shard_tasks, shared, single_task


def test_shard_tasks__are_small_and_named_for_a_million_shots():
    run = Run(Path("/data/somewhere/run.zarr"), zarr.group(MemoryStore()))
    tasks = shard_tasks("simulate-shard", simulate_shard, range(3907), run)
    assert len(tasks) == 3907
    assert len({task.key for task in tasks}) == 3907
    assert {key_split(task.key) for task in tasks} == {"simulate-shard"}
    graphs = [dict(task.dask) for task in tasks]
    assert {len(graph) for graph in graphs} == {1}
    assert len(pickle.dumps(graphs)) < 5_000_000


def test_shard_tasks__of_two_runs_have_keys_of_their_own():
    one, other = (shard_tasks("simulate-shard", simulate_shard, [0], run) for run in ("a", "b"))
    assert one[0].key != other[0].key


def test_tasks__compute_what_they_were_made_of():
    with dask.config.set(scheduler="synchronous"):
        assert dask.compute(*shard_tasks("power", pow, (2, 3), 10)) == (100, 1000)
        assert single_task(pow, 10, 2).compute() == 100
    assert shard_tasks("power", pow, ()) == []


def test_shared__is_one_node_however_many_tasks_take_it():
    sent = shared(np.zeros(1000))
    graph = dask.delayed([single_task(len, sent) for _ in range(5)], pure=False).dask
    # five tasks, the list of them, and the value
    assert len(dict(graph)) == 7
    with dask.config.set(scheduler="synchronous"):
        assert single_task(len, sent).compute() == 1000


def test_shared__is_not_looked_into():
    """A Dataset, or a list with a million entries, would be searched for Dask's own things."""
    value = {"a": [1, 2], "b": dask.delayed(3)}
    found = shared(value).compute(scheduler="synchronous")
    assert found["b"] is value["b"]
