"""One writer at a time: a file beside the store says who writes, and tells by its age whether they still do."""

from __future__ import annotations

import errno
import json
import os
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from glob import escape
from pathlib import Path
from threading import Event, Lock, Thread, get_ident
from typing import Any, NamedTuple, Self
from uuid import uuid4

import psutil

from xfeldask.errors import InputError, StoreBusyError, XfeldaskWarning
from xfeldask.store.leftovers import HOST, real_path

_NO_LINKS = {errno.EPERM, errno.ENOSYS, errno.EOPNOTSUPP, errno.EMLINK}
"""What a file system answers that has no hard links."""
BEAT = 10.0
"""Time between two signs of life of a writer [s]."""
STALE = 120.0
"""Age of the last sign of life from which a writer on another computer is taken for dead [s]."""


class Holder(NamedTuple):
    """Who holds a lock.

    Attributes
    ----------
    host : str
    process : int
    began : float, when the process did, by which another of the same number is told from it [s]
    since : float, when it took the lock [s]
    token : str, of this lock alone
    """

    host: str
    process: int
    began: float
    since: float
    token: str

    @classmethod
    def me(cls) -> Self:
        """Return this process, with a new token."""
        return cls(HOST, os.getpid(), psutil.Process().create_time(), time.time(), uuid4().hex)

    @classmethod
    def of(cls, path: Path) -> Self | None:
        """Read who holds a lock; None where it cannot be read, as while it is being written."""
        try:
            return cls(**json.loads(path.read_text("utf-8")))
        except (OSError, ValueError, TypeError):
            return None

    def __str__(self) -> str:
        return f"process {self.process} on {self.host}, since {time.strftime('%H:%M:%S', time.localtime(self.since))}"


@contextmanager
def held(store: Path, place: str = "") -> Iterator[None]:
    """Be the only one who writes a store, or a group in it, within; a thread may do so again inside.

    Parameters
    ----------
    store : Path, there or not
    place : str, of a group such as ``latent/ipca``; of the shots and all that belongs to them by default

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
    >>> store = Path(tempfile.mkdtemp()) / "run.zarr"
    >>> with held(store):
    ...     print(writer(store).process == os.getpid())
    True
    >>> writer(store) is None
    True
    """
    store = real_path(store)
    path = _path(store, place)
    with _guard:
        mine = _held.get(path)
        if mine is None or mine.thread != get_ident():
            mine = _Mine(get_ident(), _take(path, store / place))
        _held[path] = mine._replace(times=mine.times + 1)
    try:
        yield
    finally:
        with _guard:
            mine = _held.pop(path)
            if mine.times > 1:
                _held[path] = mine._replace(times=mine.times - 1)
            elif Holder.of(path) == mine.holder:
                path.unlink(missing_ok=True)
            if not _held:
                _alive.rest()


def writer(store: Path, place: str = "") -> Holder | None:
    """Return who writes a store, or a group in it; None where nobody does who is alive.

    Examples
    --------
    >>> import tempfile
    >>> store = Path(tempfile.mkdtemp()) / "run.zarr"
    >>> with held(store, "latent/ipca"):
    ...     print(writer(store) is None, writer(store, "latent/ipca").process == os.getpid())
    True True
    """
    path = _path(real_path(store), place)
    holder = Holder.of(path)
    return holder if holder is not None and not _is_dead(path, holder) else None


def _path(store: Path, place: str) -> Path:
    return store.with_name(f".{store.name}{''.join(f'.{part}' for part in place.split('/') if part)}.lock")


def _is_dead(path: Path, holder: Holder | None) -> bool:
    """Whether a writer gives no sign of life any more, as far as can be told from here."""
    if holder is not None and holder.host == HOST:
        return not _runs(holder)
    try:
        return time.time() - path.stat().st_mtime > STALE
    except FileNotFoundError:
        return True


def _take(path: Path, what: Path) -> Holder:
    """Make the file of a lock, which nobody else can then make."""
    me = Holder.me()
    draft = path.with_name(f"{path.name}.{me.token}")
    for _ in range(2):
        try:
            draft.write_text(json.dumps(me._asdict()), "utf-8")
            _place(draft, path)
        except FileExistsError:
            _remove_if_dead(path, what)
            continue
        except OSError as error:
            raise _unwritable(what, error) from error
        finally:
            with suppress(OSError):
                draft.unlink()
        _sweep_drafts(path)
        _alive.wake()
        return me
    raise StoreBusyError(f"{what} is being written by another process that began just now; wait for it")


def _place(draft: Path, path: Path) -> None:
    """Put the file of a lock into its place, whole, if there is none."""
    try:
        os.link(draft, path)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        with path.open("xb") as file:
            file.write(draft.read_bytes())


def _sweep_drafts(path: Path) -> None:
    """Remove what was left by those who were killed while they took a lock."""
    for left in path.parent.glob(f"{escape(path.name)}.*"):
        if _is_dead(left, Holder.of(left)):
            left.unlink(missing_ok=True)


def _unwritable(what: Path, error: OSError) -> InputError:
    return InputError(f"cannot write {what}: {error}; choose a disk with room that may be written")


def _remove_if_dead(path: Path, what: Path) -> None:
    """Remove the lock of a writer that is dead.

    Raises
    ------
    StoreBusyError
        It is alive, as far as can be told.
    """
    try:
        age = time.time() - path.stat().st_mtime
    except FileNotFoundError:
        return
    holder = Holder.of(path)
    told = "a process that does not tell its name" if holder is None else str(holder)
    if not _is_dead(path, holder):
        raise StoreBusyError(
            f"{what} is being written by {told}, last seen {max(0.0, age):.0f} s ago; wait for it, or choose another"
        )
    # whoever moves it away first takes it over: the lock of another who did may be there already
    taken = path.with_name(f"{path.name}.{uuid4().hex}")
    try:
        path.rename(taken)
    except FileNotFoundError:
        return
    if holder is not None and Holder.of(taken) not in (None, holder):
        taken.rename(path)
        return
    taken.unlink(missing_ok=True)
    warnings.warn(f"took over {what} from {told}, which is dead", XfeldaskWarning, stacklevel=5)


def _runs(holder: Holder) -> bool:
    try:
        return bool(abs(psutil.Process(holder.process).create_time() - holder.began) < 1)
    except psutil.Error:
        return False


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
            for path, mine in list(_held.items()):
                with suppress(OSError):  # the disk may be away for a while
                    if Holder.of(path) == mine.holder:
                        os.utime(path)


_guard = Lock()
_held: dict[Path, _Mine] = {}
_alive = _Alive()


def _forget(*_: Any) -> None:
    """Hold nothing in a process that was forked: its parent does."""
    global _guard, _alive
    _guard, _alive = Lock(), _Alive()
    _held.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
