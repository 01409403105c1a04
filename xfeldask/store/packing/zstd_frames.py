"""Zstandard frames of arrays of which most bytes are zero, written without a search for what repeats.

A frame of a million pixels with a few hundred photons is a count, a run of zeros, a count, a run of zeros. A
compressor that knows nothing of that spends more time to find it out than it takes to draw the photons. Here the runs
are found by reading the array once, eight bytes at a time, and written as Zstandard's sequences: some literals, then a
match that repeats the zero before it. Any Zstandard decoder reads them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numcodecs import zstd
from numpy.typing import NDArray

from xfeldask.physics.images import Photons
from xfeldask.physics.jit import inner_inline_kernel, inner_kernel, kernel
from xfeldask.store.packing.entropy import LITERAL_LENGTHS, MATCH_LENGTHS, described_literals, make_coder
from xfeldask.store.packing.sequences import put, write_literals, write_sequences

Bytes = NDArray[np.uint8]

SPARSE = 24
"""Bytes for one that is not zero, from which on an array is written so."""
LEAST = 1 << 12
"""Bytes from which on it is worth the while."""
BLOCK = 1 << 17
"""Bytes of a block, the most that Zstandard allows."""
SHORTEST = 12
"""Zeros from which on they are a run: fewer are cheaper as literals, a bit each."""
STRIPE = 32
"""Bytes that the checksum takes in a step."""
GROUP = 16
"""Words of eight bytes that are passed over at a time where all are zero."""

HEADER = np.array([0x28, 0xB5, 0x2F, 0xFD, 0xA4], np.uint8)
"""Of a frame: its mark, and that it is one segment, tells its size in 4 bytes, and ends on a checksum."""

TOO_FULL = -1
"""End of a frame that is not sparse."""

LENGTHS, MATCHES = make_coder(LITERAL_LENGTHS), make_coder(MATCH_LENGTHS)
LITERALS = described_literals()

P1, P2, P3, P4 = (
    np.uint64(prime) for prime in (0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0x85EBCA77C2B2AE63)
)
"""Primes of XXH64."""


def compress(block: NDArray[Any], level: int) -> bytes:
    """Compress an array with a checksum of its content.

    Parameters
    ----------
    block : array, contiguous
    level : int, of Zstandard, for an array that has too few zeros, is small, or is not made of whole stripes

    Returns
    -------
    bytes, one Zstandard frame

    Notes
    -----
    RFC 8878 has the format of frames, blocks and sequences; the checksum is XXH64.

    Examples
    --------
    >>> frame = np.zeros((512, 512), np.uint8)
    >>> frame[3, 7] = 2
    >>> packed = compress(frame, 1)
    >>> len(packed) < 200 and bytes(zstd.decompress(packed)) == frame.tobytes()
    True
    """
    flat = block.reshape(-1).view(np.uint8)
    if _is_sparse(flat.size):
        places = np.empty(flat.size // SPARSE, np.uint32)
        n = _find(flat.view(np.uint64), flat, places)
        if n <= places.size:
            lit = Photons(places[:n], flat[places[:n]].astype(np.int64), np.array([0, n]))
            return compress_listed(lit, flat.size, flat.dtype, level)[0]
    return bytes(zstd.compress(block, level, True))


def compress_listed(photons: Photons, pixels: int, dtype: np.dtype[Any], level: int) -> list[bytes]:
    """Compress frames of which is known where they are not zero; the bytes are those of `compress`.

    Parameters
    ----------
    photons : Photons, pixels of each shot in ascending order, none twice, as many photons as the type holds
    pixels : int, of a frame
    dtype : unsigned, of the frames
    level : int, as of `compress`

    Examples
    --------
    >>> from xfeldask.physics.images import Photons
    >>> photons = Photons(np.array([7, 9, 4], np.uint32), np.array([1, 2, 3]), np.array([0, 2, 3]))
    >>> [np.flatnonzero(np.frombuffer(zstd.decompress(packed), np.uint8)).tolist()
    ...  for packed in compress_listed(photons, 4096, np.dtype("uint8"), 1)]
    [[7, 9], [4]]
    """
    size, n = pixels * dtype.itemsize, len(photons.start) - 1
    end, out = np.full(n, TOO_FULL), np.empty(0, np.uint8)
    if _is_sparse(size):
        out = np.empty(_room(size, dtype.itemsize * len(photons.pixel)) + n * _room(size, 0), np.uint8)
        _pack_listed(
            photons.pixel, photons.count, photons.start, dtype.itemsize, size, LENGTHS, MATCHES, LITERALS, out, end
        )
    packed, at = [], 0
    for (pixel, count), stop in zip(photons, end.tolist(), strict=True):
        if stop == TOO_FULL:
            frame = np.zeros(pixels, dtype)
            frame[pixel] = count
            packed.append(bytes(zstd.compress(frame, level, True)))
        else:
            packed.append(out[at:stop].tobytes())
            at = stop
    return packed


def _is_sparse(size: int) -> bool:
    """Whether an array of some bytes is written by what is not zero, where that is little."""
    return LEAST <= size < 1 << 32 and size % STRIPE == 0


def _room(size: int, n: int) -> int:
    """Bytes that a frame takes at most, of `size` bytes of which `n` are not zero."""
    return 256 + 24 * n + 64 * (size // BLOCK + 1)


@inner_inline_kernel
def _turned(value: np.uint64, by: int) -> np.uint64:
    return (value << np.uint64(by)) | (value >> np.uint64(64 - by))


@inner_inline_kernel
def _mixed(lane: np.uint64, word: np.uint64) -> np.uint64:
    return _turned(lane + word * P2, 31) * P1


@kernel
def _find(words: NDArray[np.uint64], flat: Bytes, places: NDArray[np.uint32]) -> int:
    """List the bytes that are not zero; return how many there are, or one more than there is room for."""
    n = 0
    for group in range(0, words.size, GROUP):
        found = np.uint64(0)
        if group + GROUP <= words.size:
            for i in range(GROUP):
                found |= words[group + i]
        else:
            found = np.uint64(1)
        if found:
            for i in range(group, min(group + GROUP, words.size)):
                if words[i]:
                    for place in range(8 * i, 8 * i + 8):
                        if flat[place]:
                            if n == places.size:
                                return n + 1
                            places[n] = place
                            n += 1
    return n


@kernel
def _pack_listed(
    pixel: NDArray[np.uint32],
    count: NDArray[np.int64],
    start: NDArray[np.int64],
    itemsize: int,
    size: int,
    lengths: Any,
    matches: Any,
    tree: Bytes,
    out: Bytes,
    end: NDArray[np.int64],
) -> None:
    """Write a frame for each shot that is sparse, one behind another, and where it ends."""
    places, values = np.empty(size // SPARSE, np.int64), np.empty(size // SPARSE, np.uint8)
    at = 0
    for shot in range(end.size):
        n = 0
        for e in range(start[shot], start[shot + 1]):
            for byte in range(itemsize):
                value = (count[e] >> (8 * byte)) & 0xFF
                if value > 0:
                    if n < places.size:
                        places[n], values[n] = itemsize * np.int64(pixel[e]) + byte, value
                    n += 1
        if n <= places.size:
            at = _pack(size, places[:n], values[:n], lengths, matches, tree, out, at)
            end[shot] = at


@inner_kernel
def _pack(
    size: int, places: NDArray[np.int64], values: Bytes, lengths: Any, matches: Any, tree: Bytes, out: Bytes, at: int
) -> int:
    """Write a frame of `size` bytes that are zero but for some values at some places; return where it ends."""
    for i in range(HEADER.size):
        out[at + i] = HEADER[i]
    at = put(out, at + HEADER.size, size, 4)
    at = _write(size, places, values, lengths, matches, tree, out, at)
    return put(out, at, int(_digest(size, places, values) & np.uint64(0xFFFFFFFF)), 4)


@inner_kernel
def _digest(size: int, places: NDArray[np.int64], values: Bytes) -> np.uint64:
    """Compute XXH64 of bytes that are zero but at some places."""
    one, two, three, four = P1 + P2, P2, np.uint64(0), np.uint64(0) - P1
    word = np.zeros(4, np.uint64)
    i = done = 0
    while done < size // STRIPE:
        stripe = places[i] // STRIPE if i < places.size else size // STRIPE
        for _ in range(done, stripe):
            one, two = _turned(one, 31) * P1, _turned(two, 31) * P1
            three, four = _turned(three, 31) * P1, _turned(four, 31) * P1
        if i < places.size:
            word[:] = np.uint64(0)
            while i < places.size and places[i] // STRIPE == stripe:
                within = places[i] % STRIPE
                word[within // 8] |= np.uint64(values[i]) << np.uint64(8 * (within % 8))
                i += 1
            one, two = _mixed(one, word[0]), _mixed(two, word[1])
            three, four = _mixed(three, word[2]), _mixed(four, word[3])
        done = stripe + 1
    digest = _turned(one, 1) + _turned(two, 7) + _turned(three, 12) + _turned(four, 18)
    for lane in (one, two, three, four):
        digest = (digest ^ _mixed(np.uint64(0), lane)) * P1 + P4
    digest += np.uint64(size)
    digest = (digest ^ (digest >> np.uint64(33))) * P2
    digest = (digest ^ (digest >> np.uint64(29))) * P3
    return digest ^ (digest >> np.uint64(32))


@inner_kernel
def _write(
    size: int, places: NDArray[np.int64], values: Bytes, lengths: Any, matches: Any, tree: Bytes, out: Bytes, at: int
) -> int:
    """Write the blocks of a frame; return where they end."""
    literals = np.empty(min(BLOCK, (SHORTEST + 1) * places.size + SHORTEST), np.uint8)
    sequences = np.empty((min(BLOCK // SHORTEST, places.size) + 1, 2), np.int64)
    told = np.zeros(2, np.bool_)  # whether the codes of literals and of lengths are known from a block before
    first = 0
    for start in range(0, size, BLOCK):
        stop = min(start + BLOCK, size)
        last = first
        while last < places.size and places[last] < stop:
            last += 1
        ends = int(stop == size)
        if first == last:
            at = put(out, at, ends | 1 << 1 | (stop - start) << 3, 3)
            at = put(out, at, 0, 1)
        else:
            n, m = _split(places[first:last], values[first:last], start, stop, literals, sequences)
            body, huffman = write_literals(literals[:n], tree, told[0], out, at + 3)
            body = write_sequences(sequences[:m], lengths, matches, told[1], out, body)
            told[0] |= huffman
            told[1] |= m > 0
            put(out, at, ends | 2 << 1 | (body - at - 3) << 3, 3)
            at = body
        first = last
    return at


@inner_kernel
def _split(
    places: NDArray[np.int64], values: Bytes, start: int, stop: int, literals: Bytes, sequences: NDArray[np.int64]
) -> tuple[int, int]:
    """Split a block into literals and runs of zeros; return how many there are of both.

    Each sequence is a number of literals, the last of which is a zero, and how often that zero follows again.
    """
    n = m = told = 0
    zeros = start
    for i in range(places.size + 1):
        place = places[i] if i < places.size else stop
        run = place - zeros
        for _ in range(1 if run >= SHORTEST else run):
            literals[n] = 0
            n += 1
        if run >= SHORTEST:
            sequences[m, 0], sequences[m, 1] = n - told, run - 1
            told = n
            m += 1
        if place < stop:
            literals[n] = values[i]
            n += 1
        zeros = place + 1
    return n, m
