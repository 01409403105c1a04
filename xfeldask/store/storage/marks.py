"""What says that a store is being written: a file beside it, or an object, that tells who does."""

from __future__ import annotations

import errno
import json
import os
import time
from contextlib import suppress
from dataclasses import dataclass
from glob import escape
from pathlib import Path
from typing import NamedTuple, Protocol, Self
from uuid import uuid4

import psutil

from xfeldask.store.storage.leftovers import HOST, real_path
from xfeldask.store.storage.urls import URL

STALE = 120.0
"""Age of the last sign of life from which a writer on another computer is taken for dead [s]."""
_NO_LINKS = {errno.EPERM, errno.ENOSYS, errno.EOPNOTSUPP, errno.EMLINK}
"""What a file system answers that has no hard links."""


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
            return cls.read(path.read_bytes())
        except OSError:
            return None

    @classmethod
    def read(cls, text: bytes) -> Self | None:
        """Read what a mark says; None where it says nothing that can be understood."""
        try:
            return cls(**json.loads(text))
        except (ValueError, TypeError):
            return None

    def written(self) -> bytes:
        """Return what a mark says."""
        return json.dumps(self._asdict()).encode()

    def __str__(self) -> str:
        return f"process {self.process} on {self.host}, since {time.strftime('%H:%M:%S', time.localtime(self.since))}"

    def is_running(self) -> bool:
        """Return whether the process of this computer runs."""
        try:
            return bool(abs(psutil.Process(self.process).create_time() - self.began) < 1)
        except psutil.Error:
            return False


class Mark(Protocol):
    """What one writer at a time can make; equal for equal places."""

    def holder(self) -> Holder | None:
        """Return who made it; None where it is not there, or cannot be read."""

    def age(self) -> float | None:
        """Return the time since the last sign of life [s]; None where it is not there."""

    def make(self, me: Holder) -> None:
        """Make it, whole or not at all.

        Raises
        ------
        FileExistsError
            It is there.
        """

    def take_over(self, holder: Holder | None, me: Holder) -> bool | None:
        """Take it from a writer that is dead.

        Returns
        -------
        True where it is this one's now; False where it is gone, so that it can be made; None where another was first
        """

    def touch(self, me: Holder) -> None:
        """Give a sign of life, if it is still this one's."""

    def drop(self, me: Holder) -> None:
        """Remove it, if it is still this one's."""


@dataclass(frozen=True)
class FileMark:
    """A file beside the store.

    Attributes
    ----------
    path : Path
    """

    path: Path

    @classmethod
    def of(cls, store: Path, group: str) -> Self:
        """Return the mark of a store, there or not, or of a group in it."""
        store = real_path(store)
        return cls(store.with_name(mark_name(store.name, group)))

    def holder(self) -> Holder | None:
        """Return who made it; see `Mark`."""
        return Holder.of(self.path)

    def age(self) -> float | None:
        """Return the time since it was touched; see `Mark`."""
        try:
            return time.time() - self.path.stat().st_mtime
        except FileNotFoundError:
            return None

    def make(self, me: Holder) -> None:
        """Write it beside its place and link it there; see `Mark`."""
        draft = self.path.with_name(f"{self.path.name}.{me.token}")
        try:
            draft.write_bytes(me.written())
            self._place(draft)
        finally:
            with suppress(OSError):
                draft.unlink()
        self._sweep_drafts()

    def take_over(self, holder: Holder | None, me: Holder) -> bool | None:  # noqa: ARG002
        """Move it away, so that one can be made; see `Mark`."""
        # whoever moves it away first takes it over: the lock of another who did may be there already
        taken = self.path.with_name(f"{self.path.name}.{uuid4().hex}")
        try:
            self.path.rename(taken)
        except FileNotFoundError:
            return None
        if holder is not None and Holder.of(taken) not in (None, holder):
            taken.rename(self.path)
            return None
        taken.unlink(missing_ok=True)
        return False

    def touch(self, me: Holder) -> None:
        """Give a sign of life; see `Mark`."""
        if self.holder() == me:
            os.utime(self.path)

    def drop(self, me: Holder) -> None:
        """Remove it; see `Mark`."""
        if self.holder() == me:
            self.path.unlink(missing_ok=True)

    def _place(self, draft: Path) -> None:
        """Put the file into its place, whole, if there is none."""
        try:
            os.link(draft, self.path)
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            with self.path.open("xb") as file:
                file.write(draft.read_bytes())

    def _sweep_drafts(self) -> None:
        """Remove what was left by those who were killed while they took a lock."""
        for left in self.path.parent.glob(f"{escape(self.path.name)}.*"):
            if is_dead(FileMark(left), Holder.of(left)):
                left.unlink(missing_ok=True)


@dataclass(frozen=True)
class NoMark:
    """A mark that nobody sees: of a place that nobody here writes, or whose owner decides who does.

    Attributes
    ----------
    path : URL
    """

    path: URL

    def holder(self) -> Holder | None:
        """Return nobody; see `Mark`."""
        return None

    def age(self) -> float | None:
        """Return that it is not there; see `Mark`."""
        return None

    def make(self, me: Holder) -> None:  # noqa: ARG002
        """Make nothing, where the store may be written; see `Mark`."""
        self.path.refuse_read_only()

    def take_over(self, holder: Holder | None, me: Holder) -> bool | None:  # noqa: ARG002
        """Take nothing; see `Mark`."""
        return None

    def touch(self, me: Holder) -> None:
        """Touch nothing; see `Mark`."""

    def drop(self, me: Holder) -> None:
        """Drop nothing; see `Mark`."""


def mark_name(store: str, group: str, kind: str = "lock") -> str:
    """Return the name of what lies beside a store and tells of it, or of a group in it.

    Examples
    --------
    >>> mark_name("run.zarr", ""), mark_name("run.zarr", "latent/ipca")
    ('.run.zarr.lock', '.run.zarr.latent.ipca.lock')
    """
    return f".{store}{''.join(f'.{part}' for part in group.split('/') if part)}.{kind}"


def is_dead(mark: Mark, holder: Holder | None) -> bool:
    """Return whether a writer gives no sign of life any more, as far as can be told from here."""
    if holder is not None and holder.host == HOST:
        return not holder.is_running()
    age = mark.age()
    return age is None or age > STALE
