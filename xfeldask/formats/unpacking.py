"""Datasets of HDF5 packed by gzip, unpacked by the thread that asks: HDF5 lets one thread at a time in.

Only packed bytes are read by HDF5, which is quick; zlib unpacks them, on as many cores as ask for frames.
"""

from __future__ import annotations

import zlib
from itertools import product
from math import prod
from typing import Any, Protocol, TypeGuard

import h5py
import numpy as np
from numpy.typing import NDArray

PACKED = ([h5py.h5z.FILTER_DEFLATE], [h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_DEFLATE])
"""Filters of chunks that are unpacked here, in the order in which they were applied."""
LEAST = 1 << 14
"""Bytes of a chunk from which on it is worth the while."""


UNDEFINED = h5py.h5d.FILL_VALUE_UNDEFINED
"""What a dataset tells of its fill value where nobody knows it."""


class Array(Protocol):
    """What an array on disk and one in memory have in common."""

    @property
    def shape(self) -> tuple[int, ...]: ...  # noqa: D102

    @property
    def dtype(self) -> np.dtype[Any]: ...  # noqa: D102

    def __getitem__(self, key: slice, /) -> Any:
        """Return some rows."""


class GzipDataset:
    """Rows of a dataset whose chunks are packed by gzip, with or without shuffle; one thread does not wait for another.

    Parameters
    ----------
    data : h5py.Dataset, of which `is_gzip` is true

    Attributes
    ----------
    shape, dtype, chunks : those of the dataset

    Examples
    --------
    >>> file = h5py.File("run.h5", "w", driver="core", backing_store=False)
    >>> data = file.create_dataset("data", (3, 99), "<u2", chunks=(2, 50), compression="gzip", shuffle=True)
    >>> data[1] = np.arange(99)
    >>> rows = GzipDataset(data)[1:3]
    >>> rows.shape, int(rows[0].sum()), int(rows[1].sum())
    ((2, 99), 4851, 0)
    """

    def __init__(self, data: h5py.Dataset) -> None:
        self.shape, self.dtype, self.chunks = data.shape, data.dtype, data.chunks
        self._data, self._fill = data, data.fillvalue
        self._gzip = 2 if data.shuffle else 1  # the bit of its filter

    def __getitem__(self, rows: slice) -> NDArray[Any]:
        """Return some rows.

        Raises
        ------
        OSError
            A chunk is damaged.
        """
        first, stop, step = rows.indices(self.shape[0])
        if step != 1 or stop - first < min(self.chunks[0], self.shape[0] - first):
            # HDF5 keeps a chunk of several rows, which would be unpacked here for each of them
            return np.asarray(self._data[rows])
        out = np.empty((max(0, stop - first), *self.shape[1:]), self.dtype)
        starts = [range(first // self.chunks[0] * self.chunks[0], stop, self.chunks[0])]
        starts += [range(0, n, size) for n, size in zip(self.shape[1:], self.chunks[1:], strict=True)]
        try:
            for corner in product(*starts):
                (row, *rest), chunk = corner, self._chunk(corner)
                sides = [slice(at, at + n) for at, n in zip(rest, self.chunks[1:], strict=True)]
                place = (slice(max(first, row) - first, min(stop, row + self.chunks[0]) - first), *sides)
                if chunk is None:
                    out[place] = self._fill
                else:
                    part = tuple(slice(0, n) for n in out[place].shape[1:])
                    out[place] = chunk[(slice(max(first, row) - row, stop - row), *part)]
        except zlib.error:
            # chunks at an edge may be plain without saying so; of what is damaged HDF5 tells in its own words
            return np.asarray(self._data[first:stop])
        return out

    def _chunk(self, corner: tuple[int, ...]) -> NDArray[Any] | None:
        """Read the chunk that begins at a corner, whole; None where nothing was written."""
        told = self._data.id.get_chunk_info_by_coord(corner)
        if not told.size:
            return None
        packed, skipped = self._data.id.read_direct_chunk(corner)[1], told.filter_mask
        size = prod(self.chunks) * self.dtype.itemsize
        # a writer may leave filters out of single chunks: a bit each, in their order
        plain = packed if skipped & self._gzip else _inflated(packed, size)
        if len(plain) != size:  # HDF5 would take it, whatever lies behind it
            raise OSError(f"the chunk at {corner} is not of {size:,} bytes")
        flat = np.frombuffer(plain, np.uint8)
        if self._gzip > 1 and not skipped & 1:
            flat = np.ascontiguousarray(flat.reshape(self.dtype.itemsize, -1).T)
        values: NDArray[Any] = flat.view(self.dtype).reshape(self.chunks)
        return values


def _inflated(packed: bytes, size: int) -> bytes:
    """Unpack bytes, one more than `size` at most, however much a damaged chunk would give.

    Raises
    ------
    zlib.error
        They are no whole stream.
    """
    inflating = zlib.decompressobj()
    # one more, so that the end of what is right is reached, with its checksum
    found = inflating.decompress(packed, size + 1)
    if not inflating.eof and len(found) <= size:
        raise zlib.error("it is cut short")
    return found


def unpacked(data: Array) -> Array:
    """Return an array that gives the same rows, a `GzipDataset` where that may be.

    Examples
    --------
    >>> unpacked(np.zeros((3, 2))).shape
    (3, 2)
    """
    return GzipDataset(data) if is_gzip(data) else data


def is_gzip(data: object) -> TypeGuard[h5py.Dataset]:
    """Whether something is a dataset of numbers in chunks of some size that gzip packed, alone or after shuffle.

    Examples
    --------
    >>> file = h5py.File("run.h5", "w", driver="core", backing_store=False)
    >>> frames = {"data": np.zeros((3, 256, 256), np.uint8), "chunks": (1, 256, 256)}
    >>> is_gzip(file.create_dataset("packed", **frames, compression="gzip"))
    True
    >>> is_gzip(file.create_dataset("plain", **frames)), is_gzip(frames["data"])
    (False, False)
    """
    if not isinstance(data, h5py.Dataset) or data.chunks is None or data.dtype.kind not in "uif":
        return False
    made, kind = data.id.get_create_plist(), h5py.h5t.py_create(data.dtype)
    if made.fill_value_defined() == UNDEFINED:
        return False
    filters = [made.get_filter(i)[0] for i in range(made.get_nfilters())]
    return filters in PACKED and data.id.get_type().equal(kind) and prod(data.chunks) * data.dtype.itemsize >= LEAST
