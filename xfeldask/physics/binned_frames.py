"""Frames reduced to the bins of images."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from xfeldask.errors import InputError
from xfeldask.physics.jit import kernel

FULL = 65535
"""Most photons that a bin holds."""

Images = NDArray[Any]


def bin_frames(photons: Images, bin_index: NDArray[np.int32], image_shape: tuple[int, int]) -> NDArray[np.uint16]:
    """Images of raw frames, as they stand in a store; full bins stay at 65535.

    Parameters
    ----------
    photons : uint8, uint16 or uint32 (shot, panel, ss, fs)
    bin_index : int32 (panel, ss, fs), as of `bin_index`
    image_shape : (y, x)

    Returns
    -------
    uint16 (shot, y, x)

    Raises
    ------
    InputError
        Frames of another type or shape, or an index outside the image.

    Examples
    --------
    >>> from xfeldask.physics.binning import bin_index
    >>> from xfeldask.physics.detectors import square
    >>> frames = np.ones((1, 1, 4, 4), np.uint8)
    >>> bin_frames(frames, bin_index(square(4, 1e-3, 0.1), 2), (2, 2)).tolist()
    [[[4, 4], [4, 4]]]
    """
    if photons.dtype not in (np.uint8, np.uint16, np.uint32):
        raise InputError(f"frames hold uint8, uint16 or uint32 photons, got {photons.dtype}")
    if photons.shape[1:] != bin_index.shape:
        raise InputError(f"frames of shape {photons.shape[1:]} do not fit a bin index of shape {bin_index.shape}")
    if bin_index.max() >= image_shape[0] * image_shape[1]:
        raise InputError(f"bin {bin_index.max()} lies outside an image of shape {image_shape}")
    pixels = np.ascontiguousarray(photons).reshape(len(photons), bin_index.size)
    # most pixels are 0: eight bytes are passed over at a time where they make whole words
    words = pixels.view(np.uint64) if pixels.shape[1] * pixels.itemsize % 8 == 0 else pixels
    images = np.zeros((len(photons), *image_shape), np.uint16)
    _bin_frames(
        words,
        pixels,
        np.ascontiguousarray(bin_index).reshape(-1),
        images.reshape(len(images), image_shape[0] * image_shape[1]),
    )
    return images


def merge_bins(images: Images, factor: int) -> Images:
    """Images whose bins are `factor` x `factor` of those given, counted from bin (0, 0); uint16 and full at 65535.

    Examples
    --------
    >>> merge_bins(np.ones((1, 3, 4), np.uint16), 2).tolist()
    [[[4, 4], [2, 2]]]
    """
    for axis in (1, 2):
        images = np.add.reduceat(images, np.arange(0, images.shape[axis], factor), axis, np.uint32)
    return np.minimum(images, FULL).astype(np.uint16)


@kernel
def _bin_frames(words: Images, pixels: Images, index: NDArray[np.int32], images: NDArray[np.uint16]) -> None:
    per_word = pixels.shape[1] // words.shape[1]
    for shot in range(words.shape[0]):
        for word in range(words.shape[1]):
            if words[shot, word] == 0:
                continue
            for pixel in range(word * per_word, (word + 1) * per_word):
                if index[pixel] >= 0:
                    total = np.int64(images[shot, index[pixel]]) + np.int64(pixels[shot, pixel])
                    images[shot, index[pixel]] = FULL if total > FULL else total
