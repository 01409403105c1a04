"""A bucket as zarr reads it: metadata of a store at once, and every failure in a sentence."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterable
from typing import Any, Self

import obstore
from zarr.abc.store import ByteRequest
from zarr.core.buffer import Buffer, BufferPrototype
from zarr.storage import ObjectStore

from xfeldask.schema import PUBLISHED
from xfeldask.store.storage.bucket import Bucket
from xfeldask.store.storage.connection import told
from xfeldask.store.storage.manifest import FILE, KEY


class BucketStore(ObjectStore[Any]):
    """A Zarr store of what lies at a place in a bucket.

    The manifest lists every group and array of a run and does not change while the run is there, so that their metadata
    are fetched in one request, and keys that it does not list are never looked up. Groups that are published one by one
    are read anew whenever they are asked for.

    Parameters
    ----------
    place : Bucket
    read_only : bool
    """

    def __init__(self, place: Bucket, *, read_only: bool = True) -> None:
        super().__init__(place.store, read_only=read_only)
        self._place, self._base = place, f"{place.path.key}/"
        self._known: dict[str, bytes | None] = {}
        self._listed: dict[str, bytes] = {}
        self._nodes: frozenset[str] | None = None
        self._reading = asyncio.Lock()

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self)._reopened, (self._place, self.read_only)

    @classmethod
    def _reopened(cls, place: Bucket, read_only: bool) -> Self:
        return cls(place, read_only=read_only)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, BucketStore) and self._place == other._place and self.read_only == other.read_only

    def __str__(self) -> str:
        return str(self._place.path)

    def with_read_only(self, read_only: bool = False) -> Self:
        """Return the store, to be read or written."""
        return type(self)(self._place, read_only=read_only)

    async def get(self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None) -> Buffer | None:
        """Return bytes of an object, or None where there is none."""
        node = _node(key)
        if key.endswith(FILE) and (data := self._listed.pop(key.removesuffix(FILE).rstrip("/"), None)) is not None:
            return prototype.buffer.from_bytes(data)
        if node is None or byte_range is not None:
            with told(self._place.path):
                return await super().get(self._base + key, prototype, byte_range)
        async with self._reading:
            await self._read_metadata(node)
            data = self._known.get(node)
        return None if data is None else prototype.buffer.from_bytes(data)

    async def get_partial_values(
        self, prototype: BufferPrototype, key_ranges: Iterable[tuple[str, ByteRequest | None]]
    ) -> list[Buffer | None]:
        """Return parts of objects."""
        with told(self._place.path):
            return await super().get_partial_values(prototype, [(self._base + key, part) for key, part in key_ranges])

    async def set(self, key: str, value: Buffer) -> None:
        """Write an object."""
        with told(self._place.path):
            await super().set(self._base + key, value)
        self._learn(key, value.to_bytes())

    async def set_if_not_exists(self, key: str, value: Buffer) -> None:
        """Write an object, if there is none."""
        if not await self.exists(key):
            await self.set(key, value)

    async def exists(self, key: str) -> bool:
        """Return whether there is an object."""
        with told(self._place.path):
            return await super().exists(self._base + key)

    async def delete(self, key: str) -> None:
        """Delete an object."""
        with told(self._place.path):
            await super().delete(self._base + key)
        self._learn(key, None)

    async def list_prefix(self, prefix: str) -> AsyncIterator[str]:  # type: ignore[override]
        """Return all keys in a group."""
        with told(self._place.path):
            async for key in super().list_prefix(self._base + prefix):
                yield key.removeprefix(self._base)

    async def list(self) -> AsyncIterator[str]:  # type: ignore[override]
        """Return all keys."""
        async for key in self.list_prefix(""):
            yield key

    async def list_dir(self, prefix: str) -> AsyncIterator[str]:  # type: ignore[override]
        """Return names of groups and arrays in a group; one that is being uploaded is none yet."""
        async with self._reading:
            if not prefix:
                await self._read_metadata("")
            known = None if prefix or self._nodes is None else {name.partition("/")[0] for name in self._nodes} - {""}
        listed = [name async for name in self._names(prefix)] if known is None else list(PUBLISHED)
        nodes = [f"{prefix}/{name}".strip("/") for name in listed if name != FILE]
        found = await asyncio.gather(*(self._bytes(node) for node in nodes))
        # whoever asks for names asks for metadata next
        self._listed.update({node: data for node, data in zip(nodes, found, strict=True) if data is not None})
        for node in [*sorted(known or ()), *(node for node in nodes if node in self._listed)]:
            yield node.rsplit("/", 1)[-1]

    async def delete_dir(self, prefix: str) -> None:
        """Delete all objects in a group."""
        async for key in self.list_prefix(f"{prefix}/" if prefix else ""):
            await self.delete(key)

    async def getsize(self, key: str) -> int:
        """Return bytes of an object."""
        with told(self._place.path):
            return await super().getsize(self._base + key)

    async def getsize_prefix(self, prefix: str) -> int:
        """Return bytes of all objects in a group."""
        with told(self._place.path):
            return await super().getsize_prefix(self._base + prefix)

    async def _names(self, prefix: str) -> AsyncIterator[str]:
        """Yield names of what is in a group."""
        with told(self._place.path):
            async for name in super().list_dir(self._base + prefix):
                yield name

    def _learn(self, key: str, data: bytes | None) -> None:
        node = _node(key)
        if node is not None:
            self._known[node] = data

    async def _read_metadata(self, node: str) -> None:
        """Read the metadata of a node, and of all others of the run with the first that is not the root."""
        if "" not in self._known:
            self._known[""] = await self._bytes("")
            self._nodes = _nodes(self._known[""])
        if node in self._known:
            return
        if self._nodes is None:
            self._known[node] = await self._bytes(node)
            return
        missing = [name for name in self._nodes if name not in self._known]
        found = await asyncio.gather(*(self._bytes(name) for name in missing))
        self._known.update(zip(missing, found, strict=True))

    async def _bytes(self, node: str) -> bytes | None:
        key = (self._place.path / node / FILE).key
        try:
            with told(self._place.path):
                response = await obstore.get_async(self.store, key)
                return bytes(await response.bytes_async())
        except FileNotFoundError:
            return None


def _node(key: str) -> str | None:
    """Return the array or group of a run whose metadata are in an object; None of any other object."""
    if key != FILE and not key.endswith(f"/{FILE}"):
        return None
    node = key.removesuffix(FILE).rstrip("/")
    return None if node.partition("/")[0] in PUBLISHED else node


def _nodes(root: bytes | None) -> frozenset[str] | None:
    """Return names of all nodes that the manifest of a run tells of; None where there is no manifest."""
    try:
        found = json.loads(root or b"")["attributes"][KEY]["nodes"]
        return frozenset(name for name in found if name.partition("/")[0] not in PUBLISHED)
    except (ValueError, KeyError, TypeError):
        return None
