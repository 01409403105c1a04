"""Photons that stay in the files they came from, and are read there as if they lay in the store."""

from __future__ import annotations

import asyncio
import hashlib
import os
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from pkgutil import resolve_name
from threading import Lock
from typing import Any, Protocol, Self

import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.abc.store import ByteRequest
from zarr.core.buffer import Buffer, BufferPrototype
from zarr.storage import MemoryStore, WrapperStore

from xfeldask.errors import CorruptStoreError, InputError, MissingFileError
from xfeldask.records import Record
from xfeldask.schema import VARIABLES

KEY = "elsewhere"
"""Attribute of the root of a store that has no photons of its own."""
READER = "xfeldask.engines.reading:PhotonReader"
"""What reads them, looked up by name once it is needed: this room knows no format."""
HEADER_BYTES = 2**16
RESTS = 10
"""Times that it took to look whether files have changed that pass before the next look: a folder may hold many."""
LONGEST_REST = 10.0
"""Longest time between two such looks [s]."""
_opening = Lock()
_threads = ThreadPoolExecutor(4, "frames")
"""Not those of zarr's loop, which a reader waits for while it opens the store."""


class SourceFile(Record):
    """A file that photons are in, or the folder of a Zarr array, and what tells it from any other.

    Attributes
    ----------
    path : str, absolute
    size : int [byte], of a folder that of all files in it
    modified : int, when it was written last [ns], of a folder the last of all files in it
    header : str, SHA-256 of its first 64 KiB, of a folder that of the names, sizes and times of all files in it
    """

    path: str
    size: int
    modified: int
    header: str

    @classmethod
    def at(cls, path: str | Path) -> Self:
        """Look at a file or a folder as it is now."""
        file = Path(path).absolute()
        if file.is_dir():
            each = _files_in(file)
            beginning = "".join(f"{name} {size} {time};" for name, (size, time) in each.items()).encode()
            size, modified = _together(each)
        else:
            with file.open("rb") as content:
                beginning = content.read(HEADER_BYTES)
            size, modified = _state_of(file)
        return cls(path=str(file), size=size, modified=modified, header=hashlib.sha256(beginning).hexdigest())


class Elsewhere(Record):
    """Where the photons of a store are, the attribute `KEY` of its root; how to read them is told by its intake.

    Attributes
    ----------
    files : tuple of SourceFile, all that photons are in
    starts : tuple of int, shot that is the first frame of each source
    shape : (shot, panel, ss, fs)
    dtype : str, that pixels are given in; a full one stays full

    Examples
    --------
    >>> found = Elsewhere(files=(), starts=(0, 100), shape=(300, 1, 64, 64), dtype="uint8")
    >>> Elsewhere.from_json(found.to_json()) == found
    True
    """

    files: tuple[SourceFile, ...]
    starts: tuple[int, ...]
    shape: tuple[int, int, int, int]
    dtype: str

    def state(self) -> tuple[tuple[int, int], ...] | None:
        """Size and time of the files as they are now, by which a change is noticed; None where one is gone."""
        try:
            return tuple(_state_of(Path(file.path)) for file in self.files)
        except OSError:
            return None

    def refuse_changed(self, store: object) -> None:
        """Refuse files that are gone, or are not those that were ingested.

        Raises
        ------
        MissingFileError, InputError
        """
        for file in self.files:
            try:
                now = SourceFile.at(file.path)
            except OSError as error:
                raise MissingFileError(
                    f"the photons of {store} are in {file.path}, which cannot be read ({error.strerror}); put it back, "
                    "or ingest it from where it is now with copy=False and resume=True (--no-copy --resume)"
                ) from None
            if now != file:
                raise InputError(
                    f"the photons of {store} are in {file.path}, which has changed since; ingest it again with "
                    "copy=False and resume=True (--no-copy --resume), which refuses other frames, or overwrite=True"
                )


def stored_elsewhere(root: zarr.Group) -> Elsewhere | None:
    """Return where the photons of a store are; None where they are in it.

    Raises
    ------
    CorruptStoreError
        The record cannot be read.

    Examples
    --------
    >>> stored_elsewhere(zarr.create_group(MemoryStore())) is None
    True
    """
    found: Any = root.attrs.get(KEY)
    if found is None:
        return None
    if not isinstance(found, str):
        raise CorruptStoreError(f"{root.store_path}: the record of where photons are is no text")
    return Elsewhere.from_json(found)


def source_files(paths: Iterable[str | Path]) -> tuple[SourceFile, ...]:
    """Look at files, each once; of a folder at the files in it, of that of a Zarr array at all of it together.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> for name in "ab":
    ...     _ = (folder / name).write_text(name)
    >>> [Path(file.path).name for file in source_files([folder, folder / "b"])]
    ['a', 'b']
    """
    each = [[path] if is_zarr(path) or not path.is_dir() else path.iterdir() for path in map(Path, paths)]
    files = {file.absolute() for some in each for file in some if file.is_file() or is_zarr(file)}
    return tuple(SourceFile.at(file) for file in sorted(files))


