"""Stores on web servers: read, never written, by plain requests for files and parts of files.

A run tells in its manifest what groups and arrays it has, and so does each group that is published into it. Names of
what was published are those that the server's page of a folder links to.
"""

from __future__ import annotations

import asyncio
import html
import json
import re
import warnings
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import unquote, urljoin, urlsplit

import zarr

from xfeldask.errors import UnreachableError, XfeldaskWarning
from xfeldask.store.storage.bucket import Bucket
from xfeldask.store.storage.bucket_zarr import BucketStore
from xfeldask.store.storage.connection import side_by_side
from xfeldask.store.storage.manifest import FILE, KEY
from xfeldask.store.storage.marks import Mark, NoMark
from xfeldask.store.storage.places import Mode

_LINK = re.compile(rb"""href\s*=\s*["']?([^"'\s>]+)""", re.IGNORECASE)


@dataclass(frozen=True)
class Web(Bucket):
    """A place on a web server.

    Attributes
    ----------
    path : URL
    """

    def exists(self) -> bool:
        """Return whether there is a store; see `Place`."""
        return self.size(FILE) is not None

    def children(self) -> list[str]:
        """Return paths of what the page of the folder links to in it, folders with a slash at their end.

        Warns
        -----
        XfeldaskWarning
            There is no such page, though there is a group.
        """
        try:
            links = links_in(self.read(""), f"/{self.path.key}/")
        except (FileNotFoundError, UnreachableError):
            links = []
        if not links and self.size(FILE) is not None:
            _tell_unlisted(str(self.path))
        return [f"{self.path.key}/{name}" for name in links]

    def listed(self, key: str = "") -> list[Any]:
        """Return what is told of all files here, or in a group."""
        folders, files = [self._key(key)], list[str]()
        while folders:
            pages = side_by_side(lambda folder: Web(self.path.at(folder)).children(), folders)
            found = [name for page in pages for name in page]
            files += [name for name in found if not name.endswith("/")]
            folders = [name[:-1] for name in found if name.endswith("/")]
        root = Web(self.path.at(""))
        heads = side_by_side(root.head, files)
        return [head | {"path": name} for name, head in zip(files, heads, strict=True) if head is not None]

    def stamp(self, key: str) -> object:
        """Return the tag of a file, or of the metadata of a group and the groups in it; see `Place`."""
        if key.endswith(".json"):
            found = self.head(key)
            return found and (found["e_tag"] or found["last_modified"])
        group = Web(self.path / key)
        inner = [name.strip("/").rpartition("/")[2] for name in group.children() if name.endswith("/")]
        return tuple(side_by_side(group.stamp, [FILE, *(f"{name}/{FILE}" for name in inner)]))

    def open(self, mode: Mode) -> zarr.Group:
        """Open the group; see `Place`."""
        if mode != "r":
            self.path.refuse_read_only()
        return zarr.open_group(WebStore(self), mode=mode, zarr_format=3, use_consolidated=False)

    def leftovers(self) -> list[str]:
        """Return nothing: nobody writes here; see `Place`."""
        return []

    def sweep_beside(self) -> None:
        """Remove nothing; see `Place`."""

    def mark(self, group: str) -> Mark:
        """Return what lets nobody write; see `Place`."""
        return NoMark(self.path / group)

    def marks(self, group: str) -> dict[str, Mark]:  # noqa: ARG002
        """Return none; see `Place`."""
        return {}


class WebStore(BucketStore):
    """A Zarr store of what lies at a place on a web server."""

    async def _names(self, prefix: str) -> AsyncIterator[str]:
        """Yield names of what is in a group: by its manifest, else by what the page of it links to."""
        group = Web(self._place.path / prefix)
        try:
            nodes = json.loads(await self._bytes(prefix) or b"")["attributes"][KEY]["nodes"]
            found = {name.partition("/")[0] for name in nodes} - {""}
        except (ValueError, KeyError, TypeError):
            links = await asyncio.to_thread(group.children)
            found = {name.strip("/").rpartition("/")[2] for name in links}
        for name in sorted(found):
            yield name


def links_in(page: bytes, folder: str) -> list[str]:
    """Return what a page of a folder links to in it, folders with a slash at their end.

    Parameters
    ----------
    page : bytes, HTML
    folder : str, path of the folder, with slashes at its ends

    Examples
    --------
    >>> page = b'<a href="../">up</a> <a href="?C=N">name</a> <a href="ipca/">ipca</a> <a href="/run/my%20notes">n</a>'
    >>> links_in(page, "/run/")
    ['ipca/', 'my notes']
    """
    found = [
        urlsplit(urljoin(folder, html.unescape(link.decode("utf-8", "replace")))).path for link in _LINK.findall(page)
    ]
    inner = [unquote(path).removeprefix(folder) for path in found if unquote(path).startswith(folder)]
    return [name for name in dict.fromkeys(inner) if name and "/" not in name[:-1]]


@cache
def _tell_unlisted(group: str) -> None:
    """Say once a process what cannot be found."""
    warnings.warn(
        f"the server has no page of what is in {group}; what was published there, such as embeddings, is not found",
        XfeldaskWarning, stacklevel=2,
    )  # fmt: skip
