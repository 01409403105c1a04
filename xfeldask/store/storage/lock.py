"""One writer at a time: a mark beside the store says who writes, and tells by its age whether they still do."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Event, Lock, Thread, get_ident
from typing import Any, NamedTuple

from xfeldask.errors import InputError, StoreBusyError, UnreachableError, XfeldaskError, XfeldaskWarning
from xfeldask.store.storage.leftovers import HOST as HOST
from xfeldask.store.storage.marks import STALE as STALE
from xfeldask.store.storage.marks import Holder as Holder
from xfeldask.store.storage.marks import Mark, is_dead
from xfeldask.store.storage.places import place_of
from xfeldask.store.storage.urls import StorePath

BEAT = 10.0
"""Time between two signs of life of a writer [s]."""
RANGES = "shards"
"""Group of the places of those who write a range of the shards each."""


@contextmanager
def held(store: StorePath, group: str = "") -> Iterator[None]:
    """Be the only one who writes a store, or a group in it, within; a thread may do so again inside.

    A lock on all shots conflicts with locks on ranges of shards. Locks on ranges conflict with one another only where
    they divide the shards differently.

    Parameters
    ----------
    store : Path or URL, there or not
    group : str, path of a group such as ``latent/ipca``, or of a `ShardRange`; by default of the shots and all that
        belongs to them

    Raises
    ------
    StoreBusyError
        Another thread, process or computer does.
    InputError
        The folder of the store cannot be written.

    Warns
    -----
    XfeldaskWarning
        The lock of a writer that is dead was taken over.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> store = Path(tempfile.mkdtemp()) / "run.zarr"
    >>> with held(store):
    ...     print(writer(store).process == os.getpid())
    True
    >>> writer(store) is None
    True
    """
    mark = place_of(store).mark(group)
    with _guard:
        mine = _held.get(mark)
        if mine is None or mine.thread != get_ident():
            mine = _Mine(get_ident(), _take(mark, store / group))
        _held[mark] = mine._replace(times=mine.times + 1)
    try:
        _refuse_others(store, group)
        yield
    finally:
        with _guard:
            mine = _held.pop(mark)
            if mine.times > 1:
                _held[mark] = mine._replace(times=mine.times - 1)
            else:
                try:
                    with suppress(UnreachableError):  # why it cannot be reached is being told
                        mark.drop(mine.holder)
                finally:
                    if not _held:
                        _alive.rest()


def writer(store: StorePath, group: str = "") -> Holder | None:
    """Return who writes a store, or a group in it; None where nobody does who is alive.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> store = Path(tempfile.mkdtemp()) / "run.zarr"
    >>> with held(store, "latent/ipca"):
    ...     print(writer(store) is None, writer(store, "latent/ipca").process == os.getpid())
    True True
    """
    mark = place_of(store).mark(group)
    holder = mark.holder()
    return holder if holder is not None and not is_dead(mark, holder) else None


def shot_writers(store: StorePath) -> list[Holder | None]:
    """Return those who write shots of a store and are alive, whole or a range each; None for one who tells no name.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> store = Path(tempfile.mkdtemp()) / "run.zarr"
    >>> with held(store, "shards/1-of-2"), held(store, "shards/2-of-2"):
    ...     print(len(shot_writers(store)))
    2
    """
    mark = place_of(store).mark("")
    holder = mark.holder()
    return [*([] if is_dead(mark, holder) else [holder]), *makers(store, RANGES).values()]


def makers(store: StorePath, group: str) -> dict[str, Holder | None]:
    """Return those who write groups in a group of a store and are alive, by the name of what they write.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> store = Path(tempfile.mkdtemp()) / "run.zarr"
    >>> with held(store, "latent/ipca"):
    ...     print(list(makers(store, "latent")))
    ['ipca']
    """
    found = ((name, mark, mark.holder()) for name, mark in place_of(store).marks(group).items())
    return {name: holder for name, mark, holder in found if not is_dead(mark, holder)}


def _take(mark: Mark, what: StorePath) -> Holder:
    """Make a mark, which nobody else can then make."""
    me = Holder.me()
    for _ in range(2):
        try:
            mark.make(me)
        except FileExistsError:
            if not _taken_over(mark, what, me):
                continue
        except OSError as error:
            raise InputError(f"cannot write {what}: {error}; choose a disk with room that may be written") from error
        _alive.wake()
        return me
    raise StoreBusyError(f"{what} is being written by another process that began just now; wait for it")


def _refuse_others(store: StorePath, group: str) -> None:
    """Refuse to write shots that others write too, whole or a range of them."""
    if group and not group.startswith(f"{RANGES}/"):
        return
    there = place_of(store)
    others = [mark for name, mark in there.marks(RANGES).items() if not group or _cut(name) != _cut(group)]
    for mark in [*others, there.mark("")] if group else others:
        holder = mark.holder()
        if not is_dead(mark, holder):
            raise StoreBusyError(f"{store} is being written by {_told(holder)}; wait for it, or choose another")


def _cut(group: str) -> str:
    """Return into how many ranges the shards are cut of which a group's path names one."""
    return group.rpartition("-")[2]


def _told(holder: Holder | None) -> str:
    return "a process that does not tell its name" if holder is None else str(holder)


def _taken_over(mark: Mark, what: StorePath, me: Holder) -> bool:
    """Take the mark of a writer that is dead; return whether it is this one's now, and need not be made.

    Raises
    ------
    StoreBusyError
        It is alive, as far as can be told.
    """
    age = mark.age()
    if age is None:
        return False
    holder = mark.holder()
    told = _told(holder)
    if not is_dead(mark, holder):
        raise StoreBusyError(
            f"{what} is being written by {told}, last seen {max(0.0, age):.0f} s ago; wait for it, or choose another"
        )
    taken = mark.take_over(holder, me)
    if taken is not None:
        warnings.warn(f"took over {what} from {told}, which is dead", XfeldaskWarning, stacklevel=5)
    return bool(taken)


class _Mine(NamedTuple):
    """A lock of this process: by which of its threads it is held, how many times over."""

    thread: int
    holder: Holder
    times: int = 0


class _Alive:
    """A thread that gives the signs of life of all locks of this process."""

    def __init__(self) -> None:
        self._stop: Event | None = None

    def wake(self) -> None:
        if self._stop is None:
            self._stop = Event()
            Thread(target=self._beat, args=[self._stop], name="locks of stores", daemon=True).start()

    def rest(self) -> None:
        if self._stop is not None:
            self._stop.set()
            self._stop = None

    def _beat(self, stop: Event) -> None:
        while not stop.wait(BEAT):
            for mark, mine in list(_held.items()):
                with suppress(OSError, XfeldaskError):  # the disk or the bucket may be away for a while
                    mark.touch(mine.holder)


_guard = Lock()
_held: dict[Mark, _Mine] = {}
_alive = _Alive()


def _forget(*_: Any) -> None:
    """Hold nothing in a process that was forked: its parent does."""
    global _guard, _alive
    _guard, _alive = Lock(), _Alive()
    _held.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
