from __future__ import annotations

import numpy as np
import pytest
import zarr
from zarr.storage import MemoryStore

from xfeldask.errors import CorruptStoreError
from xfeldask.physics.photonizing import BINS, histogram_centers
from xfeldask.store.adu_histogram import create_histogram, histogram_array, read_histogram


def test_histogram__is_the_sum_over_the_shards_that_are_done():
    root = zarr.create_group(MemoryStore())
    create_histogram(root, 3, histogram_centers())
    each = np.random.default_rng(1).integers(0, 10**12, (2, BINS))
    array = histogram_array(root)
    for shard, counts in zip((0, 2), each, strict=True):
        array[shard] = counts
    centers, counts = read_histogram(root)
    np.testing.assert_array_equal(centers, histogram_centers())
    np.testing.assert_array_equal(counts, each.sum(axis=0))


def test_histogram__is_cut_so_that_a_shard_owns_its_file():
    root = zarr.create_group(MemoryStore())
    create_histogram(root, 3, histogram_centers())
    assert histogram_array(root).chunks == (1, BINS)


def test_histogram__where_nothing_was_photonized_is_none():
    root = zarr.create_group(MemoryStore())
    assert histogram_array(root) is None
    assert read_histogram(root) is None


def test_histogram__that_is_damaged_is_told(tmp_path):
    root = zarr.create_group(tmp_path / "run.zarr")
    create_histogram(root, 1, histogram_centers())
    histogram_array(root)[0] = np.ones(BINS, np.int64)
    (tmp_path / "run.zarr/photonizing/histogram/c/0/0").write_bytes(b"torn")
    with pytest.raises(CorruptStoreError, match=r"run\.zarr.*: the histogram cannot be read"):
        read_histogram(zarr.open_group(tmp_path / "run.zarr", mode="r"))
