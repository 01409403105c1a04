"""Stores in repositories of Icechunk: what a branch holds, as zarr and the rest of this room see it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import zarr
from zarr.abc.store import Store
from zarr.core.buffer import Buffer
from zarr.storage import WrapperStore

from xfeldask.errors import InputError
from xfeldask.store.storage.icechunk_branch import Branch, branch_of
from xfeldask.store.storage.marks import Holder, Mark
from xfeldask.store.storage.places import Mode
from xfeldask.store.storage.urls import URL
from xfeldask.store.storage.zarr_object import ZarrObject


class BranchStore(WrapperStore[Any]):
    """What a branch holds, as a zarr store that another process can open.

    Parameters
    ----------
    repository : URL, without a key
    """

    def __init__(self, repository: URL) -> None:
        self._repository = repository

    @property
    def _store(self) -> Any:
        return branch_of(self._repository).store

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self._repository,)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, BranchStore) and self._repository == other._repository

    def __str__(self) -> str:
        return str(self._repository).rstrip("/")

    @property
    def read_only(self) -> bool:
        """Whether nobody may write; who holds a store in it may."""
        return False

    async def set(self, key: str, value: Buffer) -> None:
        """Write a key.

        Raises
        ------
        InputError
            Nobody would commit it.
        """
        if not branch_of(self._repository).holders:
            raise InputError(f"{self} is written by verbs alone; give the store of a session, and commit that")
        await self._store.set(key, value)

    def with_read_only(self, read_only: bool = False) -> Self:  # noqa: ARG002
        """Return the store itself, which is written by who holds it."""
        return self


@dataclass(frozen=True)
class IcechunkPlace(ZarrObject):
    """A place in a repository of Icechunk.

    Attributes
    ----------
    path : URL
    """

    def exists(self) -> bool:
        """Return whether there is anything; see `Place`."""
        self._branch.refresh()
        return super().exists()

    def stamp(self, key: str) -> object:
        """Return a digest of metadata as they were committed last; see `Place`."""
        self._branch.refresh()
        return super().stamp(key)

    def open(self, mode: Mode) -> zarr.Group:
        """Open the group; see `Place`."""
        self._branch.refresh()
        return super().open(mode)

    def replace_by(self, folder: Path, group: str = "") -> None:
        """Write a group that lies in a folder into its place here; see `Replaceable`."""
        try:
            super().replace_by(folder, group)
        except BaseException:
            self._branch.spoiled = True
            raise

    def mark(self, group: str) -> Mark:
        """Return what begins a session and commits it; see `Place`."""
        return BranchMark(self.path / group)

    def marks(self, group: str) -> dict[str, Mark]:
        """Return those of this process; see `Place`."""
        before = f"{(self.path / group).key}/".lstrip("/")
        names = [key.removeprefix(before) for key in self._branch.holders if key.startswith(before)]
        return {name: self.mark(f"{group}/{name}") for name in names}

    def remove(self, key: str = "") -> None:
        """Remove a group, or all; see `Place`."""
        if IcechunkPlace(self.path / key).size("zarr.json") is not None:
            super().remove(key)

    @property
    def _branch(self) -> Branch:
        return branch_of(self.path.at(""))

    @property
    def _store(self) -> Store:
        return BranchStore(self.path.at(""))

    def _keys(self) -> list[str]:
        # Icechunk lists no group that is not there
        return [] if self.size("zarr.json") is None else super()._keys()


@dataclass(frozen=True)
class BranchMark:
    """Who writes a store in a repository, or a group in one: they have a session, and commit it.

    Attributes
    ----------
    path : URL
    """

    path: URL

    def holder(self) -> Holder | None:
        """Return who writes; see `Mark`."""
        mine = self._branch.holders
        return mine.get(self.path.key) or (None if mine or self._lock is None else self._lock.holder())

    def age(self) -> float | None:
        """Return the time since the last sign of life; see `Mark`."""
        if self.path.key in self._branch.holders:
            return 0.0
        return None if self._branch.holders or self._lock is None else self._lock.age()

    def make(self, me: Holder) -> None:
        """Begin to write; see `Mark`."""
        self._branch.begin(self.path.key, me)

    def take_over(self, holder: Holder | None, me: Holder) -> bool | None:
        """Take the lock of a repository in a folder from one who is dead; see `Mark`."""
        return None if self._lock is None else self._lock.take_over(holder, me)

    def touch(self, me: Holder) -> None:
        """Give a sign of life; see `Mark`."""
        if self._lock is not None:
            self._lock.touch(me)

    def drop(self, me: Holder) -> None:
        """Commit; see `Mark`."""
        self._branch.end(self.path.key, me)

    @property
    def _branch(self) -> Branch:
        return branch_of(self.path.at(""))

    @property
    def _lock(self) -> Mark | None:
        return self._branch.lock
