"""Stores that are given as objects of zarr, such as those of a session of Icechunk.

Who gives the object decides where its bytes lie and when they count: there is nothing beside it, and nobody is kept
from writing it at the same time. In a transaction, as of Icechunk, what is written counts when that is committed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import zarr
from zarr.abc.store import Store
from zarr.core.buffer import default_buffer_prototype
from zarr.core.sync import sync

from xfeldask.store.storage.marks import Mark, NoMark
from xfeldask.store.storage.places import Mode, Replaceable
from xfeldask.store.storage.urls import URL, ObjectURL


@dataclass(frozen=True)
class ZarrObject(Replaceable):
    """A place in a zarr store.

    Attributes
    ----------
    path : URL, of a store that was given, in the class itself

    Examples
    --------
    >>> from zarr.storage import MemoryStore
    >>> place = ZarrObject(ObjectURL.of(MemoryStore()))
    >>> place.write({"a.txt": [b"one", b"two"], "b/c.txt": [b"three"]})
    >>> place.read("a.txt"), place.sizes(), place.size("gone")
    (b'onetwo', {'a.txt': 6, 'b/c.txt': 5}, None)
    >>> place.remove("b")
    >>> list(place.sizes())
    ['a.txt']
    """

    path: URL

    def exists(self) -> bool:
        """Return whether there is anything; see `Place`."""
        return bool(self._keys())

    def read(self, key: str) -> bytes:
        """Return what is under a key; see `Place`."""
        found = sync(self._store.get(self._key(key), default_buffer_prototype()))
        if found is None:
            raise FileNotFoundError(f"{self.path / key} is not there")
        return found.to_bytes()

    def read_all(self, keys: Iterable[str]) -> dict[str, bytes]:
        """Return what is under keys; see `Place`."""
        return {key: self.read(key) for key in keys if self.size(key) is not None}

    def write(self, files: Mapping[str, Sequence[bytes]]) -> None:
        """Write keys; see `Place`."""
        buffer = default_buffer_prototype().buffer
        for key, parts in files.items():
            sync(self._store.set(self._key(key), buffer.from_bytes(b"".join(parts))))

    def holds(self, key: str) -> bool:
        """Return whether there is a key, or a group or array; see `Place`."""
        return any(sync(self._store.exists(self._key(name))) for name in (f"{key}/zarr.json", key))

    def size(self, key: str) -> int | None:
        """Return bytes under a key; see `Place`."""
        there = sync(self._store.exists(self._key(key)))
        return int(sync(self._store.getsize(self._key(key)))) if there else None

    def sizes(self) -> dict[str, int]:
        """Return bytes under all keys; see `Place`."""
        return {key: int(sync(self._store.getsize(self._key(key)))) for key in self._keys()}

    def nodes(self) -> list[str]:
        """Return paths of groups and arrays; see `Place`."""
        ending = "/zarr.json"
        return sorted(key.removesuffix(ending) for key in self._keys() if key.endswith(ending))

    def stamp(self, key: str) -> object:
        """Return a digest of metadata, which tell of all that is published; see `Place`."""
        try:
            return hashlib.sha256(self.read(key if key.endswith(".json") else f"{key}/zarr.json".lstrip("/"))).digest()
        except FileNotFoundError:
            return None

    def remove(self, key: str = "") -> None:
        """Remove a group, or all; see `Place`."""
        sync(self._store.delete_dir(self._key(key)))

    def open(self, mode: Mode) -> zarr.Group:
        """Open the group; see `Place`."""
        if mode != "r":
            self.path.refuse_read_only()
        return zarr.open_group(self._store, path=self.path.key, mode=mode, zarr_format=3, use_consolidated=False)

    def replace_by(self, folder: Path, group: str = "") -> None:
        """Write a group that lies in a folder into its place here; see `Replaceable`."""
        target = replace(self, path=self.path / group)
        target.remove()
        files = (file for file in folder.rglob("*") if file.is_file())
        # a store may take no chunk of an array, and no array of a group, that it does not know
        known_first = sorted(files, key=lambda file: (file.name != "zarr.json", len(file.parts)))
        target.write({file.relative_to(folder).as_posix(): [file.read_bytes()] for file in known_first})

    def leftovers(self) -> list[str]:
        """Return nothing: there is nothing beside the store; see `Place`."""
        return []

    def sweep_beside(self) -> None:
        """Remove nothing; see `Place`."""

    def sweep_within(self) -> None:
        """Remove nothing; see `Place`."""

    def mark(self, group: str) -> Mark:
        """Return what keeps nobody away; see `Place`."""
        return NoMark(self.path / group)

    def marks(self, group: str) -> dict[str, Mark]:  # noqa: ARG002
        """Return none; see `Place`."""
        return {}

    @property
    def _store(self) -> Store:
        assert isinstance(self.path, ObjectURL)
        store: Store = self.path.store
        return store

    def _key(self, key: str) -> str:
        return (self.path / key).key

    def _keys(self) -> list[str]:
        async def listed() -> list[str]:
            before = f"{self.path.key}/" if self.path.key else ""
            return [key.removeprefix(before) async for key in self._store.list_prefix(before)]

        return sync(listed())
