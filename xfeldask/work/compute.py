"""Running tasks on whatever scheduler Dask has active, with progress and one sentence for a failure."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeVar

import dask
from dask.base import compute, named_schedulers
from dask.callbacks import Callback
from dask.delayed import Delayed
from threadpoolctl import threadpool_limits

from xfeldask.errors import RunError, XfeldaskError, first_line
from xfeldask.machine import cores
from xfeldask.work.progress import Reporter
from xfeldask.work.schedulers import Waiting
from xfeldask.work.tasks import single_task

if TYPE_CHECKING:
    from distributed import Client

T = TypeVar("T")
JOINED = 2
"""Results that are joined at a time."""


def active_client() -> Client | None:
    """Return the distributed client that Dask would use now, if any; one that waits for work is started.

    Examples
    --------
    >>> with dask.config.set(scheduler="threads"):
    ...     print(active_client())
    None
    """
    chosen = dask.config.get("scheduler", None)
    if isinstance(chosen, Waiting):
        return chosen.client()
    if chosen not in (None, "dask.distributed", "distributed"):
        return None
    if "distributed" not in sys.modules:  # nobody made a client; it takes long to import
        return None
    from distributed import default_client

    try:
        client: Client = default_client()
    except ValueError:
        return None
    return client


def cluster_waits() -> bool:
    """Return whether Dask's cluster is one that is started when there is work for it; it may have been.

    Examples
    --------
    >>> with dask.config.set(scheduler="threads"):
    ...     cluster_waits()
    False
    """
    return isinstance(dask.config.get("scheduler", None), Waiting)


def leaves_this_process() -> bool:
    """Return whether what is computed now is computed in other processes, or may be.

    Examples
    --------
    >>> with dask.config.set(scheduler="threads"):
    ...     leaves_this_process()
    False
    """
    chosen = dask.config.get("scheduler", None)
    if isinstance(chosen, Waiting):
        return not chosen.here
    client: Any = active_client()
    # nobody but this process reaches a scheduler at such an address
    elsewhere = client is not None and not client.scheduler.address.startswith("inproc://")
    return elsewhere or chosen in ("processes", "multiprocessing")


def worker_count() -> int:
    """Threads that compute on the scheduler that Dask has active.

    Examples
    --------
    >>> with dask.config.set(scheduler="threads", num_workers=3):
    ...     print(worker_count())
    3
    """
    client = active_client()
    if client is not None:
        return max(1, sum(int(cores) for cores in client.ncores().values()))
    return int(dask.config.get("num_workers", None) or cores())


def in_each_process(function: Callable[..., T], *arguments: Any) -> list[T]:
    """Call a function in each process that computes on the scheduler that Dask has active; wait for the first of them.

    Parameters
    ----------
    function : callable, importable by workers
    arguments : of the function

    Examples
    --------
    >>> with dask.config.set(scheduler="threads"):
    ...     in_each_process(os.getpid) == [os.getpid()]
    True
    """
    chosen = dask.config.get("scheduler", None)
    client = None if isinstance(chosen, Waiting) and chosen.here else active_client()
    if client is None:
        return [function(*arguments)]
    client.submit(os.getpid, pure=False).result()  # a cluster that grows with its work has no worker before
    return [*client.run(function, *arguments).values()]


def run_tasks(
    tasks: Sequence[Delayed], weights: Sequence[int], progress: Reporter, advice: str,
    passing: Sequence[Delayed] = (),
) -> list[Any]:  # fmt: skip
    """Compute tasks, mostly for what they do.

    Parameters
    ----------
    tasks : sequence of Delayed
    weights : sequence of int, how far each task moves the progress, those of `passing` last
    progress : Reporter
    advice : str, told when the run fails
    passing : sequence of Delayed, some that the tasks depend on, of which nothing is kept

    Returns
    -------
    list, what the tasks return, in their order

    Raises
    ------
    RunError
        A task failed, or the worker that ran it died.

    Examples
    --------
    >>> from xfeldask.work.progress import Silent
    >>> from xfeldask.work.tasks import single_task
    >>> tasks = [single_task(pow, 10, n) for n in (2, 3)]
    >>> run_tasks(tasks, [1, 1], Silent(), "try again")
    [100, 1000]
    >>> run_tasks([single_task(int, "ten")], [1], Silent(), "mend it and run again")
    Traceback (most recent call last):
    ...
    xfeldask.errors.RunError: the run stopped: invalid literal for int() with base 10: 'ten'; mend it and run again
    """
    weight = dict(zip((task.key for task in (*tasks, *passing)), weights, strict=True))
    chosen, options = dask.config.get("scheduler", None), {}
    if isinstance(chosen, Waiting) and chosen.spared(len(weight)):
        client, options = None, {"scheduler": "threads", "num_workers": chosen.few}
    else:
        client = active_client()
    try:
        with progress:
            if client is None:
                return _run_local(tasks, weight, progress.advance, options)
            return _run_distributed(client, tasks, passing, weight, progress.advance)
    except XfeldaskError:
        raise
    except Exception as error:
        raise stopped(error, advice) from error


def stopped(error: Exception, advice: str) -> RunError:
    """Return what a caller is told of an error in a task.

    Examples
    --------
    >>> stopped(KeyError("mask"), "mend it and run again")
    RunError("the run stopped: 'mask'; mend it and run again")
    """
    what = "Dask's scheduler is gone, or cancelled the work" if _is_of_scheduler(error) else first_line(error)
    return RunError(f"the run stopped: {what}; {advice}")


@contextmanager
def on_cluster(advice: str) -> Iterator[None]:
    """Tell as `run_tasks` does of a scheduler, or of workers, that are lost while a Dask collection is computed.

    Examples
    --------
    >>> with on_cluster("run it again"):
    ...     dask.compute(3)
    (3,)
    """
    try:
        yield
    except Exception as error:
        if _is_of_scheduler(error) or type(error).__name__ == "KilledWorker":
            raise stopped(error, advice) from error
        raise


def _is_of_scheduler(error: Exception) -> bool:
    # by name, since distributed takes long to import
    return type(error).__name__ in ("FutureCancelledError", "CommClosedError")


def run_reduced(
    tasks: Sequence[Delayed], weights: Sequence[int], join: Callable[..., Any], progress: Reporter, advice: str
) -> Any:
    """Compute tasks and join what they return, some at a time and where they ran: not all of it is held at once.

    Parameters
    ----------
    tasks, weights, progress, advice : as of `run_tasks`
    join : callable, importable by workers, some results in their order to one of the same kind

    Returns
    -------
    what `join` makes of all

    Raises
    ------
    RunError
        As of `run_tasks`.

    Examples
    --------
    >>> from xfeldask.work.progress import Silent
    >>> from xfeldask.work.tasks import single_task
    >>> tasks = [single_task(list, str(number)) for number in range(12)]
    >>> "".join(run_reduced(tasks, [1] * 12, lambda *parts: sum(parts, []), Silent(), "try again"))
    '01234567891011'
    """
    level = list(tasks)  # of a tree, from its leaves to its root
    while len(level) > 1:
        level = [single_task(join, *level[first : first + JOINED]) for first in range(0, len(level), JOINED)]
    if level == list(tasks):
        return run_tasks(tasks, weights, progress, advice)[0]
    return run_tasks(level, [0, *weights], progress, advice, tasks)[0]


class _OneThread:
    """Keeps BLAS to one thread while anybody asks for it; what was set before comes back with the last one out."""

    NAMES = tuple(f"{library}_NUM_THREADS" for library in ("OMP", "OPENBLAS", "MKL"))

    def __init__(self) -> None:
        self._lock, self._users = Lock(), 0
        self._before: dict[str, str | None] = {}

    def enter(self) -> None:
        with self._lock:
            if not self._users:
                self._before = {name: os.environ.get(name) for name in self.NAMES}
                os.environ.update(dict.fromkeys(self.NAMES, "1"))
                # OpenBLAS heeds the thread that limited it first, and no other: one of ours, which outlives each user's
                self._holder = ThreadPoolExecutor(1)
                self._limits = self._holder.submit(threadpool_limits, 1, "blas").result()
            self._users += 1

    def leave(self) -> None:
        with self._lock:
            self._users -= 1
            if self._users:
                return
            self._holder.submit(self._limits.restore_original_limits).result()
            self._holder.shutdown()
            for name, value in self._before.items():
                os.environ.pop(name, None)
                if value is not None:
                    os.environ[name] = value


_ONE_THREAD = _OneThread()


@contextmanager
def one_thread_a_task() -> Iterator[None]:
    """Keep BLAS to one thread in this process and in those that Dask starts from here.

    Tasks run side by side already; and sums come out the same whatever the number of cores. Uses may nest, and
    overlap in several threads: the limit ends with the last of them.

    Examples
    --------
    >>> with one_thread_a_task():
    ...     print(os.environ["OMP_NUM_THREADS"])
    1
    """
    _ONE_THREAD.enter()
    try:
        with threadpool_limits(1, "blas"):  # MKL heeds each thread for itself
            yield
    finally:
        _ONE_THREAD.leave()


def _run_local(
    tasks: Sequence[Delayed], weight: Mapping[Any, int], advance: Callable[[int], None], options: Mapping[str, Any]
) -> list[Any]:
    def after(key: Any, *_: object) -> None:
        if weight.get(key):
            advance(weight[key])

    chosen = options.get("scheduler", dask.config.get("scheduler", None) or "threads")
    # by its name Dask would import distributed to look for a client, and there is none
    found = named_schedulers.get(str(chosen).lower(), chosen)
    with Callback(posttask=after):
        return list(compute(*tasks, **{**options, "scheduler": found}))


def _run_distributed(
    client: Client,
    tasks: Sequence[Delayed],
    passing: Sequence[Delayed],
    weight: Mapping[Any, int],
    advance: Callable[[int], None],
) -> list[Any]:
    from distributed import as_completed

    futures, asked = client.compute([*tasks, *passing]), {task.key for task in tasks}
    found, held = {}, {future.key: future for future in futures}
    try:
        for future in as_completed(futures):
            if future.key in asked or future.status == "error":
                found[future.key] = future.result()
            else:
                held.pop(future.key).release()  # it stays with the workers for as long as another needs it
            if weight[future.key]:
                advance(weight[future.key])
    finally:
        client.cancel([*held.values()])
    return [found[task.key] for task in tasks]
