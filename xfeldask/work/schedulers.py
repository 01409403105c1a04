"""The schedulers that the command line offers; the library itself never makes a cluster."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from logging import CRITICAL
from typing import Any

import dask
from distributed import Client, LocalCluster
from rich.console import Console

from xfeldask.errors import InputError, UnknownNameError
from xfeldask.machine import cores

SCHEDULERS = ("local", "processes", "threads", "synchronous", "tcp://HOST:PORT")


@contextmanager
def scheduled(name: str, workers: int | None, quiet: bool) -> Iterator[None]:
    """Make a scheduler the active one, and say where its dashboard is.

    Parameters
    ----------
    name : one of `SCHEDULERS`
    workers : int, optional; the machine's cores by default
    quiet : bool

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
        address: Any = name
        if name in ("local", "processes"):
            stack.enter_context(dask.config.set({"distributed.dashboard.link": "http://127.0.0.1:{port}/status"}))
            address = stack.enter_context(_cluster(threads, processes=name == "processes"))
        elif "://" not in name:
            raise UnknownNameError("scheduler", name, SCHEDULERS)
        try:
            client = stack.enter_context(Client(address, timeout="10s"))
        except (OSError, ValueError) as error:
            raise InputError(f"no Dask scheduler answers at {name}; start one with: dask scheduler") from error
        if not quiet and find_spec("bokeh"):  # without bokeh, Dask has no dashboard
            Console(stderr=True, markup=False).print(
                f"Dask dashboard: {client.dashboard_link}", highlight=False, soft_wrap=True
            )
        yield


def _cluster(workers: int, processes: bool) -> LocalCluster:
    shape: dict[str, Any] = {"n_workers": 1, "threads_per_worker": workers}
    if processes:
        shape = {"n_workers": workers, "threads_per_worker": 1, "host": "127.0.0.1"}
    with warnings.catch_warnings():
        # where the usual port is taken, distributed takes another and warns; errors of tasks are raised, not logged
        warnings.filterwarnings("ignore", message="Port 8787", category=UserWarning)
        return LocalCluster(processes=processes, dashboard_address="127.0.0.1:8787", silence_logs=CRITICAL, **shape)
