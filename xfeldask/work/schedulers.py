"""The schedulers that the command line offers; the library itself never makes a cluster."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from logging import CRITICAL
from threading import Lock
from typing import TYPE_CHECKING, Any

import dask
from rich.console import Console

from xfeldask.errors import InputError, UnknownNameError
from xfeldask.machine import cores

if TYPE_CHECKING:
    from distributed import Client, SpecCluster

SCHEDULERS = ("auto", "local", "processes", "threads", "synchronous", "tcp://HOST:PORT")


class Waiting:
    """A cluster that is started when something is first computed; Dask takes a callable for a scheduler.

    What is refused before has started nothing, and what computes nothing waits for nothing.

    Parameters
    ----------
    start : callable, makes the cluster and the client, which becomes the active one
    few : int, tasks that are no reason to start it: threads of this process compute as many
    here : bool, whether this process computes all tasks
    """

    def __init__(self, start: Callable[[], Client], few: int = 0, here: bool = True) -> None:
        self.few, self.here = few, here
        self._start, self._lock = start, Lock()
        self._client: Client | None = None

    def client(self) -> Client:
        """Return the client, of a cluster that is started now unless it was."""
        with self._lock:
            if self._client is None:
                self._client = self._start()
        return self._client

    def spared(self, tasks: int) -> bool:
        """Return whether so many tasks do without a cluster, as none was started and each can have a thread of its own.

        Examples
        --------
        >>> waiting = Waiting(lambda: None, few=2)
        >>> waiting.spared(2), waiting.spared(3)
        (True, False)
        """
        return self._client is None and tasks <= self.few

    def __call__(self, graph: Any, keys: Any, **options: Any) -> Any:
        """Compute keys of a graph."""
        return self.client().get(graph, keys, **options)

    def __reduce__(self) -> tuple[Any, ...]:
        # processes that are started take over Dask's settings; a worker has no cluster of its own to wait for
        return type(None), ()


@contextmanager
def scheduled(
    name: str,
    workers: int | None,
    quiet: bool,
    gpus: Sequence[str] = (),
    started: Callable[[str | None], object] = lambda _: None,
) -> Iterator[None]:
    """Make a scheduler the active one: one of its own is started, and its dashboard told, when work first asks for it.

    That of "auto" is the one of "local", and is not started for no more tasks than there are threads.

    Parameters
    ----------
    name : one of `SCHEDULERS`
    workers : int, optional; the machine's cores by default
    quiet : bool
    gpus : sequence of str, as of `xfeldask.devices.visible_gpus`; "processes" are then one for each, which sees no
        other GPU, and share the workers among them as threads
    started : called with the address of the dashboard of a cluster, if it has one, when the cluster is there

    Raises
    ------
    UnknownNameError
    InputError
        No scheduler answers at the address.

    Examples
    --------
    >>> with scheduled("threads", 2, quiet=True):
    ...     print(dask.config.get("scheduler"), dask.config.get("num_workers"))
    threads 2
    >>> with scheduled("treads", None, quiet=True):
    ...     pass
    Traceback (most recent call last):
    ...
    xfeldask.errors.UnknownNameError: unknown scheduler 'treads'; did you mean threads?
    """
    threads = workers or cores()
    if name in ("threads", "synchronous"):
        with dask.config.set(scheduler=name, num_workers=threads):
            yield
        return
    with ExitStack() as stack:

        def start() -> Client:
            client = stack.enter_context(_client(name, threads, quiet, gpus))
            started(client.dashboard_link)
            return client

        if "://" in name:
            start()
        elif name in ("auto", "local", "processes"):
            few = threads if name == "auto" else 0
            stack.enter_context(dask.config.set(scheduler=Waiting(start, few, here=name != "processes")))
        else:
            raise UnknownNameError("scheduler", name, SCHEDULERS)
        yield


@contextmanager
def _client(name: str, threads: int, quiet: bool, gpus: Sequence[str]) -> Iterator[Client]:
    """Connect to the cluster at an address, or to one of this computer that is made, and say where its dashboard is."""
    from distributed import Client

    with ExitStack() as stack:
        address: Any = name
        if "://" not in name:
            link = "http://127.0.0.1:{port}/status"
            stack.enter_context(dask.config.set({"distributed.dashboard.link": link}))
            address = stack.enter_context(_cluster(threads, name == "processes", gpus))
        try:
            client = Client(address, timeout="10s")
        except (OSError, ValueError) as error:
            raise InputError(f"no Dask scheduler answers at {name}; start one with: dask scheduler") from error
        # entered as a context, a client has to be left by the thread that entered it; work may start in any
        stack.callback(client.close)
        if not quiet and find_spec("bokeh"):  # without bokeh, Dask has no dashboard
            Console(stderr=True, markup=False).print(
                f"Dask dashboard: {client.dashboard_link}", highlight=False, soft_wrap=True
            )
        yield client


def _cluster(workers: int, processes: bool, gpus: Sequence[str]) -> SpecCluster:
    from distributed import LocalCluster, Nanny, Scheduler, SpecCluster

    shape: dict[str, Any] = {"n_workers": 1, "threads_per_worker": workers}
    if processes:
        shape = {"n_workers": workers, "threads_per_worker": 1, "host": "127.0.0.1"}
    with warnings.catch_warnings():
        # where the usual port is taken, distributed takes another and warns; errors of tasks are raised, not logged
        warnings.filterwarnings("ignore", message="Port 8787", category=UserWarning)
        if processes and gpus:
            here, threads = {"host": "127.0.0.1"}, max(1, workers // len(gpus))
            each = {**here, "nthreads": threads, "silence_logs": CRITICAL}
            pinned = {gpu: {**each, "env": {"CUDA_VISIBLE_DEVICES": gpu}} for gpu in gpus}
            return SpecCluster(
                workers={gpu: {"cls": Nanny, "options": options} for gpu, options in pinned.items()},
                scheduler={"cls": Scheduler, "options": {**here, "port": 0, "dashboard_address": "127.0.0.1:8787"}},
                silence_logs=CRITICAL,
            )
        return LocalCluster(processes=processes, dashboard_address="127.0.0.1:8787", silence_logs=CRITICAL, **shape)
