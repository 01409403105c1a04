"""Several writers of one store side by side, each of a range of its shards."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from xfeldask.errors import InputError, StoreBusyError
from xfeldask.store.storage.lock import RANGES, held, writer
from xfeldask.store.storage.places import place_of
from xfeldask.store.storage.urls import ICECHUNK, URL, StorePath

PATIENCE = 600.0
"""Time for which a job waits for the one that makes the store [s]."""
LOOK = 0.5
"""Time between two looks at whether it has [s]."""


@dataclass(frozen=True)
class ShardRange:
    """One of several ranges of the shards of a store, as equal as can be.

    Attributes
    ----------
    number : int, from 1
    count : int, of all ranges

    Examples
    --------
    >>> third = ShardRange.read("3/4")
    >>> third.of(10), str(third)
    (range(5, 7), '3/4')
    >>> [shard for number in (1, 2, 3, 4) for shard in ShardRange(number, 4).of(10)] == list(range(10))
    True
    """

    number: int
    count: int

    @classmethod
    def read(cls, text: str) -> Self:
        """Read ``3/10``.

        Raises
        ------
        InputError
        """
        match = re.fullmatch(r"\s*(\d{1,9})\s*/\s*(\d{1,9})\s*", text) if isinstance(text, str) else None
        if match is None or not 1 <= int(match[1]) <= int(match[2]):
            raise InputError(f"shards {text!r}: write I/N, such as 3/10 for the third of ten ranges, counted from 1")
        return cls(int(match[1]), int(match[2]))

    def of(self, n_shards: int) -> range:
        """Return the shards of this range; none where there are more ranges than shards."""
        return range(n_shards * (self.number - 1) // self.count, n_shards * self.number // self.count)

    @property
    def lock_path(self) -> str:
        """What is locked while its shards are written."""
        return f"{RANGES}/{self.number}-of-{self.count}"

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"


def begun(store: StorePath, begin: Callable[[], object]) -> None:
    """Wait until a store is there that jobs fill side by side; the first of them to come makes it.

    Parameters
    ----------
    store : Path or URL
    begin : callable, makes the store without shots; called by one job at a time, while there is none

    Raises
    ------
    StoreBusyError
        Somebody else has been writing it for longer than `PATIENCE`.
    InputError
        It is in a repository of Icechunk, each of whose sessions would write all of it.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> store = Path(tempfile.mkdtemp()) / "run.zarr"
    >>> begun(store, store.mkdir)
    >>> begun(store, store.mkdir)
    """
    if isinstance(store, URL) and store.scheme.startswith(ICECHUNK):
        raise InputError(
            f"{store} is written in one session, not in ranges of shards side by side; leave out shards (--shards), or "
            "write to a folder or a bucket"
        )
    place, until = place_of(store), time.monotonic() + PATIENCE
    while writer(store) is not None or not place.exists():
        try:
            with held(store):
                if not place.exists():
                    begin()
        except StoreBusyError:  # another job was the first
            if time.monotonic() > until:
                raise
            time.sleep(LOOK)
