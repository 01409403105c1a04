"""Stores in buckets: S3, Google Cloud Storage, and memory, through obstore.

An object is written by one PUT, whole or not at all, and there is no rename. What must not be made twice is made by a
conditional PUT (``If-None-Match: *``), and taken over by another (``If-Match``).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import obstore
import zarr
from obstore.exceptions import AlreadyExistsError, PreconditionError
from obstore.store import ObjectStore

from xfeldask.errors import StoreBusyError
from xfeldask.store.storage.connection import bucket, side_by_side, told
from xfeldask.store.storage.marks import Mark, is_dead, mark_name
from xfeldask.store.storage.places import Mode, Replaceable
from xfeldask.store.storage.urls import URL


@dataclass(frozen=True)
class Bucket(Replaceable):
    """A place in a bucket: all objects whose keys begin with that of `path`.

    Attributes
    ----------
    path : URL

    Examples
    --------
    >>> place = Bucket(URL("memory", "docs", "notes"))
    >>> place.write({"a.txt": [b"one", b"two"], "b/c.txt": [b"three"]})
    >>> place.read("a.txt"), place.sizes(), place.size("gone")
    (b'onetwo', {'a.txt': 6, 'b/c.txt': 5}, None)
    >>> place.remove("b")
    >>> list(place.sizes())
    ['a.txt']
    """

    path: URL

    def exists(self) -> bool:
        """Return whether there is a store, or anything that no upload left; see `Place`."""
        return self.size("zarr.json") is not None or (self._left("").size("") is None and bool(self.children()))

    def read(self, key: str) -> bytes:
        """Return what is in an object; see `Place`."""
        with told(self.path):
            return bytes(obstore.get(self.store, self._key(key)).bytes())

    def read_all(self, keys: Iterable[str]) -> dict[str, bytes]:
        """Return what is in objects, many at a time; see `Place`."""

        def one(key: str) -> tuple[str, bytes | None]:
            try:
                return key, self.read(key)
            except FileNotFoundError:
                return key, None

        return {key: data for key, data in side_by_side(one, keys) if data is not None}

    def write(self, files: Mapping[str, Sequence[bytes]]) -> None:
        """Write objects, each by one PUT, many at a time; see `Place`."""

        def one(item: tuple[str, Sequence[bytes]]) -> None:
            self.put(item[0], b"".join(item[1]))

        side_by_side(one, files.items())

    def put(self, key: str, data: bytes, *, match: Any = None, create: bool = False) -> None:
        """Write an object by one PUT.

        Parameters
        ----------
        key : str
        data : bytes
        match : optional, what was told of the object that is to be replaced
        create : bool, whether there must be none

        Raises
        ------
        FileExistsError
            There is one, or another one.
        """
        how: Any = "create" if create else "overwrite"
        if match is not None:
            how = {
                tag: match[tag] for tag in ("e_tag", "version") if match.get(tag)
            }  # S3 goes by the one, Google by the other
        with told(self.path):
            try:
                obstore.put(self.store, self._key(key), data, mode=how, use_multipart=False)
            except (AlreadyExistsError, PreconditionError):
                raise FileExistsError(f"{self.path / key} is there") from None

    def holds(self, key: str) -> bool:
        """Return whether there is an object, or a group or array; see `Place`."""
        return self.size(f"{key}/zarr.json") is not None or self.size(key) is not None

    def size(self, key: str) -> int | None:
        """Return bytes of an object; see `Place`."""
        found = self.head(key)
        return None if found is None else int(found["size"])

    def head(self, key: str) -> Any:
        """Return what is told of an object; None where there is none."""
        try:
            with told(self.path):
                return obstore.head(self.store, self._key(key))
        except FileNotFoundError:
            return None

    def children(self) -> list[str]:
        """Return keys of the objects here that are in no group, and of the groups."""
        with told(self.path):
            found: Any = obstore.list_with_delimiter(self.store, f"{self.path.key}/" if self.path.key else None)
        return [*found["common_prefixes"], *(str(one["path"]) for one in found["objects"])]

    def listed(self, key: str = "") -> list[Any]:
        """Return what is told of all objects here, or in a group."""
        with told(self.path):
            return list(obstore.list(self.store, f"{self._key(key)}/").collect())

    def sizes(self) -> dict[str, int]:
        """Return bytes of all objects; see `Place`."""
        skip = len(self.path.key) + 1
        return {str(one["path"])[skip:]: int(one["size"]) for one in self.listed()}

    def nodes(self) -> list[str]:
        """Return paths of groups and arrays; see `Place`."""
        ending = "/zarr.json"
        return sorted(key.removesuffix(ending) for key in self.sizes() if key.endswith(ending))

    def stamp(self, key: str) -> object:
        """Return the tags of an object, or of all objects of a group; see `Place`."""
        if key.endswith(".json"):
            found = self.head(key)
            return found and found["e_tag"]
        return hash(tuple((one["path"], one["e_tag"]) for one in self.listed(key)))

    def remove(self, key: str = "") -> None:
        """Remove all objects here, or in a group, that which makes it a group first; see `Place`."""
        place = Bucket(self.path / key)
        place.delete("zarr.json")
        keys = [str(one["path"]) for one in place.listed()]
        with told(self.path):
            if keys:
                obstore.delete(self.store, keys)

    def delete(self, key: str) -> None:
        """Delete an object, if it is there."""
        with told(self.path), suppress(FileNotFoundError):
            obstore.delete(self.store, self._key(key))

    def open(self, mode: Mode) -> zarr.Group:
        """Open the group; see `Place`."""
        from xfeldask.store.storage.bucket_zarr import BucketStore  # speaks of `Bucket`

        found = BucketStore(self, read_only=mode == "r")
        return zarr.open_group(found, mode=mode, zarr_format=3, use_consolidated=False)

    def replace_by(self, folder: Path, group: str = "") -> None:
        """Write a group that lies in a folder into its place here, in that of one that is there.

        What makes it a group is removed first, and written last: there is the old one, or none, or the new one.
        Parameters are those of `Replaceable`.

        Raises
        ------
        StoreBusyError
            Somebody else made it meanwhile.
        """
        target, left = Bucket(self.path / group), self._left(group)
        left.put("", json.dumps({"store": self.path.name, "place": group}).encode())
        target.remove()
        files = [file for file in sorted(folder.rglob("*")) if file.is_file() and file != folder / "zarr.json"]
        side_by_side(lambda file: target.put(file.relative_to(folder).as_posix(), file.read_bytes()), files)
        data = (folder / "zarr.json").read_bytes()
        try:
            target.put("zarr.json", data, create=True)
        except FileExistsError:
            if target.read("zarr.json") != data:  # else the answer to the first of several tries was lost
                raise StoreBusyError(f"{target.path} was made by another process meanwhile") from None
        left.delete("")

    def leftovers(self) -> list[str]:
        """Return names of what says that an upload broke off; see `Place`."""
        return [left.path.name for left, _ in self._broken_off()]

    def sweep_beside(self) -> None:
        """Remove what uploads that broke off left; see `Place`."""
        for left, group in self._broken_off():
            target = Bucket(self.path / group)
            if target.size("zarr.json") is None:
                target.remove()
            left.delete("")

    def sweep_within(self) -> None:
        """Remove nothing: an object is whole or not there; see `Place`."""

    def _left(self, group: str) -> Bucket:
        """Return what lies beside the store for as long as a group is uploaded."""
        return Bucket(self.path.with_name(mark_name(self.path.name, group, "new")))

    def _broken_off(self) -> Iterator[tuple[Bucket, str]]:
        """Yield marks of uploads whose writer is gone, each with the group that it was uploading."""
        beside = f".{self.path.name}."
        for key in Bucket(self.path.parent).children():
            name = key.rsplit("/", 1)[-1]
            if not (name.startswith(beside) and name.endswith(".new")):
                continue
            left = Bucket(self.path.with_name(name))
            try:
                found = json.loads(left.read(""))
                store, group = str(found["store"]), str(found["place"])
            except (ValueError, KeyError, TypeError, FileNotFoundError):
                continue
            mark = self.mark(group)
            if store == self.path.name and ((holder := mark.holder()) is None or is_dead(mark, holder)):
                yield left, group

    def mark(self, group: str) -> Mark:
        """Return the object that says who writes; see `Place`."""
        from xfeldask.store.storage.bucket_mark import ObjectMark  # speaks of `Bucket`

        return ObjectMark(self.path.with_name(mark_name(self.path.name, group)))

    def marks(self, group: str) -> dict[str, Mark]:
        """Return the objects that say who writes groups in a group; see `Place`."""
        from xfeldask.store.storage.bucket_mark import ObjectMark  # speaks of `Bucket`

        before, after = mark_name(self.path.name, group, ""), ".lock"
        names = sorted(key.rsplit("/", 1)[-1] for key in Bucket(self.path.parent).children())
        found = [name for name in names if name.startswith(before) and name.endswith(after)]
        return {name.removeprefix(before).removesuffix(after): ObjectMark(self.path.with_name(name)) for name in found}

    @property
    def store(self) -> ObjectStore:
        """The bucket."""
        with told(self.path):
            return bucket(self.path.scheme, self.path.bucket)

    def _key(self, key: str) -> str:
        return (self.path / key).key
