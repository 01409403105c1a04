from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import xfeldask
from tests.images import shots, two_panels
from xfeldask.errors import InputError
from xfeldask.physics.binned_frames import bin_frames
from xfeldask.physics.binning import bin_index, binned_shape
from xfeldask.physics.detectors import assembled_index, make_geometry, square

SEEDS = st.integers(0, 2**32 - 1)


@given(seed=SEEDS, dtype=st.sampled_from([np.uint8, np.uint16]), bin=st.integers(1, 9), height=st.integers(1, 9),
       width=st.integers(1, 9), bright=st.booleans())  # fmt: skip
def test_bin_frames__equals_the_sum_pixel_by_pixel(seed, dtype, bin, height, width, bright):
    geometry = two_panels(seed, height, width)
    rng = np.random.default_rng(seed)
    high = np.iinfo(dtype).max if bright else 2
    frames = rng.integers(0, high, (3, *geometry.shape), endpoint=True) * (rng.random((3, *geometry.shape)) < 0.3)
    frames = frames.astype(dtype)
    row, column = (index[geometry.mask] // bin for index in assembled_index(geometry))
    expected = np.zeros((3, *binned_shape(geometry, bin)), int)
    for image, frame in zip(expected, frames, strict=True):
        np.add.at(image, (row, column), frame[geometry.mask])
    images = bin_frames(frames, bin_index(geometry, bin), expected.shape[1:])
    assert images.dtype == np.uint16
    np.testing.assert_array_equal(images, np.minimum(expected, 65535))


def test_bin_frames__stop_at_full_bins():
    frames = np.full((3, 1, 8, 8), 1024, np.uint16)
    frames[:, 0, 5, 5] = [1022, 1023, 1025]
    images = bin_frames(frames, bin_index(square(8, 1e-3, 0.1), 8), (1, 1))
    assert images.ravel().tolist() == [65534, 65535, 65535]


def test_bin_frames__take_slices_and_read_only_frames():
    geometry = two_panels(1, 8, 8)
    frames = shots(17, 6, geometry.shape).astype(np.uint8)
    index, shape = bin_index(geometry, 3), binned_shape(geometry, 3)
    whole = bin_frames(frames, index, shape)
    np.testing.assert_array_equal(bin_frames(frames[::2], index, shape), whole[::2])
    np.testing.assert_array_equal(bin_frames(np.asfortranarray(frames), index, shape), whole)
    frames.flags.writeable = False
    np.testing.assert_array_equal(bin_frames(frames, index, shape), whole)
    assert bin_frames(frames[:0], index, shape).shape == (0, *shape)


@pytest.mark.parametrize(
    ("frames", "shape", "told"),
    [
        (np.zeros((1, 1, 4, 4), np.float32), (2, 2), "uint8, uint16 or uint32 photons, got float32"),
        (np.zeros((1, 1, 4, 5), np.uint8), (2, 2), "do not fit a bin index"),
        (np.zeros((1, 1, 4, 4), np.uint8), (2, 1), "bin 3 lies outside an image of shape"),
    ],
)
def test_bin_frames__refuse_what_does_not_fit(frames, shape, told):
    with pytest.raises(InputError, match=told):
        bin_frames(frames, bin_index(square(4, 1e-3, 0.1), 2), shape)


def test_bin_frames__make_the_images_of_a_store(tmp_path):
    atoms = (np.random.default_rng(1).normal(size=(30, 3)) * 5e-10, ["C", "N", "O"] * 10)
    beam = {"photon_energy": 4600.0, "photons_per_pulse": 1e15, "focus_radius": 5e-7}
    ds = xfeldask.simulate(
        tmp_path / "run.zarr", particle=atoms, beam=beam, detector="square-256", n_shots=3, progress=False
    )  # fmt: skip
    geometry = make_geometry(ds.pixel_position.values, 76.8e-3 / 256, ds["mask"].values)
    images = bin_frames(ds.photons.values, bin_index(geometry, 2), binned_shape(geometry, 2))
    assert images.sum() == ds.photon_count.sum() > 0
    np.testing.assert_array_equal(images, ds.image.values)
