"""Paths of stores: of files, in a bucket, or on a server. Nothing here asks a disk or a server."""

from __future__ import annotations

import os
import re
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit
from uuid import uuid4
from weakref import WeakValueDictionary

from xfeldask.errors import InputError

if TYPE_CHECKING:
    from zarr.abc.store import Store

SCHEMES = ("s3", "gs", "az", "memory")
"""Kinds of buckets; ``file://`` is a folder."""
ALIASES = {"gcs": "gs", "abfs": "az"}
"""Other names of kinds of buckets."""
WEB = ("https", "http")
"""Web servers, where stores are read."""
ICECHUNK = "icechunk+"
"""What comes before the scheme of where a repository of Icechunk lies."""
REPOSITORIES = ("s3", "gs", "az", "file")
"""Where repositories of Icechunk lie."""
OBJECT = "zarr"
"""Scheme of names of zarr stores that were given as objects, which only this process knows."""
_URL = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]+):/{1,2}(?P<rest>.*)")


@dataclass(frozen=True, order=True)
class URL:
    """Name of something in a bucket, as a `pathlib.PurePath` is the name of a file; nothing is asked of the bucket.

    Attributes
    ----------
    scheme : one of `SCHEMES` or `WEB`, one of `REPOSITORIES` after `ICECHUNK`, or one that fsspec knows
    bucket : str, or the host of a web server, or a repository with a branch after an @
    key : str, without slashes at its ends

    Examples
    --------
    >>> url = URL("s3", "beamtime", "p2345/run.zarr")
    >>> str(url / "latent"), url.stem, str(url.with_name(".run.zarr.lock"))
    ('s3://beamtime/p2345/run.zarr/latent', 'run', 's3://beamtime/p2345/.run.zarr.lock')
    """

    scheme: str
    bucket: str
    key: str

    def __str__(self) -> str:
        return f"{self.scheme}://{self.bucket}/{self.key}"

    def __truediv__(self, part: str) -> Self:
        return replace(self, key=f"{self.key}/{part}".strip("/"))

    @property
    def name(self) -> str:
        """Last part of the key."""
        return self.key.rsplit("/", 1)[-1]

    @property
    def stem(self) -> str:
        """Last part of the key without its ending."""
        return PurePath(self.name).stem

    @property
    def parent(self) -> Self:
        """What the last part lies in."""
        return replace(self, key=self.key.rpartition("/")[0])

    def at(self, key: str) -> Self:
        """Return what is under another key of the same bucket."""
        return replace(self, key=key)

    def with_name(self, name: str) -> Self:
        """Return what lies beside this by another name."""
        return self.parent / name

    def absolute(self) -> Self:
        """Return the URL itself, which is the same for everybody."""
        return self

    def refuse_read_only(self) -> None:
        """Refuse to write where stores are only read.

        Raises
        ------
        InputError
        """
        if self.scheme not in SCHEMES and not self.scheme.startswith(ICECHUNK):
            raise InputError(
                f"{self} cannot be written: stores at {self.scheme}:// are only read; write to a folder or a bucket, "
                "and copy the store there"
            )


@dataclass(frozen=True, order=True)
class ObjectURL(URL):
    """Name of something in a zarr store that was given as an object, and the store; made by `of`.

    Attributes
    ----------
    store : zarr.abc.store.Store
    """

    store: Any = field(compare=False, repr=False)

    def __post_init__(self) -> None:
        _objects[self.bucket] = self.store

    @classmethod
    def of(cls, store: Any) -> Self:
        """Return the name of a zarr store in this process, always the same one."""
        if not (store.read_only or store.supports_deletes):
            raise InputError(f"a {type(store).__name__} cannot be written in place; give one that is open to be read")
        known = (name for name, one in _objects.items() if one is store)
        return cls(OBJECT, next(known, f"{type(store).__name__}-{uuid4().hex[:8]}"), "", store)

    def refuse_read_only(self) -> None:
        """Refuse to write to a store that was opened to be read.

        Raises
        ------
        InputError
        """
        if self.store.read_only:
            raise InputError(f"{self} may not be written; give the store of a session that may")


_objects: WeakValueDictionary[str, Any] = WeakValueDictionary()
"""Zarr stores that were given as objects, by their names in this process."""

StorePath = Path | URL
"""Path of a store."""


