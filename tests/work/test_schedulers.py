from __future__ import annotations

import logging
import os
import pickle
from threading import Thread, current_thread

import dask
import dask.array as da
import distributed
import pytest
from dask.delayed import delayed

from xfeldask.errors import InputError, UnknownNameError
from xfeldask.machine import cores
from xfeldask.work.compute import active_client, in_each_process, run_tasks, worker_count
from xfeldask.work.progress import Silent
from xfeldask.work.schedulers import scheduled


def test_scheduled__takes_the_cores_where_the_system_knows_no_affinity(monkeypatch):
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    with scheduled("threads", None, quiet=True):
        assert worker_count() == cores() > 0


@pytest.mark.parametrize("name", ["threads", "synchronous"])
def test_scheduled__is_active_within_and_no_longer(name):
    before = dask.config.get("scheduler", None), dask.config.get("num_workers", None)
    with scheduled(name, 3, quiet=True):
        assert (dask.config.get("scheduler"), dask.config.get("num_workers")) == (name, 3)
        assert worker_count() == 3
    assert (dask.config.get("scheduler", None), dask.config.get("num_workers", None)) == before


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("treads", "unknown scheduler 'treads'; did you mean threads?"),
        ("tcp:", "unknown scheduler 'tcp:'; .*tcp://HOST:PORT"),
        ("", "unknown scheduler ''"),
    ],
)
def test_scheduled__refuses_what_it_does_not_know(name, told):
    with pytest.raises(UnknownNameError, match=told), scheduled(name, None, quiet=True):
        raise AssertionError


class FakeCluster:
    """A cluster that notes how it was asked for, and that it was closed."""

    dashboard_link = None

    def __init__(self, **asked):
        self.asked, self.closed = asked, False

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.closed = True

    close = __exit__


@pytest.mark.parametrize(
    ("name", "shape"),
    [("local", (False, 1, 3)), ("processes", (True, 3, 1))],
)
def test_scheduled__makes_a_cluster_of_threads_or_of_processes_and_closes_it(monkeypatch, capsys, name, shape):
    made = []
    monkeypatch.setattr(distributed, "LocalCluster", lambda **asked: made.append(FakeCluster(**asked)) or made[0])
    client = FakeCluster()
    client.dashboard_link = "http://127.0.0.1:1/status"
    monkeypatch.setattr(distributed, "Client", lambda address, timeout: client)
    with scheduled(name, 3, quiet=False):
        assert not made
        assert active_client() is client
        asked = made[0].asked
        assert (asked["processes"], asked["n_workers"], asked["threads_per_worker"]) == shape
        assert asked["silence_logs"] == logging.CRITICAL  # an error of a task is raised, and told once
        assert not made[0].closed
    assert made[0].closed
    assert client.closed
    assert "Dask dashboard: http://127.0.0.1:1/status" in capsys.readouterr().err


@pytest.mark.parametrize(("workers", "threads"), [(9, 4), (1, 1)])
def test_scheduled__starts_a_process_for_each_gpu(monkeypatch, workers, threads):
    made = []
    monkeypatch.setattr(distributed, "SpecCluster", lambda **asked: made.append(FakeCluster(**asked)) or made[0])
    monkeypatch.setattr(distributed, "Client", lambda address, timeout: FakeCluster())
    with scheduled("processes", workers, quiet=True, gpus=["GPU-7a", "3"]):
        active_client()
    asked = made[0].asked["workers"].values()
    assert [worker["options"]["env"]["CUDA_VISIBLE_DEVICES"] for worker in asked] == ["GPU-7a", "3"]
    assert {worker["options"]["nthreads"] for worker in asked} == {threads}
    assert made[0].closed


@pytest.mark.campaign
def test_scheduled__has_each_process_see_a_gpu_of_its_own():
    with scheduled("processes", 2, quiet=True, gpus=["GPU-7a", "3"]):
        active_client().wait_for_workers(2)
        assert sorted(in_each_process(os.getenv, "CUDA_VISIBLE_DEVICES")) == ["3", "GPU-7a"]
        assert worker_count() == 2


def test_in_each_process__starts_no_cluster_to_ask_this_process(monkeypatch):
    monkeypatch.delattr(distributed, "LocalCluster")
    for name in ("auto", "local", "threads"):
        with scheduled(name, 3, quiet=True):
            assert in_each_process(os.getpid) == [os.getpid()]


def test_scheduled__starts_no_cluster_for_no_more_tasks_than_threads(monkeypatch):
    started = []

    def starts(**_):
        started.append(current_thread())
        raise OSError("a cluster")

    monkeypatch.setattr(distributed, "LocalCluster", starts)
    tasks = [delayed(current_thread)() for _ in range(3)]
    with scheduled("auto", 3, quiet=True):
        ran = run_tasks(tasks, [1, 1, 1], Silent(), "try again")
        assert current_thread() not in ran
        assert not started
    for name, workers in (("auto", 2), ("local", 3)):
        with scheduled(name, workers, quiet=True), pytest.raises(OSError, match="a cluster"):
            run_tasks(tasks, [1, 1, 1], Silent(), "try again")
    assert len(started) == 2


def test_scheduled__that_has_a_cluster_uses_it_for_few_tasks(monkeypatch):
    client = FakeCluster()
    monkeypatch.setattr(distributed, "LocalCluster", FakeCluster)
    monkeypatch.setattr(distributed, "Client", lambda address, timeout: client)
    with scheduled("auto", 3, quiet=True):
        waiting = dask.config.get("scheduler")
        assert waiting.spared(3)
        assert active_client() is client
        assert not waiting.spared(1)


def test_scheduled__says_when_nobody_answers(monkeypatch):
    def client(*_, **__):
        raise OSError("timed out")

    monkeypatch.setattr(distributed, "Client", client)
    told = "no Dask scheduler answers at tcp://10.0.0.1:8786; start one with: dask scheduler"
    with pytest.raises(InputError, match=told), scheduled("tcp://10.0.0.1:8786", None, quiet=True):
        raise AssertionError


def test_scheduled__starts_a_cluster_for_what_dask_itself_computes(capsys):
    with scheduled("local", 1, quiet=True):
        waiting = dask.config.get("scheduler")
        assert da.ones(3).sum().compute() == 3
        assert active_client() is waiting.client()
        assert dask.config.get("scheduler") == "dask.distributed"
    assert active_client() is None
    assert capsys.readouterr().err == ""


def test_scheduled__starts_in_whatever_thread_first_works():
    before = dask.config.get("scheduler", None)
    with scheduled("local", 1, quiet=True):
        waiting, found = dask.config.get("scheduler"), []
        threads = [Thread(target=lambda: found.append((active_client(), worker_count()))) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        # all wait for one cluster; none computes by other means meanwhile
        assert [count for _, count in found] == [1, 1, 1]
        assert len({id(client) for client, _ in found}) == 1
        assert pickle.loads(pickle.dumps(waiting)) is None  # a worker has no cluster of its own to wait for
    assert dask.config.get("scheduler", None) == before
    assert active_client() is None


def test_scheduled__that_cannot_start_says_why_every_time(monkeypatch):
    def fails(**_):
        raise OSError("no socket is left")

    monkeypatch.setattr(distributed, "LocalCluster", fails)
    with scheduled("local", 1, quiet=True):
        for _ in range(2):
            with pytest.raises(OSError, match="no socket is left"):
                active_client()
