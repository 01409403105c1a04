"""Bins of images: which pixel falls into which, and where they lie in reciprocal space.

Two images of a shot are kept: `image`, the whole detector in coarse bins, and `low_q`, its middle around the beam in
bins a quarter as wide, where the speckles and the fringes of two particles are still resolved.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xfeldask.errors import InputError
from xfeldask.physics.detectors import Geometry, assembled_index, assembled_shape, scattering_vector

MOST_BIN = 1_000_000
"""Pixels a side of a bin, more than any detector has."""

FINER = 4
"""How much finer than those of `image` the bins of `low_q` are, as far as pixels allow."""

SAME_STEP = 1e-3
"""Relative difference of widths up to which bins are the same: at the rim a pattern then moves by a part of a bin."""


@dataclass(frozen=True, eq=False)
class ImageGrid:
    """Bins of the assembled image in reciprocal space; rows go along +y, columns along +x.

    Attributes
    ----------
    s : float64 (y, x, 2) [1/m], mean scattering vector (x, y) of the good pixels of a bin; where there are none,
        the flat grid through the beam, ``step * (index - center)``
    weight : float32 (y, x), good pixels of a bin over pixels of a full bin
    step : float64 (2,) [1/m], from one row, and one column, to the next at the beam
    center : (row, column) where s is 0, counted in bins from the middle of bin (0, 0)

    Examples
    --------
    >>> from xfeldask.physics.detectors import square
    >>> image_grid(square(4, 1e-3, 0.1), 1e-10, 2).shape
    (2, 2)
    """

    s: NDArray[np.float64]
    weight: NDArray[np.float32]
    step: NDArray[np.float64]
    center: tuple[float, float]

    @property
    def shape(self) -> tuple[int, int]:
        """(y, x)."""
        y, x = self.weight.shape
        return y, x


def bin_factor(geometry: Geometry) -> int:
    """Pixels a side of a bin that bring the assembled image to about 128 bins.

    Examples
    --------
    >>> from xfeldask.physics.detectors import square
    >>> bin_factor(square(512, 1e-3, 0.1))
    4
    """
    return max(1, round(max(assembled_shape(geometry)) / 128))


def binned_shape(geometry: Geometry, bin: int) -> tuple[int, int]:
    """Shape (y, x) of the assembled image in bins of `bin` pixels a side.

    Examples
    --------
    >>> from xfeldask.physics.detectors import square
    >>> binned_shape(square(10, 1e-3, 0.1), 4)
    (3, 3)
    """
    rows, columns = assembled_shape(geometry)
    return -(-rows // bin), -(-columns // bin)


def bin_index(geometry: Geometry, bin: int) -> NDArray[np.int32]:
    """Bin of each pixel as an index into the flattened image, -1 for bad pixels, int32 (panel, ss, fs).

    Raises
    ------
    InputError
        A bin below 1 pixel a side, or larger than any detector.

    Examples
    --------
    >>> from xfeldask.physics.detectors import square
    >>> bin_index(square(4, 1e-3, 0.1), 2)[0, 1].tolist()
    [0, 0, 1, 1]
    """
    if bin < 1:
        raise InputError(f"a bin is at least 1 pixel a side, got {bin}")
    if bin > MOST_BIN:
        raise InputError(f"a bin has no more than {MOST_BIN:,} pixels a side, got {bin:.3g}")
    row, column = assembled_index(geometry)
    flat = row // bin * binned_shape(geometry, bin)[1] + column // bin
    return np.where(geometry.mask, flat, -1).astype(np.int32)


def image_grid(geometry: Geometry, wavelength: float, bin: int) -> ImageGrid:
    """Where the bins of `bin` pixels a side lie in reciprocal space, for a wavelength in m.

    Raises
    ------
    InputError
        A bin below 1 pixel a side, a wavelength that is not positive.

    Examples
    --------
    >>> from xfeldask.physics.detectors import builtin_geometry, wavelength
    >>> grid = image_grid(builtin_geometry("pnccd-amo86615"), wavelength(4600), 8)
    >>> grid.shape, (grid.step / 1e6).round(2).tolist()
    ((129, 130), [14.84, 14.84])
    """
    index, shape = bin_index(geometry, bin), binned_shape(geometry, bin)
    return _grid_of(geometry, wavelength, index, shape, bin, _image_center(geometry, bin))


def image_axes(geometry: Geometry, wavelength: float, bin: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Scattering vectors along y of the rows and along x of the columns of an image, for small angles.

    Parameters
    ----------
    geometry : Geometry
    wavelength : [m]
    bin : pixels a side

    Returns
    -------
    y, x : float64 (y,) and (x,) [1/m]

    Raises
    ------
    InputError
        A wavelength that is not positive.

    Examples
    --------
    >>> from xfeldask.physics.detectors import square
    >>> y, x = image_axes(square(4, 1e-3, 0.1), 1e-10, 2)
    >>> (x / 1e6).round().tolist()
    [-100.0, 100.0]
    """
    step, center = _step(geometry, wavelength, bin), _image_center(geometry, bin)
    return _axes(binned_shape(geometry, bin), step, center)


