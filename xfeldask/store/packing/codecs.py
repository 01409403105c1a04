"""How chunks are packed, and by which code: zarr's own, which writes every chunk, or zarrs, which reads fast."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import RLock

import zarr
from zarr.codecs import Crc32cCodec, ZstdCodec
from zarr.core.array import CompressorsLike

ZSTD_LEVEL = 1
EXACT = "zarr.core.codec_pipeline.BatchedCodecPipeline"
"""Writes chunks of nothing but the fill value too, and checks every checksum."""
FAST = "zarrs.ZarrsCodecPipeline"
"""Decodes in Rust, without the GIL. It leaves out empty chunks whatever it is told, so nothing is written with it."""
_setting = RLock()


@contextmanager
def pipeline(path: str) -> Iterator[None]:
    """Arrays created or opened in this context, and only there, use a pipeline for as long as they live.

    zarr's setting is one for the whole process: two threads that changed it in turns would leave the wrong one
    behind. So only one thread at a time is in such a context; hold it while opening, never while computing.

    Examples
    --------
    >>> before = zarr.config.get("codec_pipeline.path")
    >>> with pipeline(FAST):
    ...     print(zarr.config.get("codec_pipeline.path") == FAST)
    True
    >>> zarr.config.get("codec_pipeline.path") == before
    True
    """
    with _setting, zarr.config.set({"codec_pipeline.path": path}):
        yield


def compressors() -> CompressorsLike:
    """Zstandard, which packs a sparse frame best at its fastest level, and checksums that see flipped bits.

    Two, because zarrs skips crc32c when it reads part of a shard; Zstandard's own cannot be skipped.

    Examples
    --------
    >>> [type(codec).__name__ for codec in compressors()]
    ['ZstdCodec', 'Crc32cCodec']
    """
    return (ZstdCodec(level=ZSTD_LEVEL, checksum=True), Crc32cCodec())
