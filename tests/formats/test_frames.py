from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from xfeldask.formats.frames import columns_of, events_of, photon_type, scattered
from xfeldask.formats.shot_columns import ShotColumn
from xfeldask.physics.images import photons_of_frames


def holding(values):
    """Return frames (shot, panel, ss, fs) with no more than what all frames must have."""
    return SimpleNamespace(n_shots=len(values), read=lambda shots: values[shots.start : shots.stop])


@given(arrays(np.uint16, (4, 1, 3, 5), elements=st.integers(0, 3)))
def test_events__scattered_again_are_the_frames(values):
    np.testing.assert_array_equal(scattered(events_of(holding(values), range(1, 4)), (1, 3, 5)), values[1:])


def test_events__of_listed_frames_are_not_spread_out():
    values = np.ones((2, 1, 2, 2), np.uint8)
    frames = holding(values)
    frames.photons = lambda shots: photons_of_frames(values[shots.start : shots.stop] * 3)
    assert events_of(frames, range(1)).count.tolist() == [3] * 4


@pytest.mark.parametrize(
    ("dtype", "brightest", "told"),
    [
        (np.uint8, 0, "uint8"),
        (np.uint16, 0, "uint16"),
        # of what could hold more, a pixel may hold four times as much as those that are seen, and 256 at least
        (np.uint32, 0, "uint16"),
        (np.uint32, 16_383, "uint16"),
        (np.int64, 16_384, "uint32"),
    ],
)
def test_photon_type__holds_what_pixels_may(dtype, brightest, told):
    values = np.zeros((3, 1, 2, 2), dtype)
    values[2, 0, 1, 1] = brightest
    assert photon_type(holding(values)) == told


@pytest.mark.parametrize(("largest", "told"), [(1, "uint8"), (255, "uint8"), (256, "uint16"), (2**16, "uint32")])
def test_photon_type__is_what_frames_say_themselves(largest, told):
    frames = holding(np.zeros((1, 1, 2, 2), np.int64))
    frames.largest = largest
    assert photon_type(frames) == told


def test_columns__are_none_where_frames_tell_of_none():
    frames = holding(np.zeros((1, 1, 2, 2)))
    assert columns_of(frames) == {}
    column = ShotColumn(np.array([4]), "train")
    frames.columns = lambda: {"train": column}
    assert columns_of(frames) == {"train": column}