def low_q_bin(geometry: Geometry) -> int:
    """Pixels a side of a bin of `low_q`.

    Examples
    --------
    >>> from xfeldask.physics.detectors import square
    >>> low_q_bin(square(1024, 1e-3, 0.1))
    2
    """
    return max(1, bin_factor(geometry) // FINER)


def low_q_shape(geometry: Geometry) -> tuple[int, int]:
    """Shape of `low_q`, that of `image` made even, so that the beam meets a corner of four bins.

    Examples
    --------
    >>> from xfeldask.physics.detectors import square
    >>> low_q_shape(square(1000, 1e-3, 0.1))
    (126, 126)
    """
    y, x = binned_shape(geometry, bin_factor(geometry))
    return y + y % 2, x + x % 2


def low_q_index(geometry: Geometry) -> NDArray[np.int32]:
    """Bin of each pixel as an index into the flattened `low_q`, -1 for bad pixels and those outside.

    Examples
    --------
    >>> from xfeldask.physics.detectors import square
    >>> low_q_index(square(4, 1e-3, 0.1))[0, 1].tolist()
    [4, 5, 6, 7]
    """
    bin, (height, width) = low_q_bin(geometry), low_q_shape(geometry)
    row, column = (
        np.floor((index - round(center)) / bin).astype(np.int32) + half
        for index, center, half in zip(
            assembled_index(geometry), geometry.beam_corner, (height // 2, width // 2), strict=True
        )
    )
    inside = (row >= 0) & (row < height) & (column >= 0) & (column < width) & geometry.mask
    return np.where(inside, row * width + column, -1).astype(np.int32)


def low_q_grid(geometry: Geometry, wavelength: float) -> ImageGrid:
    """Where the bins of `low_q` lie in reciprocal space, for a wavelength in m.

    Raises
    ------
    InputError
        A wavelength that is not positive.

    Examples
    --------
    >>> from xfeldask.physics.detectors import square, wavelength
    >>> low_q_grid(square(4, 1e-3, 0.1), wavelength(4600)).center
    (1.5, 1.5)
    """
    index, shape = low_q_index(geometry), low_q_shape(geometry)
    return _grid_of(geometry, wavelength, index, shape, low_q_bin(geometry), _low_q_center(geometry))


def low_q_axes(geometry: Geometry, wavelength: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Scattering vectors along y of the rows and along x of the columns of `low_q`, as `image_axes` gives them.

    Examples
    --------
    >>> from xfeldask.physics.detectors import square
    >>> y, x = low_q_axes(square(4, 1e-3, 0.1), 1e-10)
    >>> (y / 1e6).round().tolist()
    [-150.0, -50.0, 50.0, 150.0]
    """
    step = _step(geometry, wavelength, low_q_bin(geometry))
    return _axes(low_q_shape(geometry), step, _low_q_center(geometry))


def _image_center(geometry: Geometry, bin: int) -> tuple[float, float]:
    row, column = (corner / bin - 0.5 for corner in geometry.beam_corner)
    return row, column


def _low_q_center(geometry: Geometry) -> tuple[float, float]:
    bin, shape = low_q_bin(geometry), low_q_shape(geometry)
    row, column = (
        (exact - round(exact)) / bin + size // 2 - 0.5 for exact, size in zip(geometry.beam_corner, shape, strict=True)
    )
    return row, column


def _grid_of(
    geometry: Geometry,
    wavelength: float,
    index: NDArray[np.int32],
    shape: tuple[int, int],
    bin: int,
    center: tuple[float, float],
) -> ImageGrid:
    step = _step(geometry, wavelength, bin)
    used = index >= 0
    s = scattering_vector(geometry.pixel_position[used], wavelength)
    total = [np.bincount(index[used], s[:, axis], shape[0] * shape[1]).reshape(shape) for axis in (0, 1)]
    count = np.bincount(index[used], minlength=shape[0] * shape[1]).reshape(shape)
    return _grid(np.stack(total, axis=-1), count, bin * bin, step, center)


def _step(geometry: Geometry, wavelength: float, bin: int) -> NDArray[np.float64]:
    """From one row, and one column, to the next, float64 (2,) [1/m]."""
    if not (np.isfinite(wavelength) and wavelength > 0):
        raise InputError(f"the wavelength must be positive, got {wavelength} m")
    z = geometry.distance / geometry.pixel_size
    return np.full(2, bin / (z * wavelength))


def _axes(
    shape: tuple[int, ...], step: NDArray[np.float64], center: tuple[float, float]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    y, x = (width * (np.arange(n) - middle) for n, width, middle in zip(shape, step, center, strict=True))
    return y, x


def _grid(
    total: NDArray[np.float64], count: NDArray[Any], full: int, step: NDArray[np.float64], center: tuple[float, float]
) -> ImageGrid:
    y, x = _axes(count.shape, step, center)
    some = (count > 0)[..., None]
    s = np.where(some, total / np.where(some, count[..., None], 1), np.stack(np.meshgrid(x, y), axis=-1))
    return ImageGrid(s, (count / full).astype(np.float32), step, center)
