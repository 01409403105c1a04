"""Blocks of a Zstandard frame, bit by bit: literals, and sequences of literals and matches; RFC 8878, 3.1.1.3."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from xfeldask.physics.jit import inner_inline_kernel, inner_kernel, kernel
from xfeldask.store.packing.entropy import ACCURACY, LONGEST_CODE

Bytes = NDArray[np.uint8]


def _codes(bits: tuple[int, ...]) -> NDArray[np.uint8]:
    """Return the code of each length below the last that one has to itself; each holds 2^bits lengths."""
    return np.repeat(np.arange(len(bits), dtype=np.uint8), [1 << b for b in bits])


LENGTH_BITS = np.array([*[0] * 16, 1, 1, 1, 1, 2, 2, 3, 3, 4, 6, *range(7, 17)], np.uint8)
MATCH_BITS = np.array([*[0] * 32, 1, 1, 1, 1, 2, 2, 3, 3, 4, 4, 5, *range(7, 17)], np.uint8)
"""Bits that follow each code of a literal length and of a match length, RFC 8878, 3.1.1.3.2.1.1."""
LENGTH_CODES, MATCH_CODES = _codes(tuple(LENGTH_BITS[:25])), _codes(tuple(MATCH_BITS[:43]))
LENGTH_BASE = np.concatenate([[0], np.cumsum(1 << LENGTH_BITS.astype(np.int64))[:-1]])
MATCH_BASE = np.concatenate([[0], np.cumsum(1 << MATCH_BITS.astype(np.int64))[:-1]])


@kernel
def put(out: Bytes, at: int, value: int, size: int) -> int:
    """Write a number of `size` bytes, the lowest first; return where the next goes."""
    for i in range(size):
        out[at + i] = (value >> (8 * i)) & 0xFF
    return at + size


@inner_kernel
def _copy(out: Bytes, at: int, source: Bytes) -> int:
    for i in range(source.size):
        out[at + i] = source[i]
    return at + source.size


@inner_inline_kernel
def _add(out: Bytes, at: int, held: np.uint64, bits: int, value: int, width: int) -> tuple[int, np.uint64, int]:
    """Add bits to those held, above them, and write the bytes that are full."""
    held |= np.uint64(value) << np.uint64(bits)
    bits += width
    while bits >= 8:
        out[at] = held & np.uint64(0xFF)
        held >>= np.uint64(8)
        at, bits = at + 1, bits - 8
    return at, held, bits


@inner_kernel
def _write_stream(literals: Bytes, out: Bytes, at: int) -> int:
    """Write literals by their code, the last one first, since decoders read from the end."""
    held, bits = np.uint64(0), 0
    for i in range(literals.size - 1, -1, -1):
        byte = literals[i]
        at, held, bits = _add(out, at, held, bits, int(byte != LONGEST_CODE - 1), min(byte + 1, LONGEST_CODE))
    return put(out, at, int(held | np.uint64(1) << np.uint64(bits)), 1)


@inner_kernel
def write_literals(literals: Bytes, tree: Bytes, told: bool, out: Bytes, at: int) -> tuple[int, bool]:
    """Write the literals of a block, by the code of `tree` where that is shorter; RFC 8878, 3.1.1.3.1."""
    n, bits, largest = literals.size, 0, 0
    for byte in literals:
        largest = max(largest, byte)
        bits += min(byte + 1, LONGEST_CODE)
    streams = 1 if n < 1024 else 4
    if largest > LONGEST_CODE or bits // 8 + tree.size + 16 >= n:
        if n < 32:
            at = put(out, at, n << 3, 1)
        elif n < 4096:
            at = put(out, at, 1 << 2 | n << 4, 2)
        else:
            at = put(out, at, 3 << 2 | n << 4, 3)
        return _copy(out, at, literals), False
    size, width = (0, 10) if n < 1024 else (2, 14) if n < 1 << 14 else (3, 18)
    header = at
    at += (4 + 2 * width) // 8 + int((4 + 2 * width) % 8 > 0)
    begin = at
    if not told:
        at = _copy(out, at, tree)
    if streams == 1:
        at = _write_stream(literals, out, at)
    else:
        jumps, each = at, (n + 3) // 4
        at += 6
        for i in range(4):
            end = _write_stream(literals[i * each : min((i + 1) * each, n)], out, at)
            if i < 3:
                put(out, jumps + 2 * i, end - at, 2)
            at = end
    put(out, header, (3 if told else 2) | size << 2 | n << 4 | (at - begin) << (4 + width), begin - header)
    return at, True


@inner_inline_kernel
def _code(length: int, codes: Bytes, beyond: int) -> int:
    """Return the code of a length: from a table, or by its highest bit."""
    if length < codes.size:
        return int(codes[length])
    highest = 0
    while length > 1:
        length >>= 1
        highest += 1
    return highest + beyond


@inner_kernel
def _begun(coder: Any, symbol: int) -> int:
    """Return the state before which a decoder reads no bits."""
    bits = coder.bits[symbol]
    given = (bits + (1 << 15)) >> 16
    return int(coder.states[(((given << 16) - bits) >> given) + coder.first[symbol]])


@inner_kernel
def write_sequences(sequences: NDArray[np.int64], lengths: Any, matches: Any, told: bool, out: Bytes, at: int) -> int:
    """Write the sequences of a block, the last one first; RFC 8878, 3.1.1.3.2."""
    n = len(sequences)
    at = put(out, at, n, 1) if n < 128 else put(out, at, (n >> 8) + 128 | (n & 0xFF) << 8, 2)
    if n == 0:
        return at
    # codes of lengths are described, or those of the block before; the offset is always the last one, 1
    at = put(out, at, 3 << 6 | 1 << 4 | 3 << 2 if told else 2 << 6 | 1 << 4 | 2 << 2, 1)
    if not told:
        at = _copy(out, at, lengths.description)
    at = put(out, at, 0, 1)
    if not told:
        at = _copy(out, at, matches.description)
    held, bits, of_length, of_match = np.uint64(0), 0, 0, 0
    for i in range(n - 1, -1, -1):
        length, match = sequences[i, 0], sequences[i, 1] - 3
        x, y = _code(length, LENGTH_CODES, 19), _code(match, MATCH_CODES, 36)
        if i == n - 1:
            of_length, of_match = _begun(lengths, x), _begun(matches, y)
        else:
            given = (of_match + matches.bits[y]) >> 16
            at, held, bits = _add(out, at, held, bits, of_match & ((1 << given) - 1), given)
            of_match = int(matches.states[(of_match >> given) + matches.first[y]])
            given = (of_length + lengths.bits[x]) >> 16
            at, held, bits = _add(out, at, held, bits, of_length & ((1 << given) - 1), given)
            of_length = int(lengths.states[(of_length >> given) + lengths.first[x]])
        at, held, bits = _add(out, at, held, bits, length - LENGTH_BASE[x], LENGTH_BITS[x])
        at, held, bits = _add(out, at, held, bits, match - MATCH_BASE[y], MATCH_BITS[y])
    at, held, bits = _add(out, at, held, bits, of_match & ((1 << ACCURACY) - 1), ACCURACY)
    at, held, bits = _add(out, at, held, bits, of_length & ((1 << ACCURACY) - 1), ACCURACY)
    return put(out, at, int(held | np.uint64(1) << np.uint64(bits)), 1)
