"""Images of shots as rows: their counts, scaled or cropped.

Rows do not know of one another: however shots are cut into batches, their bits are the same.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy
from numpy.typing import NDArray

from xfeldask.errors import InputError
from xfeldask.physics.binning import ImageGrid

Images = NDArray[Any]
Rows = NDArray[np.float32]


def counts(images: Images) -> Rows:
    """Photons of every bin, (shot, y * x) [count].

    Raises
    ------
    InputError
        Images that are not (shot, y, x), or hold anything but finite numbers of 0 and above; so do all features.

    Examples
    --------
    >>> counts(np.array([[[0, 3], [1, 0]]])).tolist()
    [[0.0, 3.0, 1.0, 0.0]]
    """
    if images.ndim != 3:
        raise InputError(f"images must have shape (shot, y, x), got {images.shape}")
    rows = np.ascontiguousarray(images, np.float32).reshape(len(images), images.shape[1] * images.shape[2])
    if images.dtype.kind != "u" and not ((rows >= 0) & (rows < np.inf)).all():
        raise InputError("images must hold finite numbers of photons, 0 or more; set bins without pixels to 0")
    return rows


def normalised(images: Images) -> Rows:
    """Photons of every bin over those of the shot, (shot, y * x); each row sums to 1, or is 0 without photons.

    Examples
    --------
    >>> normalised(np.array([[[0, 3], [1, 0]]])).tolist()
    [[0.0, 0.75, 0.25, 0.0]]
    """
    rows = counts(images)
    out = np.zeros(rows.shape, np.float32)
    # shot by shot: a sum over an axis may round by how many shots there are
    for row, share in zip(rows, out, strict=True):
        total = row.sum(dtype=np.float64)
        if total > 0:
            np.divide(row, total, out=share, casting="same_kind")
    return out


def variance_stabilised(images: Images) -> Rows:
    """Return counts n of nearly equal variance, 2 sqrt(n + 3/8) less its value at 0, (shot, y * x).

    Notes
    -----
    F. J. Anscombe, Biometrika 35, 246 (1948): the variance of a Poisson count is then 1, for means above about 4.

    Examples
    --------
    >>> variance_stabilised(np.array([[[0, 10]]])).round(3)
    array([[0.   , 5.217]], dtype=float32)
    """
    offset = np.float32(0.375)
    return np.asarray(np.float32(2) * (np.sqrt(counts(images) + offset) - np.sqrt(offset)))


def unit_root(images: Images) -> Rows:
    """Square root of the counts, of norm 1, (shot, y * x); 0 without photons.

    Examples
    --------
    >>> unit_root(np.array([[[9, 16]]]))
    array([[0.6, 0.8]], dtype=float32)
    """
    return np.asarray(np.sqrt(normalised(images)))


def fourier_crop(images: Images, n: int) -> Rows:
    """Images brought to n x n by keeping their n x n lowest frequencies, (shot, n * n) [count].

    Sums are kept; of an even n the frequency -n/2 is kept and n/2 is not, and the real part is taken.

    Raises
    ------
    InputError
        An n below 1 or above a side of the images.

    Examples
    --------
    >>> fourier_crop(np.ones((1, 4, 6)), 2).round(6).tolist()
    [[6.0, 6.0, 6.0, 6.0]]
    """
    rows = counts(images)
    shape = images.shape[1:]
    if not 1 <= n <= min(shape):
        raise InputError(f"images of {shape[0]} x {shape[1]} are cropped to 1 to {min(shape)} a side, got {n}")
    low = np.r_[0 : (n + 1) // 2, -(n // 2) : 0]
    out = np.empty((len(rows), n * n), np.float32)
    for row, kept in zip(rows, out, strict=True):
        spectrum = scipy.fft.fft(scipy.fft.fft(row.reshape(shape), axis=1)[:, low], axis=0)[low]
        kept[:] = scipy.fft.ifft2(spectrum).real.reshape(-1)
    return out


def good(images: Images, grid: ImageGrid) -> Images:
    """Images without what bins of no good pixel hold.

    Raises
    ------
    InputError
        Images of another shape than the grid's.

    Examples
    --------
    >>> from xfeldask.physics.binning import image_grid
    >>> from xfeldask.physics.detectors import square
    >>> grid = image_grid(square(2, 1e-3, 0.1), 1e-10, 1)
    >>> grid.weight[0, 1] = 0
    >>> good(np.array([[[5, 5], [5, 5]]]), grid).tolist()
    [[[5, 0], [5, 5]]]
    """
    if images.shape[1:] != grid.shape:
        raise InputError(f"images of shape (shot, y, x) must fit the grid's {grid.shape}, got {images.shape}")
    return np.where(grid.weight > 0, images, 0)
