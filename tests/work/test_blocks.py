"""Feature matrices are rows of images, cut into batches, and nothing is computed to build them."""

import pickle

import dask
import dask.array as da
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xfeldask.features.feature import make_feature
from xfeldask.physics.binned_frames import bin_frames
from xfeldask.physics.binning import bin_index, image_grid
from xfeldask.physics.detectors import square
from xfeldask.work.blocks import binned, feature_rows

pytestmark = pytest.mark.rounding

SHAPE = (12, 12)
GRID = image_grid(square(12, 1e-3, 0.1), 1e-10, 1)


@pytest.fixture
def no_computing():
    """Any computation fails."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("building the graph computed something")

    with dask.config.set(scheduler=refuse):
        yield


def photons(shots, chunk):
    """Frames of 2 panels of 8 x 8 pixels, chunked inside a frame too."""
    frames = np.random.default_rng(1).poisson(0.2, (shots, 2, 8, 8)).astype(np.uint8)
    return frames, da.from_array(frames, chunks=(chunk, 1, 3, 8))


@given(
    name=st.sampled_from(["unit_root", "autocorrelation", "radial_profile"]), shots=st.integers(1, 20),
    chunk=st.integers(1, 20), side=st.integers(3, 12), batch=st.none() | st.integers(1, 25),
)  # fmt: skip
def test_feature_rows__are_the_features_of_the_shots(name, shots, chunk, side, batch):
    images = np.random.default_rng(shots).poisson(0.5, (shots, *SHAPE)).astype(np.uint16)
    image = da.from_array(images, chunks=(chunk, side, SHAPE[1]))
    feature = make_feature(name, GRID)
    rows = feature_rows(image, feature, int(np.prod(feature.shape)), batch)
    length = chunk if batch is None else batch
    assert all(n == length for n in rows.chunks[0][:-1])
    assert rows.chunks[0][-1] <= length
    assert rows.dtype == np.float32
    found = rows.compute(scheduler="synchronous")
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, feature(images))


@given(shots=st.integers(1, 20), chunk=st.integers(1, 20), bin=st.integers(1, 9))
def test_binned__are_the_images_of_the_frames(shots, chunk, bin):
    frames, lazy = photons(shots, chunk)
    row, column = (index // bin for index in np.indices((8, 8)))
    side = -(-8 // bin)
    index = np.stack([row * side + column, np.where(column > 0, -1, row * side)]).astype(np.int32)
    images = binned(lazy, index, (side, side))
    assert images.chunks == (lazy.chunks[0], (side,), (side,))
    assert images.dtype == np.uint16
    found = images.compute(scheduler="synchronous")
    assert found.dtype == np.uint16
    np.testing.assert_array_equal(found, bin_frames(frames, index, (side, side)))


def test_feature_rows__of_binned_frames_compute_nothing(no_computing):
    _, lazy = photons(10, 4)
    images = binned(lazy, np.zeros((2, 8, 8), np.int32), SHAPE)
    feature = make_feature("autocorrelation_profile", GRID, n_rings=5)
    assert feature_rows(images, feature, 10, batch=3).chunks == ((3, 3, 3, 1), (10,))


def test_graphs__hold_large_things_once():
    geometry = square(64, 1e-3, 0.1)
    index = bin_index(geometry, 1)
    feature = make_feature("autocorrelation", image_grid(geometry, 1e-10, 1))
    images = binned(da.zeros((30, 1, 64, 64), chunks=(1, 1, 64, 64), dtype=np.uint8), index, (64, 64))
    rows = dask.optimize(feature_rows(images, feature, int(np.prod(feature.shape)), batch=10))[0]
    sizes = sorted(len(pickle.dumps(task)) for task in dict(rows.__dask_graph__()).values())
    assert len(sizes) > 30
    assert sizes[-2] > index.nbytes
    assert sizes[-3] < 4096


def test_graphs__of_the_same_things_have_the_same_keys():
    _, lazy = photons(10, 4)
    index = np.zeros((2, 8, 8), np.int32)
    first, second = (
        feature_rows(binned(lazy, index.copy(), SHAPE), make_feature("autocorrelation", GRID), 23 * 12)
        for _ in range(2)
    )
    assert first.name == second.name
    assert first.name != feature_rows(binned(lazy, index, SHAPE), make_feature("counts", GRID), 144).name
