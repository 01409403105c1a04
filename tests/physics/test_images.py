from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import oracles
from tests.images import two_panels
from tests.strategies import examples
from xfeldask.errors import InputError
from xfeldask.formats.frames import scattered
from xfeldask.physics.binned_frames import bin_frames
from xfeldask.physics.binning import bin_index, low_q_index
from xfeldask.physics.detectors import assembled_index, make_geometry, square
from xfeldask.physics.images import Photons, Recorder, joined, photons_of_frames

pytestmark = pytest.mark.rounding

SEEDS = st.integers(0, 2**32 - 1)


def some_events(rng, pixels, n, most):
    """Events of which many lie in the same few pixels."""
    pixel = np.where(rng.random(n) < 0.5, rng.integers(0, min(3, pixels), n), rng.integers(0, pixels, n))
    return pixel.astype(np.uint32), rng.integers(0, most, n, endpoint=True)


def recorded(recorder, *shots):
    """What is kept of shots given by their pixels and counts, and their frames."""
    found = recorder.record(joined([(np.array(pixel, np.uint32), np.array(count)) for pixel, count in shots]))
    return found, scattered(found.photons, recorder.geometry.shape)


@given(seed=SEEDS, dtype=st.sampled_from([np.uint8, np.uint16]), n=st.integers(0, 60),
       most=st.sampled_from([1, 200, 70_000]), height=st.integers(1, 9), width=st.integers(1, 9))  # fmt: skip
@examples(2)
def test_record__equals_the_sum_pixel_by_pixel(seed, dtype, n, most, height, width):
    geometry = two_panels(seed, height, width)
    pixel, count = some_events(np.random.default_rng(seed), geometry.mask.size, n, most)
    every = np.zeros(geometry.mask.size, int)
    np.add.at(every, pixel, count)
    every = every.reshape(geometry.shape) * geometry.mask
    expected = np.minimum(every, np.iinfo(dtype).max).astype(dtype)

    recorder = Recorder(geometry, dtype)
    # a shot is counted as it is whatever lies beside it
    found, frames = recorded(recorder, (pixel[::2], count[::2]), (pixel, count))
    np.testing.assert_array_equal(frames[1], expected)
    assert (np.diff(found.photons.pixel[found.photons.start[1] :]) > 0).all()
    assert found.photons.count.min(initial=1) > 0
    assert found.photon_count[1] == expected.sum(dtype=int)
    assert found.lost_photons[1] == (every - expected).sum()
    row, column = assembled_index(geometry)
    np.testing.assert_array_equal(found.image[1], oracles.binned(expected, row, column, 1, recorder.image_shape))
    low_q = bin_frames(expected[None], low_q_index(geometry), recorder.low_q_shape)[0]
    np.testing.assert_array_equal(found.low_q[1], low_q)


def test_record__bins_as_a_store_does():
    geometry = square(512, 75e-6, 0.1)
    recorder = Recorder(geometry, "uint8")
    found, frames = recorded(recorder, some_events(np.random.default_rng(1), geometry.mask.size, 5000, 30))
    assert recorder.image_shape == recorder.low_q_shape == (128, 128)
    np.testing.assert_array_equal(found.image, bin_frames(frames, bin_index(geometry, 4), (128, 128)))
    np.testing.assert_array_equal(found.low_q, bin_frames(frames, low_q_index(geometry), (128, 128)))
    assert 0 < found.low_q.sum() < found.image.sum()


def test_record__keeps_full_bins_full():
    recorder = Recorder(square(256, 75e-6, 0.1), "uint16")
    found, _ = recorded(recorder, ([0, 1, 0], [65_000, 65_000, 1000]))
    assert (found.photon_count.item(), found.lost_photons.item()) == (65_535 + 65_000, 465)
    assert found.photons.count.tolist() == [65_535, 65_000]
    assert (found.image.max(), found.image.sum()) == (65_535, 65_535)


@given(SEEDS)
@examples(0.67)
def test_record__does_not_depend_on_the_order_of_events(seed):
    rng = np.random.default_rng(seed)
    recorder = Recorder(two_panels(seed), "uint8")
    pixel, count = some_events(rng, recorder.geometry.mask.size, 40, 100)
    order = rng.permutation(len(pixel))
    found, frames = recorded(recorder, (pixel, count), (pixel[order], count[order]))
    for values in (frames, found.image, found.low_q, found.photon_count, found.lost_photons):
        np.testing.assert_array_equal(values[0], values[1])


@pytest.mark.parametrize(
    ("pixel", "count", "told"),
    [
        ([0, 16], [1, 1], "put 1 photons into pixel 16 of a detector of 16 pixels"),
        ([2**32 - 1], [7], "put 7 photons into pixel 4294967295"),
        ([3, 2], [1, -1], "put -1 photons into pixel 2"),
    ],
)
def test_record__refuses_photons_that_cannot_be(pixel, count, told):
    with pytest.raises(InputError, match=told):
        recorded(Recorder(square(4, 1e-3, 0.1), "uint8"), ([3], [1]), (pixel, count))


@given(seed=SEEDS, n=st.integers(0, 4), dtype=st.sampled_from([np.uint8, np.int64, np.uint16]))
def test_photons_of_frames__are_all_photons_of_the_frames(seed, n, dtype):
    frames = np.random.default_rng(seed).poisson(0.3, (n, 2, 3, 5)).astype(dtype)
    photons = photons_of_frames(frames)
    assert (photons.pixel.dtype, photons.count.dtype) == (np.uint32, np.int64)
    shots = list(photons)
    assert len(shots) == n
    for frame, (pixel, count) in zip(frames, shots, strict=True):
        found = np.zeros(frame.size, int)
        found[pixel] = count
        np.testing.assert_array_equal(found.reshape(frame.shape), frame)
        assert (count > 0).all()


def test_photons_of_frames__hand_negative_counts_on_to_be_refused():
    recorder, photons = Recorder(square(2, 1e-3, 0.1), "uint8"), photons_of_frames(np.array([[[[0, -2], [0, 0]]]]))
    with pytest.raises(InputError, match="put -2 photons into pixel 1"):
        recorder.record(photons)


@pytest.mark.parametrize(
    ("frames", "told"),
    [(np.zeros((1, 1, 2, 2)), "got float64"), (np.zeros((1, 2, 2), int), r"\(1, 2, 2\)")],
)
def test_photons_of_frames__refuse_what_is_no_frame(frames, told):
    with pytest.raises(InputError, match=told):
        photons_of_frames(frames)


def test_photons__iterate_over_shots_without_photons_too():
    photons = Photons(np.array([4], np.uint32), np.array([2]), np.array([0, 0, 1, 1]))
    assert [pixel.tolist() for pixel, _ in photons] == [[], [4], []]


def test_record__leaves_bad_pixels_dark():
    geometry = square(4, 1e-3, 0.1)
    mask = np.ones(geometry.shape, bool)
    mask[0, 1, 2] = False
    recorder = Recorder(make_geometry(geometry.pixel_position, geometry.pixel_size, mask), "uint8")
    found, frames = recorded(recorder, ([6, 7], [9, 1]))
    assert (found.photon_count.item(), found.lost_photons.item()) == (1, 0)
    assert (frames.sum(), found.image.sum(), found.low_q.sum()) == (1, 1, 1)
