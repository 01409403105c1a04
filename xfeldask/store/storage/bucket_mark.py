"""What says that a store in a bucket is being written: an object beside it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import obstore

from xfeldask.errors import UnreachableError
from xfeldask.store.storage.bucket import Bucket
from xfeldask.store.storage.connection import told
from xfeldask.store.storage.marks import Holder
from xfeldask.store.storage.urls import URL


@dataclass(frozen=True)
class ObjectMark:
    """An object beside the store that says who writes it.

    Attributes
    ----------
    url : URL

    Examples
    --------
    >>> mark, me = ObjectMark(URL("memory", "docs", ".run.zarr.lock")), Holder.me()
    >>> mark.make(me)
    >>> mark.holder() == me, mark.age() < 5
    (True, True)
    >>> mark.drop(me)
    >>> mark.holder() is None
    True
    """

    url: URL

    def holder(self) -> Holder | None:
        """Return who made it; see `Mark`."""
        return self._read()[0]

    def age(self) -> float | None:
        """Return the time since it was written; see `Mark`."""
        found = self._place.head(self.url.name)
        return None if found is None else time.time() - found["last_modified"].timestamp()

    def make(self, me: Holder) -> None:
        """Write it by a conditional PUT; see `Mark`.

        Raises
        ------
        UnreachableError
            The server pays no heed to conditions.
        """
        try:
            self._place.put(self.url.name, me.written(), create=True)
        except FileExistsError:
            if self.holder() != me:  # else the answer to the first of several tries was lost
                raise
        try:
            self._place.put(self.url.name, me.written(), create=True)
        except FileExistsError:
            return
        self._place.delete(self.url.name)
        raise UnreachableError(
            f"the server of {self.url.scheme}://{self.url.bucket} pays no heed to If-None-Match, without which two "
            "writers cannot be kept apart; write to a folder, and copy the store there"
        )

    def take_over(self, holder: Holder | None, me: Holder) -> bool | None:
        """Write this one's in its place, if nobody else was first; see `Mark`."""
        found, now = self._read()
        if now is None or found != holder:
            return None
        try:
            self._place.put(self.url.name, me.written(), match=now)
        except FileExistsError:
            return None
        return True

    def touch(self, me: Holder) -> None:
        """Write it again; see `Mark`."""
        found, now = self._read()
        if now is not None and found == me:
            self._place.put(self.url.name, me.written(), match=now)

    def drop(self, me: Holder) -> None:
        """Remove it; see `Mark`."""
        if self.holder() == me:
            self._place.delete(self.url.name)

    @property
    def _place(self) -> Bucket:
        return Bucket(self.url.parent)

    def _read(self) -> tuple[Holder | None, Any]:
        """Return who made it, and what is told of the object; None where there is none."""
        try:
            with told(self.url):
                found = obstore.get(self._place.store, self.url.key)
                return Holder.read(bytes(found.bytes())), found.meta
        except FileNotFoundError:
            return None, None
