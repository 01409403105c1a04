"""Zarr v3 shards encoded chunk by chunk, while each chunk is still in the processor's cache.

Writing a shard through an array needs all of it uncompressed in memory first, 256 MB here, and then copies it
chunk by chunk; that takes longer than drawing the photons. The format is simple enough to append to instead: the
encoded chunks, then an index of their offsets and lengths, then its checksum (Zarr's sharding_indexed codec,
zarr-specs v3). Every byte is what zarr itself would have written, but for chunks of which most bytes are zero: those
are frames of Zstandard, too, and take a quarter of the time (`xfeldask.store.packing.zstd_frames`).
"""

from __future__ import annotations

from typing import Any

import google_crc32c
import numpy as np
import zarr
from numcodecs import zstd
from numpy.typing import NDArray

from xfeldask.physics.images import Photons
from xfeldask.store.packing.codecs import ZSTD_LEVEL
from xfeldask.store.packing.zstd_frames import compress, compress_listed
from xfeldask.store.storage.places import place_of
from xfeldask.store.storage.urls import StorePath

MISSING = np.iinfo(np.uint64).max


class ShardFile:
    """One shard of an array along its first axis.

    Parameters
    ----------
    array : zarr.Array, sharded along its first axis only, with the codecs of `compressors`
    folder : Path or URL, of the array
    shard : int

    Attributes
    ----------
    key : str, of the shard in the folder
    """

    def __init__(self, array: zarr.Array[Any], folder: StorePath, shard: int) -> None:
        assert array.shards is not None
        length, self._rows = array.shards[0], array.chunks[0]
        coordinates = [str(shard), *("0" for _ in array.shape[1:])]
        self._folder, self.key = folder, "/".join(["c", *coordinates])
        self._block: NDArray[Any] = np.empty(array.chunks, array.dtype)
        self._fill = array.fill_value
        self._filled = 0
        self._chunks: list[bytes] = []
        self._index = np.full((length // self._rows, 2), MISSING, "<u8")
        self._end = 0

    def extend(self, rows: NDArray[Any] | Photons) -> None:
        """Append rows.

        Parameters
        ----------
        rows : (row, ...), or where chunks are of one row each the photons of each, as of `compress_listed`
        """
        if isinstance(rows, Photons):
            assert self._rows == 1
            for packed in compress_listed(rows, self._block.size, self._block.dtype, ZSTD_LEVEL):
                self._append(packed)
            return
        taken = 0
        while taken < len(rows):
            more = min(self._rows - self._filled, len(rows) - taken)
            some, taken = rows[taken : taken + more], taken + more
            if more == self._rows:  # a whole chunk is encoded where it lies
                self._append(compress(np.ascontiguousarray(some, self._block.dtype), ZSTD_LEVEL))
                continue
            self._block[self._filled : self._filled + more] = some
            self._filled += more
            if self._filled == self._rows:
                self._encode()

    @property
    def bytes_held(self) -> int:
        """Memory of the chunk that is being filled."""
        return self._block.nbytes

    def encode(self) -> int:
        """Encode the rows taken so far, even those of a chunk that is not full; returns the bytes of all chunks."""
        if self._filled:
            self._block[self._filled :] = self._fill
            self._encode()
        return self._end

    def write(self) -> None:
        """Write the shard, whole."""
        place_of(self._folder).write({self.key: self.parts()})

    def parts(self) -> list[bytes]:
        """Encode what is left and return the bytes of the shard, in parts."""
        self.encode()
        index = self._index.tobytes()
        return [*self._chunks, index, _checksum(index)]

    def _encode(self) -> None:
        self._append(compress(self._block, ZSTD_LEVEL))
        self._filled = 0

    def _append(self, packed: bytes) -> None:
        packed += _checksum(packed)
        self._index[len(self._chunks)] = self._end, len(packed)
        self._chunks.append(packed)
        self._end += len(packed)


def chunk_parts(array: zarr.Array[Any], index: int, values: NDArray[Any]) -> tuple[str, list[bytes]]:
    """Encode a chunk of an array that is cut along its first axis, and not sharded, as zarr does but at once.

    Parameters
    ----------
    array : zarr.Array, with the codecs of `compressors`
    index : int, of the chunk
    values : (row, ...) of the array's type, as many rows as a chunk has, or fewer of the last one

    Returns
    -------
    its key in the array's folder, and its bytes in parts
    """
    block = np.full(array.chunks, array.fill_value, array.dtype)
    block[: len(values)] = values
    packed = bytes(zstd.compress(block, ZSTD_LEVEL, True))
    return "/".join(["c", str(index), *("0" for _ in array.shape[1:])]), [packed, _checksum(packed)]


def _checksum(data: bytes) -> bytes:
    return int(google_crc32c.value(data)).to_bytes(4, "little")
