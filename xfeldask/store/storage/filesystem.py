"""Stores in file systems that fsspec knows, such as ``sftp://``, ``github://`` or ``hf://``: read, never written.

Few of them write a file whole or not at all, or one that another has not made meanwhile, and none tells whether it
does.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cache

import fsspec
import zarr
from fsspec.implementations.asyn_wrapper import AsyncFileSystemWrapper
from zarr.abc.store import Store
from zarr.storage import FsspecStore

from xfeldask.errors import InputError, UnreachableError, first_line
from xfeldask.store.storage.places import Mode
from xfeldask.store.storage.urls import URL
from xfeldask.store.storage.zarr_object import ZarrObject


@dataclass(frozen=True)
class FileSystem(ZarrObject):
    """A place in a file system of fsspec.

    Attributes
    ----------
    path : URL
    """

    def exists(self) -> bool:
        """Return whether there is a store; see `Place`."""
        return self.size("zarr.json") is not None

    def open(self, mode: Mode) -> zarr.Group:
        """Open the group; see `Place`."""
        if mode != "r":
            self.path.refuse_read_only()
        return super().open(mode)

    @property
    def _store(self) -> Store:
        return _opened(self.path.at(""))


@cache
def _opened(url: URL) -> FsspecStore:
    """Return a file system, opened once a process; what it needs is that of fsspec's own settings.

    Raises
    ------
    InputError
        It needs a package that is not installed, or something that nobody has set.
    UnreachableError
    """
    try:
        kind = fsspec.get_filesystem_class(url.scheme)
        # not every file system knows words that zarr would give it
        how = {"asynchronous": True} if kind.async_impl else {}
        found, root = fsspec.url_to_fs(str(url), skip_instance_cache=True, **how)
        found.dircache.use_listings_cache = False  # what was listed before would hide what is published later
        several = found if found.async_impl else AsyncFileSystemWrapper(found, asynchronous=True)
        return FsspecStore(several, read_only=True, path=root.rstrip("/") or "/")
    except (ImportError, ValueError, TypeError) as error:
        raise InputError(f"{url} cannot be opened by fsspec: {first_line(error)}") from None
    except Exception as error:  # of whatever client speaks with the server
        told = f"{url} does not answer ({type(error).__name__}: {first_line(error)}); try again when it does"
        raise UnreachableError(told) from None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_opened.cache_clear)
