"""Entropy codes of Zstandard that are fixed beforehand, for arrays of which most bytes are zero.

Zstandard measures the symbols of each block and describes a code made for them. Blocks of frames with a few photons
are all alike, so one code serves them all: nothing is measured, and it is described once a frame.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

ACCURACY = 9
"""Probabilities are counted in parts of 2 to this power, the most that Zstandard allows."""

LITERAL_LENGTHS = (1, 8, 410, 24, 16, 8, 6, 5, 4, 3, 2, 1, 1, 1, 1, 1, *[1] * 17, 1, 1, 1)
"""Of each code of a literal length, in parts of `ACCURACY`: most photons stand alone, a count and the first zero."""
MATCH_LENGTHS = (*[1] * 15, *[4] * 17, *[10] * 4, *[14] * 4, *[24] * 6, 40, 44, 42, 32, 16, 10, 5)
"""Of each code of a length of a run of zeros, likewise: any length from a dozen to all of a block."""

LONGEST_CODE = 10
"""Bits of the longest code of a literal: byte `i` below this has i + 1 bits, and byte `i` = this has as many as it."""


class Coder(NamedTuple):
    """A finite-state-entropy code as an encoder uses it; names as in Zstandard's own source.

    Attributes
    ----------
    states : uint16 (2^accuracy,), states by symbol
    bits : int32 (symbol,), from which the bits that a state gives up follow
    first : int32 (symbol,), where states of the symbol begin, less what a state has left
    description : uint8, as it stands in a block
    """

    states: NDArray[np.uint16]
    bits: NDArray[np.int32]
    first: NDArray[np.int32]
    description: NDArray[np.uint8]


def make_coder(parts: tuple[int, ...], accuracy: int = ACCURACY) -> Coder:
    """Make the code of symbols whose probabilities are given.

    Parameters
    ----------
    parts : probability of each symbol in parts of ``2**accuracy``, at least 1; their sum is ``2**accuracy``
    accuracy : int

    Notes
    -----
    The order of states is that of RFC 8878, 4.1.1, which a decoder builds from the description; what the encoder
    needs besides follows Duda, arXiv:1311.2540.

    Examples
    --------
    >>> coder = make_coder((16, 8, 8), 5)
    >>> coder.states[:4].tolist(), coder.description.tolist()
    ([32, 33, 34, 37], [16, 243, 1])
    """
    size = 1 << accuracy
    if sum(parts) != size or min(parts) < 1:
        raise ValueError(f"probabilities are at least 1 and add up to {size}, got {sum(parts)}")
    order, place = np.empty(size, np.int64), 0
    for symbol, part in enumerate(parts):
        for _ in range(part):
            order[place] = symbol
            place = (place + (size >> 1) + (size >> 3) + 3) & (size - 1)
    states = (size + np.argsort(order, kind="stable")).astype(np.uint16)
    bits, first, total = [], [], 0
    for part in parts:
        most = accuracy - (part - 1).bit_length() + 1 if part > 1 else accuracy
        bits.append((most << 16) - (part << most))
        first.append(total - part)
        total += part
    return Coder(states, np.array(bits, np.int32), np.array(first, np.int32), _described(parts, accuracy))


def _described(parts: tuple[int, ...], accuracy: int) -> NDArray[np.uint8]:
    """Return the description of a code, RFC 8878, 4.1.1: a value takes a bit less where it cannot be a large one."""
    value, at = accuracy - 5, 4
    left, threshold, width = (1 << accuracy) + 1, 1 << accuracy, accuracy + 1
    for part in parts:
        if left <= 1:
            break
        spare = 2 * threshold - 1 - left
        left -= part
        told = part + 1 + (spare if part + 1 >= threshold else 0)
        value |= told << at
        at += width - (part + 1 < spare)
        while left < threshold:
            width, threshold = width - 1, threshold >> 1
    return np.frombuffer(value.to_bytes(-(-at // 8), "little"), np.uint8)


def described_literals() -> NDArray[np.uint8]:
    """Return the description of the literals' code, RFC 8878, 4.2.1: weights of all bytes but the last, four bits each.

    Examples
    --------
    >>> bytes(described_literals()).hex()
    '89a987654321'
    """
    weights = list(range(LONGEST_CODE, 0, -1))
    pairs = [high << 4 | low for high, low in zip(weights[::2], weights[1::2], strict=True)]
    return np.array([127 + len(weights), *pairs], np.uint8)
