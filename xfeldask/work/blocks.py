"""Feature matrices of shots, block by block; nothing here computes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from dask.array import Array, from_array, map_blocks
from dask.delayed import delayed
from numpy.typing import NDArray

from xfeldask.physics.binned_frames import bin_frames
from xfeldask.store.results.background_rows import OF_SHOT, BackgroundRows
from xfeldask.store.results.model import Features


def raw_rows(raw: Array, made: Features, batch: int) -> Array:
    """Make features of shots, float32 (shot, feature), in batches.

    Parameters
    ----------
    raw : (shot, ...) Dask array of what `made` needs
    made : Features
    batch : int, shots
    """
    images = raw if made.index is None else binned(raw, made.index, made.image_shape)
    return feature_rows(images, made, made.size, batch)


def less_background(rows: Array, under: BackgroundRows, told: dict[str, NDArray[Any]]) -> Array:
    """Take features of the background off those of shots, block by block.

    Parameters
    ----------
    rows : float32 (shot, feature) Dask array
    under : BackgroundRows
    told : arrays (shot,), as of `background_of_shots`

    Examples
    --------
    >>> import dask.array as da
    >>> under, told = BackgroundRows(np.ones((1, 2), np.float32)), {"background_weight": np.arange(3.0)}
    >>> told["background_cell"] = np.zeros(3, int)
    >>> less_background(da.full((3, 2), 5.0, chunks=(2, 2)), under, told).compute().tolist()
    [[5.0, 5.0], [4.0, 4.0], [3.0, 3.0]]
    """
    both = np.stack([told[name].astype(np.float64) for name in OF_SHOT], axis=1)
    of_shots = from_array(both, chunks=(rows.chunks[0], -1))
    found: Array = map_blocks(
        _less, rows, of_shots, delayed(under, pure=True), chunks=rows.chunks, dtype=rows.dtype, meta=rows._meta
    )
    return found


def _less(rows: NDArray[Any], of_shots: NDArray[np.float64], under: BackgroundRows) -> NDArray[Any]:
    told = dict(zip(OF_SHOT, (of_shots[:, 0].astype(np.float32), of_shots[:, 1].astype(np.int32)), strict=True))
    return rows - under.expected(told)


def feature_rows(
    image: Array, feature: Callable[[NDArray[Any]], NDArray[np.float32]], n_features: int, batch: int | None = None
) -> Array:
    """Features of shots as rows, made a block of images at a time and then cut into batches.

    Parameters
    ----------
    image : (shot, y, x) Dask array
    feature : callable, images (shot, y, x) to float32 (shot, n_features); a node of the graph, sent once
    n_features : int
    batch : int, shots a block of the result; when not given, the blocks of `image`

    Returns
    -------
    float32 (shot, n_features) Dask array

    Examples
    --------
    >>> import dask.array as da
    >>> from xfeldask.features.rows import unit_root
    >>> feature_rows(da.ones((10, 4, 5), chunks=(5, 4, 5)), unit_root, 20, batch=10).chunks
    ((10,), (20,))
    """
    whole = image.rechunk({1: -1, 2: -1})
    rows: Array = whole.map_blocks(
        _rows_of,
        delayed(feature, pure=True),
        chunks=(whole.chunks[0], (n_features,)),
        drop_axis=2,
        meta=np.empty((0, 0), np.float32),
    )
    return rows if batch is None else rows.rechunk({0: batch})


def binned(photons: Array, bin_index: NDArray[np.int32], image_shape: tuple[int, int]) -> Array:
    """Images of raw frames in one pass over them, as `xfeldask.physics.binned_frames.bin_frames` makes them.

    Parameters
    ----------
    photons : uint8 or uint16 (shot, panel, ss, fs) Dask array
    bin_index : int32 (panel, ss, fs); a node of the graph, sent once
    image_shape : (y, x)

    Returns
    -------
    uint16 (shot, y, x) Dask array

    Examples
    --------
    >>> import dask.array as da
    >>> frames = da.ones((10, 1, 4, 4), chunks=(5, 1, 2, 4), dtype=np.uint8)
    >>> binned(frames, np.zeros((1, 4, 4), np.int32), (1, 1)).chunks
    ((5, 5), (1,), (1,))
    """
    whole = photons.rechunk({1: -1, 2: -1, 3: -1})
    y, x = image_shape
    images: Array = whole.map_blocks(
        bin_frames,
        delayed(bin_index, pure=True),
        image_shape,
        chunks=(whole.chunks[0], (y,), (x,)),
        drop_axis=3,
        meta=np.empty((0, 0, 0), np.uint16),
    )
    return images


def _rows_of(images: NDArray[Any], feature: Callable[[NDArray[Any]], NDArray[np.float32]]) -> NDArray[np.float32]:
    return feature(images)
