from __future__ import annotations

import operator
import os
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from threading import Event
from types import SimpleNamespace

import dask
import pytest
from distributed import Client, LocalCluster
from threadpoolctl import threadpool_info

from xfeldask.errors import InputError, RunError
from xfeldask.work import compute
from xfeldask.work.compute import active_client, one_thread_a_task, run_reduced, run_tasks
from xfeldask.work.schedulers import Waiting
from xfeldask.work.tasks import shard_tasks, single_task


class Counter:
    """A reporter that keeps what it is told."""

    def __init__(self):
        self.told = []

    def __enter__(self):
        self.told.append("start")
        return self

    def __exit__(self, *exception):
        self.told.append("stop")

    def advance(self, amount):
        self.told.append(amount)


def fail_at(bad, error, part):
    if part == bad:
        raise error
    return part


@pytest.fixture(scope="module")
def cluster():
    with LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address="127.0.0.1:0") as cluster:
        yield cluster


@pytest.fixture(scope="module")
def pool():
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        yield pool


@pytest.fixture(params=["threads", "synchronous", "processes", "cluster"])
def scheduler(request):
    """Each scheduler in turn, made the active one."""
    if request.param == "cluster":
        with Client(request.getfixturevalue("cluster")):
            yield request.param
        return
    ways = {"pool": request.getfixturevalue("pool")} if request.param == "processes" else {}
    with dask.config.set(scheduler=request.param, num_workers=2, **ways):
        yield request.param


def test_run__works_on_every_scheduler(scheduler):
    assert (active_client() is not None) == (scheduler == "cluster")
    counter = Counter()
    tasks = shard_tasks("power", operator.pow, range(5), 2)
    assert run_tasks(tasks, [3, 1, 4, 1, 5], counter, "no advice") == [1, 2, 4, 8, 16]
    assert counter.told[0] == "start"
    assert counter.told[-1] == "stop"
    assert sorted(counter.told[1:-1]) == [1, 1, 3, 4, 5]

    counter = Counter()
    tasks = shard_tasks("fail", fail_at, range(4), 2, OSError("the disk is full\nand the floor is wet"))
    with pytest.raises(RunError) as error:
        run_tasks(tasks, [1] * 4, counter, "sweep it")
    assert str(error.value) == "the run stopped: the disk is full; sweep it"
    assert counter.told[-1] == "stop"
    assert len(counter.told) <= 5

    # the same tasks once more, as after a resume: no result of the failed ones is taken for theirs
    assert run_tasks(shard_tasks("fail", fail_at, range(4), 9, None), [1] * 4, Counter(), "") == [0, 1, 2, 3]

    tasks = shard_tasks("refuse", fail_at, [0], 0, InputError("no such thing"))
    with pytest.raises(InputError, match=r"^no such thing$"):
        run_tasks(tasks, [1], Counter(), "")


def test_run__starts_nothing_after_a_failure():
    done = []

    def task(part):
        done.append(part)
        if len(done) == 2:
            raise ValueError

    with dask.config.set(scheduler="synchronous"), pytest.raises(RunError, match="stopped: ValueError; advice"):
        run_tasks(shard_tasks("fail", task, range(20)), [1] * 20, Counter(), "advice")
    assert len(done) == 2


def test_run__computes_nothing_of_nothing():
    assert run_tasks([], [], Counter(), "") == []


def test_active_client__heeds_the_scheduler_that_is_set(cluster):
    with Client(cluster) as client:
        assert active_client() is client
        with dask.config.set(scheduler="threads"):
            assert active_client() is None
    assert active_client() is None


def limits():
    """What a process says of the threads of BLAS: to children, and itself."""
    names = [f"{library}_NUM_THREADS" for library in ("OMP", "OPENBLAS", "MKL")]
    counts = {pool["filepath"]: pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}
    return {name: os.environ.get(name) for name in names}, counts


def test_one_thread_a_task__ends_with_the_last_of_overlapping_uses(monkeypatch):
    monkeypatch.setenv("MKL_NUM_THREADS", "3")
    before = limits()
    first_is_out, second_is_in = Event(), Event()

    def second():
        with one_thread_a_task():
            second_is_in.set()
            assert first_is_out.wait(60)
            return limits()

    with ThreadPoolExecutor(1) as pool:
        with one_thread_a_task():
            future = pool.submit(second)
            assert second_is_in.wait(60)
        first_is_out.set()
        environment, counts = future.result(60)
    assert set(environment.values()) == {"1"}
    assert set(counts.values()) == {1}
    assert limits() == before


def test_one_thread_a_task__nests_and_ends_after_a_failure():
    def fail():
        with one_thread_a_task():
            with one_thread_a_task():
                pass
            assert set(limits()[0].values()) == {"1"}
            raise ZeroDivisionError

    before = limits()
    with pytest.raises(ZeroDivisionError):
        fail()
    assert limits() == before


def joined(*parts):
    return [one for part in parts for one in part]


@pytest.mark.parametrize("count", [1, 4, 21])
def test_run_reduced__joins_in_order_and_tells_how_far_tasks_are(scheduler, count):
    counter = Counter()
    tasks = [single_task(list, [number]) for number in range(count)]
    assert run_reduced(tasks, [10] * count, joined, counter, "try again") == list(range(count))
    assert counter.told == ["start", *[10] * count, "stop"]


def test_run_reduced__cancels_nothing_that_was_let_go_of(cluster, monkeypatch):
    cancelled = []
    with Client(cluster) as client:
        monkeypatch.setattr(client, "cancel", cancelled.extend)
        tasks = [single_task(list, str(number)) for number in range(9)]
        assert run_reduced(tasks, [1] * 9, joined, Counter(), "try again") == list("012345678")
    assert not any(future.key in {task.key for task in tasks} for future in cancelled)
    assert len(cancelled) == 1


def test_run_reduced__tells_a_failure_in_one_sentence(scheduler):
    tasks = shard_tasks("fill", fail_at, "abcdefghi", "f", InputError("no such thing"))
    with pytest.raises(InputError, match="no such thing"):
        run_reduced(tasks, [1] * 9, joined, Counter(), "try again")


@pytest.mark.parametrize(("address", "leaves"), [("inproc://127.0.0.1/1/1", False), ("tcp://127.0.0.1:1", True)])
def test_leaves_this_process__asks_where_a_scheduler_is(address, leaves, monkeypatch):
    monkeypatch.setattr(compute, "active_client", lambda: SimpleNamespace(scheduler=SimpleNamespace(address=address)))
    assert compute.leaves_this_process() is leaves


@pytest.mark.parametrize("here", [True, False])
def test_leaves_this_process__starts_no_cluster_to_know(here):
    with dask.config.set(scheduler=Waiting(pytest.fail, here=here)):
        assert compute.leaves_this_process() is not here