def is_zarr(path: Path) -> bool:
    """Whether a folder holds the metadata of a Zarr array or group.

    Examples
    --------
    >>> is_zarr(Path("gone"))
    False
    """
    return any((path / name).is_file() for name in ("zarr.json", ".zarray", ".zgroup"))


def _files_in(folder: Path) -> dict[str, tuple[int, int]]:
    """Size and time of all files in a folder, by their names in it, in order."""
    root = str(folder)
    paths = sorted(os.path.join(top, name) for top, _, names in os.walk(root) for name in names)  # noqa: PTH118
    found = {path.removeprefix(root): os.stat(path) for path in paths}  # noqa: PTH116
    return {name: (one.st_size, one.st_mtime_ns) for name, one in found.items()}


def _together(files: Mapping[str, tuple[int, int]]) -> tuple[int, int]:
    return sum(size for size, _ in files.values()), max((time for _, time in files.values()), default=0)


def _state_of(path: Path) -> tuple[int, int]:
    """Size and time of a file, or of all files in a folder, by which a change is noticed."""
    if path.is_dir():
        return _together(_files_in(path))
    found = path.stat()
    return found.st_size, found.st_mtime_ns


class Reader(Protocol):
    """What reads photons of a store from the files that they are in."""

    def frame(self, shot: int, /) -> NDArray[Any]:
        """Photons of a shot (panel, ss, fs)."""


@lru_cache(maxsize=4)
def _kept_reader(path: str, *state: object) -> Reader:  # noqa: ARG001
    reader: Reader = resolve_name(READER)(path)
    return reader


def forget_readers() -> None:
    """Close the files that photons were read from."""
    _kept_reader.cache_clear()


def _begin_anew() -> None:
    """Wait for no thread of the process that this one was forked from."""
    global _threads, _opening
    _threads, _opening = ThreadPoolExecutor(4, "frames"), Lock()
    forget_readers()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_anew)


class PhotonStore(WrapperStore[MemoryStore]):
    """A Zarr store of one array, photons, each of whose chunks is a frame that is read when it is asked for.

    Parameters
    ----------
    path : str, of the store whose photons they are
    identity : str, of its shots
    told : Elsewhere
    """

    def __init__(self, path: str, identity: str, told: Elsewhere) -> None:
        self._of, self._told = (path, identity, told), told.to_json()
        self._looked: tuple[float, tuple[tuple[int, int], ...] | None] = (0.0, None)
        memory, variable = MemoryStore(), VARIABLES["photons"]
        zarr.create_group(memory).create_array(
            variable.name, shape=told.shape, dtype=told.dtype, chunks=(1, *told.shape[1:]), compressors=None,
            fill_value=0, dimension_names=variable.dims, attributes=variable.attributes(),
        )  # fmt: skip
        super().__init__(memory.with_read_only(True))

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), self._of

    def with_read_only(self, read_only: bool = False) -> Self:  # noqa: ARG002
        """Return the store itself, which is never written to."""
        return self

    async def get(self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None) -> Buffer | None:
        """Return metadata, or the bytes of a frame."""
        _, chunk, place = key.partition("photons/c/")
        if not chunk:
            return await super().get(key, prototype, byte_range)
        if byte_range is not None:
            raise NotImplementedError("frames are read whole")
        shot = int(place.split("/")[0])
        frame = await asyncio.get_running_loop().run_in_executor(_threads, self._frame, shot)
        return prototype.buffer.from_array_like(frame)

    def read(self, shots: slice | int) -> NDArray[Any]:
        """Read frames (panel, ss, fs), or (shot, panel, ss, fs), without what zarr takes besides."""
        _, _, told = self._of
        which = range(told.shape[0])[shots]
        if isinstance(which, int):
            return self._reader().frame(which)
        out, reader = np.empty((len(which), *told.shape[1:]), told.dtype), self._reader()
        for i, shot in enumerate(which):
            out[i] = reader.frame(shot)
        return out

    def _reader(self) -> Reader:
        path, identity, told = self._of
        with _opening:
            began = time.monotonic()
            if began >= self._looked[0]:
                state = told.state()
                done = time.monotonic()
                self._looked = done + min(RESTS * (done - began), LONGEST_REST), state
            return _kept_reader(path, identity, self._told, self._looked[1])

    def _frame(self, shot: int) -> NDArray[np.uint8]:
        """Bytes of a frame."""
        frame = np.ascontiguousarray(self._reader().frame(shot), np.dtype(self._of[2].dtype).newbyteorder("<"))
        return frame.reshape(-1).view(np.uint8)


def photon_store(root: zarr.Group) -> PhotonStore | None:
    """Return the photons of a store as a store of their own, where they lie elsewhere; None where they lie in it.

    Examples
    --------
    >>> photon_store(zarr.create_group(MemoryStore())) is None
    True
    """
    told = stored_elsewhere(root)
    if told is None:
        return None
    path = Path(str(root.store_path).removeprefix("file://")).absolute()
    return PhotonStore(str(path), str(root.attrs.get("ingest_digest")), told)
