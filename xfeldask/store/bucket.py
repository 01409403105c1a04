"""Stores in buckets: S3, Google Cloud Storage, and memory, through obstore.

An object is written by one PUT, whole or not at all, and there is no rename. What must not be made twice is made by a
conditional PUT (``If-None-Match: *``), and taken over by another (``If-Match``).
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import obstore
import zarr
from obstore.exceptions import (
    AlreadyExistsError,
    BaseError,
    PermissionDeniedError,
    PreconditionError,
    UnauthenticatedError,
)
from obstore.store import GCSStore, MemoryStore, ObjectStore, S3Store

from xfeldask.errors import StoreBusyError, UnreachableError
from xfeldask.store.marks import Holder, Mark, is_dead, mark_name
from xfeldask.store.places import Mode, Place
from xfeldask.store.urls import URL

RETRIES, RETRYING = 4, timedelta(seconds=20)
"""How often, and how long, a request is made again that a server did not answer, or answered by a fault of its own."""
CLIENT: dict[str, Any] = {"connect_timeout": "5s", "timeout": "60s"}
AT_ONCE = 16
"""Requests of one call that are under way at a time."""
ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")
_LOGIN = {
    "s3": "set AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_REGION, or AWS_SKIP_SIGNATURE=true for a public one",
    "gs": "set GOOGLE_SERVICE_ACCOUNT to the file of an account's key, or GOOGLE_SKIP_SIGNATURE=true for a public one",
}
_NO_LOGIN = ("169.254.169.254", "metadata.google.internal", "application_default_credentials")
"""Where clients ask for credentials that nobody gave them."""
T = TypeVar("T")
A = TypeVar("A")


@dataclass(frozen=True)
class Bucket(Place):
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
        from xfeldask.store.bucket_zarr import BucketStore  # speaks of `Bucket`

        found = BucketStore(self, read_only=mode == "r")
        return zarr.open_group(found, mode=mode, zarr_format=3, use_consolidated=False)

    def replace_by(self, folder: Path, place: str = "") -> None:
        """Write a group that lies in a folder into its place here, in that of one that is there.

        What makes it a group is removed first, and written last: there is the old one, or none, or the new one.

        Parameters
        ----------
        folder : Path
        place : str, of the group in the store, which this is the place of

        Raises
        ------
        StoreBusyError
            Somebody else made it meanwhile.
        """
        target, left = Bucket(self.path / place), self._left(place)
        left.put("", json.dumps({"store": self.path.name, "place": place}).encode())
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
        for left, place in self._broken_off():
            target = Bucket(self.path / place)
            if target.size("zarr.json") is None:
                target.remove()
            left.delete("")

    def sweep_within(self) -> None:
        """Remove nothing: an object is whole or not there; see `Place`."""

    def _left(self, place: str) -> Bucket:
        """Return what lies beside the store for as long as a group is uploaded."""
        return Bucket(self.path.with_name(mark_name(self.path.name, place, "new")))

    def _broken_off(self) -> Iterator[tuple[Bucket, str]]:
        """Return what lies beside the store, and of what group it tells, where nobody uploads that any more."""
        beside = f".{self.path.name}."
        for key in Bucket(self.path.parent).children():
            name = key.rsplit("/", 1)[-1]
            if not (name.startswith(beside) and name.endswith(".new")):
                continue
            left = Bucket(self.path.with_name(name))
            try:
                found = json.loads(left.read(""))
                store, place = str(found["store"]), str(found["place"])
            except (ValueError, KeyError, TypeError, FileNotFoundError):
                continue
            mark = self.mark(place)
            if store == self.path.name and ((holder := mark.holder()) is None or is_dead(mark, holder)):
                yield left, place

    def mark(self, place: str) -> Mark:
        """Return the object that says who writes; see `Place`."""
        return ObjectMark(self.path.with_name(mark_name(self.path.name, place)))

    @property
    def store(self) -> ObjectStore:
        """The bucket."""
        return bucket(self.path.scheme, self.path.bucket)

    def _key(self, key: str) -> str:
        return (self.path / key).key


@contextmanager
def uploaded(store: URL, place: str = "") -> Iterator[Path]:
    """Give a folder to write a store to, or a group in one, and put it into its place when the context ends.

    Nothing in the bucket changes before that. Parameters and errors are those of `Bucket.replace_by`.
    """
    with TemporaryDirectory(prefix="xfeldask-") as folder:
        fresh = Path(folder) / store.name
        yield fresh
        Bucket(store).replace_by(fresh, place)


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


@cache
def bucket(scheme: str, name: str) -> ObjectStore:
    """Return a bucket, connected once a process; credentials are those of the environment."""
    if scheme == "memory":
        return MemoryStore()
    retrying: Any = {"max_retries": RETRIES, "retry_timeout": RETRYING}
    options: Any = dict(CLIENT)
    if scheme == "gs":
        return GCSStore(name, client_options=options, retry_config=retrying)
    # who names a server without encryption means it
    plain = any(os.environ.get(key, "").startswith("http://") for key in ENDPOINTS)
    options |= {"allow_http": True} if plain else {}
    return S3Store(name, client_options=options, retry_config=retrying)


@contextmanager
def told(url: URL) -> Iterator[None]:
    """Say in a sentence why a bucket cannot be used.

    Raises
    ------
    UnreachableError
        It is not there, does not answer, or does not let one in.
    """
    try:
        yield
    except (AlreadyExistsError, PreconditionError):
        raise
    except (FileNotFoundError, BaseError) as error:
        if isinstance(error, FileNotFoundError) and "NoSuchBucket" not in str(error):
            raise
        raise UnreachableError(_sentence(url, error)) from None


def _sentence(url: URL, error: Exception) -> str:
    """Say why a bucket cannot be used."""
    name, text, login = f"{url.scheme}://{url.bucket}", str(error), _LOGIN.get(url.scheme, "")
    if "NoSuchBucket" in text:
        return f"there is no bucket {name}; make it, or mend the name"
    if any(asked in text for asked in _NO_LOGIN):
        return f"there are no credentials for {name}; {login}"
    if isinstance(error, PermissionDeniedError | UnauthenticatedError) or "403 Forbidden" in text:
        code = text.partition("<Code>")[2].partition("</Code>")[0]
        return f"{name} does not let you in{f' ({code})' if code else ''}; {login}"
    where = next((f" at {os.environ[key]}" for key in ENDPOINTS if url.scheme == "s3" and key in os.environ), "")
    reason = text.split("\n")[0]
    return f"the server of {name}{where} does not answer ({reason}); try again when it does, what was written is kept"


def side_by_side(function: Callable[[A], T], items: Iterable[A]) -> list[T]:
    """Call a function for each of some items, many at a time, and wait for all; raise the first error."""
    waiting = [_threads().submit(function, item) for item in items]
    try:
        return [one.result() for one in waiting]
    finally:
        for one in waiting:
            one.cancel()


@cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(AT_ONCE, "buckets")


def _begin_anew() -> None:
    """Use no connection or thread of the process that this one was forked from."""
    _threads.cache_clear()
    bucket.cache_clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_anew)
