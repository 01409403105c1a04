"""Codes of lengths against the tables of RFC 8878; frames that are written by them have tests of their own."""

from __future__ import annotations

import numpy as np
import pytest

from xfeldask.store.packing.sequences import (
    LENGTH_BASE,
    LENGTH_BITS,
    LENGTH_CODES,
    MATCH_BASE,
    MATCH_BITS,
    MATCH_CODES,
    put,
)


def test_codes__are_those_of_the_format():
    # RFC 8878, 3.1.1.3.2.1.1: code, first length, bits that follow; match lengths count from 3
    for code, first, bits in ((0, 0, 0), (15, 15, 0), (16, 16, 1), (19, 22, 1), (20, 24, 2), (25, 64, 6), (26, 128, 7),
                              (35, 65536, 16)):  # fmt: skip
        assert (LENGTH_BASE[code], LENGTH_BITS[code]) == (first, bits)
    for code, first, bits in ((0, 3, 0), (31, 34, 0), (32, 35, 1), (36, 43, 2), (42, 99, 5), (43, 131, 7),
                              (52, 65539, 16)):  # fmt: skip
        assert (MATCH_BASE[code] + 3, MATCH_BITS[code]) == (first, bits)


@pytest.mark.parametrize(("base", "bits", "codes"), [(LENGTH_BASE, LENGTH_BITS, LENGTH_CODES),
                                                     (MATCH_BASE, MATCH_BITS, MATCH_CODES)])  # fmt: skip
def test_codes__leave_no_length_out_and_tell_none_twice(base, bits, codes):
    np.testing.assert_array_equal(base[1:], base[:-1] + (1 << bits[:-1].astype(np.int64)))
    for length, code in enumerate(codes):
        assert base[code] <= length < base[code] + (1 << int(bits[code]))


def test_put__writes_the_lowest_byte_first():
    out = np.zeros(6, np.uint8)
    assert put(out, 1, 0x030201, 3) == 4
    assert out.tolist() == [0, 1, 2, 3, 0, 0]
