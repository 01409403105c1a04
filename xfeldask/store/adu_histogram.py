"""How often pixels had how many photons before they were rounded: kept shard by shard, read as a whole."""

from __future__ import annotations

from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from xfeldask.errors import CorruptStoreError, UnreachableError
from xfeldask.store.layout import ALL_CHUNKS, shot_array
from xfeldask.store.packing.codecs import EXACT, compressors, pipeline

GROUP = "photonizing"
PLACE = f"{GROUP}/histogram"


def create_histogram(root: zarr.Group, n_shards: int, centers: NDArray[np.float64]) -> None:
    """Make room for a histogram of each shard.

    Parameters
    ----------
    root : zarr.Group
    n_shards : int
    centers : float64 (bin,), middles of the bins [photons]
    """
    group = root.create_group(GROUP)
    told: dict[str, Any] = {"long_name": "pixels by what they held before it was rounded", "units": "count"}
    with pipeline(EXACT):
        group.create_array(
            "histogram", shape=(n_shards, len(centers)), dtype=np.int64, chunks=(1, len(centers)),
            compressors=compressors(), fill_value=0, dimension_names=("shard", "bin"), attributes=told,
            config=ALL_CHUNKS,
        )  # fmt: skip
        array = group.create_array(
            "center", shape=centers.shape, dtype=centers.dtype, chunks=centers.shape, compressors=compressors(),
            fill_value=0.0, dimension_names=("bin",), attributes={"long_name": "middle of the bin", "units": "count"},
            config=ALL_CHUNKS,
        )  # fmt: skip
    array[...] = centers


def histogram_array(root: zarr.Group) -> zarr.Array[Any] | None:
    """Return the array of histograms (shard, bin), writable; None where nothing was photonized.

    Examples
    --------
    >>> from zarr.storage import MemoryStore
    >>> root = zarr.create_group(MemoryStore())
    >>> histogram_array(root) is None
    True
    >>> create_histogram(root, 3, np.array([0.0, 1.0]))
    >>> histogram_array(root).shape
    (3, 2)
    """
    return shot_array(root, PLACE) if GROUP in root else None


def read_histogram(root: zarr.Group) -> tuple[NDArray[np.float64], NDArray[np.int64]] | None:
    """Return middles of bins [photons] and counts of all shards that are done; None where nothing was photonized.

    Raises
    ------
    CorruptStoreError
        They cannot be read.

    Examples
    --------
    >>> from zarr.storage import MemoryStore
    >>> root = zarr.create_group(MemoryStore())
    >>> create_histogram(root, 2, np.array([0.0, 1.0]))
    >>> histogram = histogram_array(root)
    >>> # what each shard counted
    >>> histogram[0], histogram[1] = [90, 10], [80, 20]
    >>> [found.tolist() for found in read_histogram(root)]
    [[0.0, 1.0], [170, 30]]
    """
    array = histogram_array(root)
    if array is None:
        return None
    try:
        return np.asarray(shot_array(root, f"{GROUP}/center")[...]), np.asarray(array[...]).sum(axis=0)
    except UnreachableError:
        raise
    except (ValueError, OSError, RuntimeError) as error:
        raise CorruptStoreError(f"{root.store_path}: the histogram cannot be read ({error})") from None
