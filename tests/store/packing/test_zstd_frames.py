from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numcodecs import zstd

from tests.strategies import examples
from xfeldask.physics.images import photons_of_frames
from xfeldask.store.packing.zstd_frames import BLOCK, LEAST, SPARSE, compress, compress_listed

LEVEL = 1
SIZES = [LEAST, LEAST + 32, BLOCK - 32, BLOCK, BLOCK + 32, 3 * BLOCK]


def unpacked(packed: bytes) -> np.ndarray:
    return np.frombuffer(zstd.decompress(packed), np.uint8)


@st.composite
def arrays(draw):
    """Bytes of which few are not zero: anywhere, close together, at both ends."""
    size = draw(st.sampled_from(SIZES))
    n = draw(st.sampled_from([0, 1, 2, 5, 40, size // 1000, size // SPARSE]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    places = (size * rng.random(n) ** draw(st.sampled_from([1, 6]))).astype(np.int64)
    array = np.zeros(size, np.uint8)
    array[places] = rng.integers(1, draw(st.sampled_from([2, 11, 12, 256])), n)
    for end in draw(st.sets(st.sampled_from([0, size - 1]))):
        array[end] = 1
    return array


@examples(1)
@given(arrays())
def test_compress__is_read_by_zstandard(array):
    np.testing.assert_array_equal(unpacked(compress(array, LEVEL)), array)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_compress__takes_any_shape_and_type(dtype):
    array = np.zeros((4, 64, 64), dtype)
    array[2, 3, 4] = 300 % 256
    np.testing.assert_array_equal(unpacked(compress(array, LEVEL)).view(dtype).reshape(array.shape), array)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_compress_listed__makes_the_same_of_each_frame(dtype):
    rng = np.random.default_rng(4)
    frames = np.zeros((6, 1, 128, 256), dtype)
    for frame, n in zip(frames, [0, 1, 300, 3000, 30_000, 2], strict=True):
        frame.reshape(-1)[rng.integers(0, frame.size, n)] = rng.choice([0, 1, 1, 255, 256], n).astype(dtype)
    packed = compress_listed(photons_of_frames(frames), frames[0].size, frames.dtype, LEVEL)
    assert packed == [compress(frame, LEVEL) for frame in frames]


@pytest.mark.parametrize("gap", range(1, 40))
def test_compress__keeps_runs_of_any_length(gap):
    array = np.zeros(BLOCK + LEAST, np.uint8)
    array[: gap * 150 : gap] = 1
    np.testing.assert_array_equal(unpacked(compress(array, LEVEL)), array)


def test_compress__leaves_to_zstandard_what_is_dense_or_small():
    for array in (np.ones(BLOCK, np.uint8), np.zeros(LEAST - 32, np.uint8), np.zeros(LEAST + 8, np.uint8)):
        assert compress(array, LEVEL) == bytes(zstd.compress(array, LEVEL, True))


def test_compress__of_a_frame_is_no_larger_than_what_zstandard_makes_of_it():
    rng = np.random.default_rng(2)
    away = rng.gamma(2, 40, (700, 1)) * rng.normal(size=(700, 2))
    frame = np.zeros((1024, 1024), np.uint8)
    np.add.at(frame, tuple(np.clip(512 + away, 0, 1023).astype(int).T), 1)
    assert len(compress(frame, LEVEL)) < 1.15 * len(zstd.compress(frame, LEVEL, True))


def test_compress__has_a_checksum_that_sees_what_crc_would_not_be_asked_for():
    frame = np.zeros(4 * BLOCK, np.uint8)
    frame[::5000] = 3
    good = compress(frame, LEVEL)
    for at in range(9, len(good), 3):
        bad = bytearray(good)
        bad[at] ^= 1 << at % 8
        try:
            found = unpacked(bytes(bad))
        except RuntimeError:
            continue
        np.testing.assert_array_equal(found, frame)
