"""Running tasks on whatever scheduler Dask has active, with progress and one sentence for a failure."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import dask
from dask.base import compute
from dask.callbacks import Callback
from dask.delayed import Delayed
from dask.system import CPU_COUNT
from distributed import Client, as_completed, default_client
from threadpoolctl import threadpool_limits

from xfeldask.errors import RunError, XfeldaskError
from xfeldask.work.progress import Reporter


def active_client() -> Client | None:
    """The distributed client that Dask would use now, if any."""
    if dask.config.get("scheduler", None) not in (None, "dask.distributed", "distributed"):
        return None
    try:
        client: Client = default_client()
    except ValueError:
        return None
    return client


def worker_count() -> int:
    """Threads that compute on the scheduler that Dask has active."""
    client = active_client()
    if client is not None:
        return max(1, sum(int(cores) for cores in client.ncores().values()))
    return int(dask.config.get("num_workers", None) or CPU_COUNT)


def run_tasks(tasks: Sequence[Delayed], weights: Sequence[int], progress: Reporter, advice: str) -> list[Any]:
    """Compute tasks, mostly for what they do.

    Parameters
    ----------
    tasks : sequence of Delayed
    weights : sequence of int, how far each task moves the progress
    progress : Reporter
    advice : str, told when the run fails

    Returns
    -------
    list, what the tasks return, in their order

    Raises
    ------
    RunError
        A task failed, or the worker that ran it died.
    """
    weight = dict(zip((task.key for task in tasks), weights, strict=True))
    client = active_client()
    try:
        with progress:
            if client is None:
                return _run_local(tasks, weight, progress.advance)
            return _run_distributed(client, tasks, weight, progress.advance)
    except XfeldaskError:
        raise
    except Exception as error:
        cause = str(error).strip().split("\n")[0] or type(error).__name__
        raise RunError(f"the run stopped: {cause}; {advice}") from error


@contextmanager
def one_thread_a_task() -> Iterator[None]:
    """Keep BLAS to one thread in this process and in those that Dask starts from here.

    Tasks run side by side already; and sums come out the same whatever the number of cores.
    """
    names = [f"{library}_NUM_THREADS" for library in ("OMP", "OPENBLAS", "MKL")]
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(dict.fromkeys(names, "1"))
    try:
        with threadpool_limits(1, "blas"):
            yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _run_local(tasks: Sequence[Delayed], weight: Mapping[Any, int], advance: Callable[[int], None]) -> list[Any]:
    def after(key: Any, *_: object) -> None:
        if weight.get(key):
            advance(weight[key])

    with Callback(posttask=after):
        return list(compute(*tasks))


def _run_distributed(
    client: Client, tasks: Sequence[Delayed], weight: Mapping[Any, int], advance: Callable[[int], None]
) -> list[Any]:
    futures = client.compute(list(tasks))
    found = {}
    try:
        for future in as_completed(futures):
            found[future.key] = future.result()
            if weight[future.key]:
                advance(weight[future.key])
    finally:
        client.cancel(futures)
    return [found[task.key] for task in tasks]
