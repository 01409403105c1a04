"""Where a store lies, a folder or a prefix of a bucket, and the few things that are done there.

Modules speak of a store by its path, which is a `pathlib.Path` or a `URL` and touches nothing, and do what they have to
do in it through its `Place`.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from glob import escape
from pathlib import Path
from typing import Literal, overload

import zarr

from xfeldask.errors import InputError
from xfeldask.machine import exists
from xfeldask.store.storage.leftovers import leftovers, real_path, remove, sweep_beside
from xfeldask.store.storage.marks import FileMark, Mark, mark_name
from xfeldask.store.storage.urls import ICECHUNK, SCHEMES, URL, WEB, ObjectURL, StorePath

Mode = Literal["r", "r+"]


class Place(ABC):
    """Where a store, or a group in one, lies. Keys are names of files in it, with slashes."""

    path: StorePath

    @abstractmethod
    def exists(self) -> bool:
        """Return whether there is anything that is no leftover."""

    @abstractmethod
    def read(self, key: str) -> bytes:
        """Return what is in a file.

        Raises
        ------
        OSError
            It is not there, or cannot be read.
        """

    @abstractmethod
    def read_all(self, keys: Iterable[str]) -> dict[str, bytes]:
        """Return what is in files, of those that are there, by their keys."""

    @abstractmethod
    def write(self, files: Mapping[str, Sequence[bytes]]) -> None:
        """Write files, given in parts, each of which is whole or not there, or as it was before."""

    @abstractmethod
    def holds(self, key: str) -> bool:
        """Return whether there is a file, a group or an array of that name."""

    @abstractmethod
    def size(self, key: str) -> int | None:
        """Return bytes of a file; None where it is not there."""

    @abstractmethod
    def sizes(self) -> dict[str, int]:
        """Return bytes of all files by their keys."""

    @abstractmethod
    def nodes(self) -> list[str]:
        """Return paths of the groups and arrays here."""

    @abstractmethod
    def stamp(self, key: str) -> object:
        """Return what is another thing after a file, or one of the files in a group, was written."""

    @abstractmethod
    def remove(self, key: str = "") -> None:
        """Remove a group, or all that is here."""

    @abstractmethod
    def open(self, mode: Mode) -> zarr.Group:
        """Open the group that lies here; errors are those of zarr."""

    @abstractmethod
    def leftovers(self) -> list[str]:
        """Return names of what killed runs left beside the store; what a running process writes now is none of it."""

    @abstractmethod
    def sweep_beside(self) -> None:
        """Remove what killed runs left beside the store; put back what they had moved away and not replaced."""

    @abstractmethod
    def sweep_within(self) -> None:
        """Remove files that killed writers left in the store."""

    @abstractmethod
    def mark(self, group: str) -> Mark:
        """Return what says who writes the store, or a group in it."""

    @abstractmethod
    def marks(self, group: str) -> dict[str, Mark]:
        """Return those of `mark` that are there of groups in a group, by the name of the group."""


class Replaceable(Place):
    """A place where nothing can be renamed."""

    @abstractmethod
    def replace_by(self, folder: Path, group: str = "") -> None:
        """Write a group that lies in a folder into its place here, in that of one that is there.

        Parameters
        ----------
        folder : Path
        group : str, its path in the store, which this is the place of
        """


@dataclass(frozen=True)
class Folder(Place):
    """A place in a file system."""

    path: Path

    def exists(self) -> bool:
        """Return whether there is anything; see `Place`."""
        return exists(self.path)

    def read(self, key: str) -> bytes:
        """Return what is in a file; see `Place`."""
        return (self.path / key).read_bytes()

    def read_all(self, keys: Iterable[str]) -> dict[str, bytes]:
        """Return what is in files; see `Place`."""
        found = {}
        for key in keys:
            try:
                found[key] = self.read(key)
            except OSError:
                continue
        return found

    def write(self, files: Mapping[str, Sequence[bytes]]) -> None:
        """Write files beside their places and move them there; see `Place`."""
        for key, parts in files.items():
            path = self.path / key
            path.parent.mkdir(parents=True, exist_ok=True)
            partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
            try:
                with partial.open("wb") as file:
                    file.writelines(parts)
                partial.replace(path)
            except BaseException:
                partial.unlink(missing_ok=True)
                raise

    def holds(self, key: str) -> bool:
        """Return whether there is a file or a folder; see `Place`."""
        return (self.path / key).exists()

    def size(self, key: str) -> int | None:
        """Return bytes of a file; see `Place`."""
        try:
            return (self.path / key).stat().st_size
        except (FileNotFoundError, NotADirectoryError):
            return None

    def sizes(self) -> dict[str, int]:
        """Return bytes of all files; see `Place`."""
        return {
            file.relative_to(self.path).as_posix(): file.stat().st_size
            for file in self.path.rglob("*")
            if file.is_file()
        }

    def nodes(self) -> list[str]:
        """Return paths of groups and arrays; see `Place`."""
        found = (file.parent for file in self.path.rglob("zarr.json") if file.parent != self.path)
        return sorted(folder.relative_to(self.path).as_posix() for folder in found)

    def stamp(self, key: str) -> object:
        """Return when a file or a folder was written last; see `Place`."""
        try:
            return (self.path / key).stat().st_mtime_ns
        except OSError:
            return 0

    def remove(self, key: str = "") -> None:
        """Remove a folder; see `Place`."""
        remove(self.path / key)

    def open(self, mode: Mode) -> zarr.Group:
        """Open the group; see `Place`."""
        return zarr.open_group(self.path, mode=mode, use_consolidated=False)

    def leftovers(self) -> list[str]:
        """Return names of what was left; see `Place`."""
        return [left.path.name for left in leftovers(self.path)]

    def sweep_beside(self) -> None:
        """Remove what was left, or put it back; see `Place`."""
        sweep_beside(self.path)

    def sweep_within(self) -> None:
        """Remove files that were never renamed into place; see `Place`."""
        for orphan in self.path.rglob("*.partial"):
            orphan.unlink(missing_ok=True)

    def mark(self, group: str) -> Mark:
        """Return the file that says who writes; see `Place`."""
        return FileMark.of(self.path, group)

    def marks(self, group: str) -> dict[str, Mark]:
        """Return the files that say who writes groups in a group; see `Place`."""
        path = real_path(self.path)
        before, after = mark_name(path.name, group, ""), ".lock"
        files = sorted(path.parent.glob(f"{escape(before)}*{after}"))
        return {file.name.removeprefix(before).removesuffix(after): FileMark(file) for file in files}


@overload
def place_of(path: URL) -> Replaceable: ...
@overload
def place_of(path: StorePath) -> Place: ...
def place_of(path: StorePath) -> Place:
    """Return the place of a path.

    Raises
    ------
    InputError
        It is not in a folder, and what its kind of place needs is not installed.

    Examples
    --------
    >>> place_of(Path("gone.zarr")).exists()
    False
    """
    if isinstance(path, Path):
        return Folder(path)
    if isinstance(path, ObjectURL):
        from xfeldask.store.storage.zarr_object import ZarrObject  # speaks of `Place`

        return ZarrObject(path)
    if path.scheme.startswith(ICECHUNK):
        try:
            from xfeldask.store.storage.icechunk_place import IcechunkPlace  # needs an extra
        except ModuleNotFoundError as error:
            if error.name != "icechunk":
                raise
            raise InputError(f"{path}: repositories need Icechunk: pip install 'xfeldask[icechunk]'") from None
        return IcechunkPlace(path)
    if path.scheme not in (*SCHEMES, *WEB):
        from xfeldask.store.storage.filesystem import FileSystem  # speaks of `Place`

        return FileSystem(path)
    try:
        from xfeldask.store.storage.bucket import Bucket  # needs an extra
    except ModuleNotFoundError as error:
        if error.name != "obstore":
            raise
        what = "web servers" if path.scheme in WEB else "buckets"
        raise InputError(f"{path}: {what} need obstore: pip install 'xfeldask[bucket]'") from None
    if path.scheme in WEB:
        from xfeldask.store.storage.web import Web  # speaks of `Bucket`

        return Web(path)
    return Bucket(path)


def store_around(path: Path) -> Path | None:
    """Return the Zarr group or array that a path is, or lies in, itself or by links; None where there is none.

    Examples
    --------
    >>> import tempfile
    >>> store = Path(tempfile.mkdtemp()).resolve() / "run.zarr"
    >>> _ = zarr.create_group(store)
    >>> store_around(store / "notes.txt") == store, store_around(store.with_name("notes.txt"))
    (True, None)
    """
    path = path.resolve()
    return next((place for place in (path, *path.parents) if (place / "zarr.json").is_file()), None)


def is_in(path: str | Path, place: str | Path) -> bool:
    """Return whether a path is a place or lies in it, itself or by links.

    Examples
    --------
    >>> is_in("run.zarr/photons", "./run.zarr"), is_in("run.zarr", "run.zarr"), is_in("run.zarr.old", "run.zarr")
    (True, True, False)
    """
    return Path(path).resolve().is_relative_to(Path(place).resolve())
