"""What a process keeps of the last runs that it wrote shards of, made once however many threads ask for it."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from typing import Generic, TypeVar

from xfeldask.store.run import Run

MOST = 2
"""Runs of which a process keeps something."""

Key = tuple[str, str]
"""Path of a store and digest of what is in it, which tells it from another that was at the same path."""
T = TypeVar("T")


def key_of(run: Run) -> Key:
    """Return what a run is known by.

    Examples
    --------
    >>> from pathlib import Path
    >>> from types import SimpleNamespace
    >>> key_of(SimpleNamespace(path=Path("/data/run.zarr"), identity="5f"))
    ('/data/run.zarr', '5f')
    """
    return str(run.path.absolute()), str(run.identity)


class Kept(Generic[T]):
    """The last things that were asked for, each made once; others wait for none but their own.

    Examples
    --------
    >>> made = []
    >>> shops: Kept[str] = Kept()
    >>> for _ in range(3):
    ...     shop = shops.get(("run.zarr", "digest"), lambda: made.append("a workshop") or made[-1])
    >>> shop, len(made)
    ('a workshop', 1)
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[Key, Future[T]] = OrderedDict()

    def get(self, key: Key, make: Callable[[], T]) -> T:
        """Return what is kept under `key`, made if it is not there."""
        with self._lock:
            found = self._kept.get(key)
            future = self._put(key, found or Future())
        if found is None:
            try:
                future.set_result(make())
            except BaseException as error:
                self.drop(key)
                future.set_exception(error)
        return future.result()

    def keep(self, key: Key, thing: T) -> None:
        """Keep what is there already."""
        future: Future[T] = Future()
        future.set_result(thing)
        with self._lock:
            self._put(key, future)

    def drop(self, key: Key) -> None:
        """Keep it no longer."""
        with self._lock:
            self._kept.pop(key, None)

    def _put(self, key: Key, future: Future[T]) -> Future[T]:
        self._kept[key] = future
        self._kept.move_to_end(key)
        while len(self._kept) > MOST:
            self._kept.popitem(last=False)
        return future
