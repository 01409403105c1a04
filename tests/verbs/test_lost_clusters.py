"""Workers that are killed or added in the middle of each verb, and a scheduler that is killed."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from logging import CRITICAL
from pathlib import Path
from threading import Thread
from typing import Any

import dask
import numpy as np
import pytest
from distributed import Client, LocalCluster
from distributed.client import FutureCancelledError

from xfeldask import embed, find_kinds, open_run, project, reconstruct, simulate
from xfeldask.errors import RunError
from xfeldask.verbs.parts import building
from xfeldask.verbs.verify import verify

MADE = {"particle": "chaperonin", "detector": "square-64", "n_shots": 2000, "single_fraction": 0.9, "seed": 3}
VERBS: dict[str, Callable[[Path], np.ndarray]] = {
    "verify": lambda store: np.array(verify(store, progress=False).ok),
    "embed": lambda store: embed(store, name="new", progress=False).verdict.values,
    "project": lambda store: project(store, "ipca", store, as_name="new", progress=False).verdict.values,
    "simulate": lambda store: simulate(store.with_name("new.zarr"), **MADE, progress=False).photon_count.values,
    "reconstruct": lambda store: reconstruct(store, resolution=12e-9, symmetry="D8", starts=1,
                                             progress=False).intensity.values,
    "kinds": lambda store: find_kinds(store, like=store, progress=False).kind.values,
}  # fmt: skip
pytestmark = pytest.mark.usefixtures("in_full")  # workers know no haste


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with an embedding, made without a cluster."""
    path = tmp_path_factory.mktemp("embedded") / "run.zarr"
    with dask.config.set(scheduler="threads"):
        simulate(path, **MADE, progress=False)
        embed(path, progress=False)
    return path


@pytest.fixture
def store(embedded: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(embedded, tmp_path / "run.zarr"))


@contextmanager
def cluster(workers: int) -> Iterator[LocalCluster]:
    """Processes of one thread each, which are started again when they die."""
    shape = {"threads_per_worker": 1, "processes": True, "dashboard_address": "127.0.0.1:0"}
    with LocalCluster(n_workers=workers, **shape, silence_logs=CRITICAL) as made, Client(made):
        yield made


@contextmanager
def as_it_works(busy: Callable[[], Any], do: Callable[[Any], object]) -> Iterator[list[object]]:
    """Do something, once, as soon as there is work on a cluster; what came of it is in the list."""
    done: list[object] = []
    over: list[bool] = []

    def wait() -> None:
        while not (found := busy()) and not over:
            time.sleep(0.002)
        if found:
            done.append(do(found))

    meddler = Thread(target=wait)
    meddler.start()
    try:
        yield done
    finally:
        over.append(True)
        meddler.join()


def busy_address(made: LocalCluster) -> str:
    """Address of a worker that has something to do."""
    workers = [*made.scheduler.workers.values()]
    return next((worker.address for worker in workers if worker.processing), "")


def undisturbed(name: str, store: Path, folder: Path) -> np.ndarray:
    """What a verb finds in a copy of the store, without a cluster."""
    other = Path(shutil.copytree(store, folder / "other" / "run.zarr"))
    with dask.config.set(scheduler="threads"):
        return VERBS[name](other)


@pytest.mark.campaign
@pytest.mark.parametrize("name", [*VERBS])
def test_verb__loses_nothing_with_a_worker(name: str, store: Path, tmp_path: Path) -> None:
    expected = undisturbed(name, store, tmp_path)
    with cluster(2) as made, Client(made) as client:
        process = client.run(os.getpid)
        kill = lambda address: os.kill(process[address], signal.SIGKILL)  # noqa: E731
        with as_it_works(lambda: busy_address(made), kill) as killed:
            found = VERBS[name](store)
    assert killed, "nothing was on a worker when it was to be killed"
    np.testing.assert_allclose(found, expected, rtol=1e-3)


@pytest.mark.campaign
@pytest.mark.parametrize("name", [*VERBS])
def test_verb__takes_a_worker_that_comes_later(name: str, store: Path, tmp_path: Path) -> None:
    expected = undisturbed(name, store, tmp_path)
    with cluster(1) as made, as_it_works(lambda: busy_address(made), lambda _: made.scale(2)) as added:
        found = VERBS[name](store)
    assert added
    np.testing.assert_allclose(found, expected, rtol=1e-3)


@pytest.mark.campaign
@pytest.mark.parametrize("name", [*VERBS])
def test_verb__says_in_one_sentence_that_the_scheduler_is_gone(name: str, store: Path, tmp_path: Path) -> None:
    file = tmp_path / "scheduler.json"
    told = ["--scheduler-file", str(file), "--no-dashboard"]
    start = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--port", "0", *told]
    scheduler = subprocess.Popen(start, stderr=subprocess.DEVNULL)
    worker = subprocess.Popen([sys.executable, "-m", "distributed.cli.dask_worker", "--nthreads", "1", *told],
                              stderr=subprocess.DEVNULL)  # fmt: skip
    try:
        while not file.exists():
            time.sleep(0.01)
        with Client(scheduler_file=str(file)) as client:
            client.wait_for_workers(1)
            busy = lambda: any(client.processing().values())  # noqa: E731
            with as_it_works(busy, lambda _: scheduler.kill()), pytest.raises(RunError) as error:
                VERBS[name](store)
    finally:
        for process in (worker, scheduler):
            process.kill()
            process.wait()
    assert "Dask's scheduler is gone" in str(error.value)
    assert "\n" not in str(error.value)
    with dask.config.set(scheduler="threads"):
        assert open_run(store).embeddings["ipca"].dataset().sizes["shot"] == MADE["n_shots"]


def test_embed__says_so_where_it_was_fitting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    simulate(tmp_path / "run.zarr", **{**MADE, "n_shots": 20}, progress=False)

    def lost(*_: object) -> None:
        raise FutureCancelledError("rows", "scheduler-connection-lost")

    monkeypatch.setattr(building, "fit", lost)
    with pytest.raises(RunError, match=r"^the run stopped: Dask's scheduler is gone, .*; nothing was written"):
        embed(tmp_path / "run.zarr", sort=None, progress=False)
