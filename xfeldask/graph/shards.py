"""Shards turned into Dask tasks; nothing here computes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from dask.delayed import Delayed, delayed


def shard_tasks(name: str, function: Callable[..., object], shards: Iterable[int], *arguments: Any) -> list[Delayed]:
    """One delayed task a shard, ``function(*arguments, shard)``.

    Parameters
    ----------
    name : str, what the Dask dashboard shows
    function : callable, importable by workers
    shards : iterable of int
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
    return [task(*arguments, shard, dask_key_name=(name, shard)) for shard in shards]
