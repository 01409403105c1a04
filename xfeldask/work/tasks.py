"""Functions turned into Dask tasks; nothing here computes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any
from uuid import uuid4

from dask.delayed import Delayed, delayed


def shard_tasks(
    name: str, function: Callable[..., object], shards: Iterable[int | str], *arguments: Any
) -> list[Delayed]:
    """One delayed task a shard, ``function(*arguments, shard)``.

    Parameters
    ----------
    name : str, what the Dask dashboard shows
    function : callable, importable by workers
    shards : iterable of int, or names of other parts of a store
    arguments : small values; what is large is read by the worker from the store

    Returns
    -------
    list of dask.delayed.Delayed

    Examples
    --------
    >>> import dask
    >>> dask.compute(*shard_tasks("power", pow, [2, 3], 10))
    (100, 1000)
    """
    task = delayed(function, pure=False, traverse=False)
    # a cluster takes equal keys for the same task, even those of another store
    key = f"{name}-{uuid4().hex}"
    return [task(*arguments, shard, dask_key_name=(key, shard)) for shard in shards]


def single_task(function: Callable[..., object], *arguments: Any) -> Delayed:
    """One delayed task, ``function(*arguments)``.

    Examples
    --------
    >>> single_task(pow, 10, 2).compute()
    100
    """
    task: Delayed = delayed(function, pure=False, traverse=False)(*arguments)
    return task


def shared(value: Any) -> Delayed:
    """One node of a graph for a value that many tasks take, so that it travels once.

    Examples
    --------
    >>> sent = shared([1, 2, 3])
    >>> [task.compute() for task in (delayed(sum)(sent), delayed(max)(sent))]
    [6, 3]
    """
    node: Delayed = delayed(value, traverse=False, pure=False)
    return node
