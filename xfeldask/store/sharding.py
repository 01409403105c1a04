"""Zarr v3 shards encoded chunk by chunk, while each chunk is still in the processor's cache.

Writing a shard through an array needs all of it uncompressed in memory first, 256 MB here, and then copies it
chunk by chunk; that takes longer than drawing the photons. The format is simple enough to append to instead: the
encoded chunks, then an index of their offsets and lengths, then its checksum (Zarr's sharding_indexed codec,
zarr-specs v3). Every byte is what zarr itself would have written, but for chunks of which most bytes are zero: those
are frames of Zstandard, too, and take a quarter of the time (`xfeldask.store.zstd_frames`).
"""

from __future__ import annotations

from typing import Any

import google_crc32c
import numpy as np
import zarr
from numcodecs import zstd
from numpy.typing import NDArray

from xfeldask.store.codecs import ZSTD_LEVEL
from xfeldask.store.places import place_of
from xfeldask.store.urls import StorePath
from xfeldask.store.zstd_frames import SPARSE, compress

MISSING = np.iinfo(np.uint64).max


class ShardFile:
    """One shard of an array along its first axis.

    Parameters
    ----------
    array : zarr.Array, sharded along its first axis only, with the codecs of `xfeldask.store.codecs.compressors`
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
        self._is_clear = False
        self._chunks: list[bytes] = []
        self._index = np.full((length // self._rows, 2), MISSING, "<u8")
        self._end = 0

    def next_row(self) -> NDArray[Any]:
        """Zeroed memory of the next row, to be filled before `advance`."""
        row: NDArray[Any] = self._block[self._filled]
        if not self._is_clear:
            row[...] = 0
        return row

    def advance(self, lit: NDArray[np.uint32] | None = None) -> None:
        """Take the row as it is now.

        Parameters
        ----------
        lit : uint32 (value,), optional, flat indices in any order among which are those of all values of the row that
            are not zero; where they are few, a row that is a chunk is neither searched nor cleared as a whole
        """
        self._filled += 1
        if self._filled == self._rows:
            if lit is not None and (self._rows > 1 or SPARSE * lit.size > self._block.size):
                lit = None
            self._encode(None if lit is None else np.sort(lit))

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

    def _encode(self, lit: NDArray[np.uint32] | None = None) -> None:
        packed = compress(self._block, ZSTD_LEVEL, lit)
        self._is_clear = lit is not None
        if lit is not None:
            self._block.reshape(-1)[lit] = 0
        packed += _checksum(packed)
        self._index[len(self._chunks)] = self._end, len(packed)
        self._chunks.append(packed)
        self._end += len(packed)
        self._filled = 0


def chunk_parts(array: zarr.Array[Any], index: int, values: NDArray[Any]) -> tuple[str, list[bytes]]:
    """Encode a chunk of an array that is cut along its first axis, and not sharded, as zarr does but at once.

    Parameters
    ----------
    array : zarr.Array, with the codecs of `xfeldask.store.codecs.compressors`
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
