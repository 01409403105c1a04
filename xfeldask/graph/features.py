"""Feature matrices of stores, one Dask block a shard; nothing here computes."""

from __future__ import annotations

import numpy as np
from dask.array import Array


def counts(image: Array, batch: int) -> Array:
    """Binned photon counts as rows.

    Parameters
    ----------
    image : (shot, y, x) Dask array, whole images in each block
    batch : int, shots a block of the result

    Returns
    -------
    float32 (shot, y * x) Dask array

    Examples
    --------
    >>> import dask.array as da
    >>> counts(da.zeros((10, 4, 5), chunks=(5, 4, 5)), batch=10).chunks
    ((10,), (20,))
    """
    flat = image.reshape(image.shape[0], -1).astype(np.float32)
    rows: Array = flat.rechunk({0: batch, 1: -1})
    return rows