def store_path(given: str | Path | URL | Store) -> StorePath:
    """Return the path that is meant by what a person gives: a path, a URL, or a zarr store.

    Raises
    ------
    InputError
        A URL of another kind, or of a bucket without anything in it; what is neither a path nor a URL.

    Examples
    --------
    >>> store_path("s3://beamtime/run.zarr")
    URL(scheme='s3', bucket='beamtime', key='run.zarr')
    >>> store_path("file:///data/run.zarr") == store_path("/data/run.zarr")
    True
    >>> store_path("odd://here/run.zarr")
    Traceback (most recent call last):
    ...
    xfeldask.errors.InputError: odd://here/run.zarr: a store is a path, or a URL of s3://, gs://, az://, memory://, ...
    >>> store_path("icechunk+file:///data/repository@main/run42")
    URL(scheme='icechunk+file', bucket='/data/repository@main', key='run42')
    """
    if isinstance(given, URL):
        return given
    zarr_stores = sys.modules.get("zarr.abc.store")  # who has one has imported it
    if zarr_stores is not None and isinstance(given, zarr_stores.Store):
        return ObjectURL.of(given)
    if not isinstance(given, str | os.PathLike):
        what = type(given).__name__
        advice = "; give what it was opened from" if what == "Dataset" else ""
        raise InputError(f"a store is given by its path, its URL or as a zarr store, got {what}{advice}")
    # a `Path` of a URL has lost one of its slashes
    found = _URL.fullmatch(os.fspath(given))
    if found is None or not (isinstance(given, Path) or "://" in given):
        return Path(given)
    scheme, rest = found["scheme"].lower(), found["rest"]
    scheme = ALIASES.get(scheme, scheme)
    if scheme == "file":
        from urllib.request import url2pathname  # imports all that asks servers

        return Path(url2pathname(urlsplit(f"file://{rest if rest.startswith('/') else '/' + rest}").path))
    if scheme == OBJECT:
        name, _, key = rest.strip("/").partition("/")
        if name not in _objects:
            raise InputError(f"{given}: that zarr store is of another process, or was closed; give the store itself")
        return ObjectURL(OBJECT, name, key, _objects[name])
    if scheme.startswith(ICECHUNK):
        return _in_repository(str(given), scheme, rest)
    if scheme not in (*SCHEMES, *WEB) and not _is_of_fsspec(scheme):
        if isinstance(given, Path):
            return given
        known = ", ".join(f"{name}://" for name in (*SCHEMES, "https", "file"))
        raise InputError(
            f"{given}: a store is a path, or a URL of {known}, {ICECHUNK}s3:// and the like, or what fsspec reads"
        )
    bucket, *parts = [part for part in rest.split("/") if part] if rest.strip("/") else [""]
    if rest.startswith("/") and scheme not in (*SCHEMES, *WEB):
        bucket = f"/{bucket}"
    if not parts:
        kind, what = ("on a server", "HOST") if scheme in WEB else ("in a bucket", "BUCKET")
        raise InputError(f"{scheme}://{rest} names no store {kind}; write {scheme}://{what}/NAME.zarr")
    return URL(scheme, bucket, "/".join(parts))


def _in_repository(given: str, scheme: str, rest: str) -> URL:
    """Return the name of a store in a repository of Icechunk: ``icechunk+s3://bucket/prefix@branch/key``."""
    inner = scheme.removeprefix(ICECHUNK)
    inner = ALIASES.get(inner, inner)
    place, _, ref = rest.rpartition("@") if "@" in rest else (rest, "", "main")
    ref, _, key = ref.partition("/")
    place = place.strip("/")
    if inner not in REPOSITORIES or not place or not ref:
        kinds = ", ".join(f"{ICECHUNK}{name}" for name in REPOSITORIES)
        raise InputError(
            f"{given} names no repository of Icechunk; write {ICECHUNK}s3://BUCKET/PREFIX@BRANCH, of {kinds}"
        )
    return URL(f"{ICECHUNK}{inner}", f"{'/' if inner == 'file' else ''}{place}@{ref}", key.strip("/"))


def _is_of_fsspec(scheme: str) -> bool:
    """Return whether there is a file system of that name, its package installed or not."""
    from fsspec.registry import known_implementations, registry

    return scheme in known_implementations or scheme in registry


def from_here(path: StorePath) -> StorePath:
    """Return a path as a person would write it: from the working folder on, where it lies in it.

    Examples
    --------
    >>> str(from_here(Path("run.zarr").absolute())), str(from_here(Path("/data/run.zarr")))
    ('run.zarr', '/data/run.zarr')
    """
    here = Path.cwd()
    return path.relative_to(here) if isinstance(path, Path) and path.is_relative_to(here) else path


def local(path: StorePath, what: str) -> Path:
    """Return a path of a file system.

    Parameters
    ----------
    path : Path or URL
    what : str, that is to be written there

    Raises
    ------
    InputError
        It is in a bucket.

    Examples
    --------
    >>> local(store_path("s3://beamtime/run.zarr"), "a report")
    Traceback (most recent call last):
    ...
    xfeldask.errors.InputError: a report is written into a folder, not into s3://beamtime/run.zarr; give the path of one
    """
    if isinstance(path, URL):
        raise InputError(f"{what} is written into a folder, not into {path}; give the path of one")
    return path
