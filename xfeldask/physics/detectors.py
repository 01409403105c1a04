"""Detectors: where the pixels are, and what follows from it; beam along +z, sample at the origin."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from math import prod

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xfeldask.errors import InputError, UnknownNameError

R_E = 2.8179403205e-15
"""Classical electron radius [m], CODATA 2022."""

HC = 1.23984197386209e-6
"""Planck constant times speed of light [eV m], as in skopi."""

SQUARE_WIDTH = 76.8e-3
SQUARE_DISTANCE = 0.15
_SQUARE_MAX = 8192
MOST_PIXELS = 2**26
"""Pixels of a detector that a file may describe."""
_WIDEST = 1_000_000
"""From one side of a detector to the other."""

# pnCCD of amo86615 in um: pixel [0, 0], then the steps along ss and fs
_PNCCD_PANELS = (
    ((38963.0, 37988.0), (0.0, -75.0), (-75.0, 0.0)),
    ((638.0, -38736.0), (0.0, 75.0), (75.0, 0.0)),
    ((-38961.0, -38436.0), (0.0, 75.0), (75.0, 0.0)),
    ((-636.0, 38288.0), (0.0, -75.0), (-75.0, 0.0)),
)


@dataclass(frozen=True, eq=False)
class Geometry:
    """Pixels of a detector; made by `make_geometry`, which checks them.

    Attributes
    ----------
    pixel_position : float64 (panel, ss, fs, 3) [m], centres
    pixel_size : edge of the square pixels [m]
    mask : bool (panel, ss, fs), True where a pixel is good

    Examples
    --------
    >>> square(4, 1e-3, 0.1).shape
    (1, 4, 4)
    """

    pixel_position: NDArray[np.float64]
    pixel_size: float
    mask: NDArray[np.bool_]

    @property
    def shape(self) -> tuple[int, int, int]:
        """(panel, ss, fs)."""
        panel, ss, fs = self.mask.shape
        return panel, ss, fs

    @cached_property
    def assembled(self) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """What `assembled_index` returns, worked out once."""
        x, y = (self._steps(axis) for axis in (0, 1))
        return y, x

    @cached_property
    def beam_corner(self) -> tuple[float, float]:
        """Row and column where the beam meets the assembled image, in pixels from its corner, worked out once."""
        x, y, _ = self.pixel_position[self.mask].mean(axis=0) / self.pixel_size
        row, column = (pixels[self.mask].mean() for pixels in self.assembled)
        return float(row - y + 0.5), float(column - x + 0.5)

    @cached_property
    def distance(self) -> float:
        """Mean distance of the good pixels along the beam [m], worked out once."""
        return float(self.pixel_position[..., 2][self.mask].mean())

    def _steps(self, axis: int) -> NDArray[np.int32]:
        along = self.pixel_position[..., axis]
        steps = (along - along.min() + self.pixel_size / 2) / self.pixel_size
        index = np.floor(steps).astype(np.int32)
        index.flags.writeable = False
        return np.asarray(index)


def make_geometry(pixel_position: ArrayLike, pixel_size: float, mask: ArrayLike | None = None) -> Geometry:
    """Check the pixels of a detector.

    Parameters
    ----------
    pixel_position : (panel, ss, fs, 3) [m]
    pixel_size : [m]
    mask : (panel, ss, fs), true where good; all good when not given

    Raises
    ------
    InputError
        A shape that does not fit, a position that is not finite or not downstream (z <= 0), a pixel
        size that is not positive, no good pixel.

    Examples
    --------
    >>> make_geometry([[[[0, 0, 0.1]]]], 75e-6).shape
    (1, 1, 1)
    """
    position = np.array(pixel_position, dtype=np.float64)
    if position.ndim != 4 or position.shape[-1] != 3 or position.size == 0:
        raise InputError(f"pixel positions must have shape (panel, ss, fs, 3) [m], got {position.shape}")
    # all at once where nothing is wrong: along an axis of three it takes ten times as long
    if not (np.isfinite(position).all() and (position[..., 2] > 0).all()):
        bad = ~np.isfinite(position).all(axis=-1) | ~(position[..., 2] > 0)
        where = tuple(int(i) for i in np.argwhere(bad)[0])
        raise InputError(
            f"pixel {where} lies at {position[where].tolist()} m; give finite positions with z > 0, "
            "downstream of the sample"
        )
    if not (np.isfinite(pixel_size) and pixel_size > 0):
        raise InputError(f"the pixel size must be positive, got {pixel_size} m")
    wide = max(float(np.ptp(position[..., axis])) for axis in (0, 1)) / pixel_size
    if not wide <= _WIDEST:
        raise InputError(
            f"pixels lie {wide:.3g} times their size of {pixel_size:g} m apart, and no more than {_WIDEST:,} is "
            "possible; give positions and the size in m"
        )
    good = np.ones(position.shape[:3], dtype=np.bool_) if mask is None else np.array(mask, dtype=np.bool_)
    if good.shape != position.shape[:3]:
        raise InputError(f"the mask must have the detector's shape {position.shape[:3]}, got {good.shape}")
    if not good.any():
        raise InputError(f"all {good.size} pixels are masked; true in the mask means a good pixel")
    return Geometry(position, float(pixel_size), good)


def follows_pixels(shape: tuple[int, ...], pixels: tuple[int, int, int]) -> bool:
    """Whether an array has a value for each pixel (panel, ss, fs), in their order: flat, or in rows along fs.

    Panels may be cut into tiles of whole rows, or lie in one slab; rows of all panels in turn are another order.

    Examples
    --------
    >>> [follows_pixels(shape, (2, 4, 6)) for shape in ((48,), (8, 6), (2, 4, 6), (4, 2, 6), (6, 8), (2, 6, 4))]
    [True, True, True, False, False, False]
    >>> follows_pixels((64, 1, 32), (1, 64, 32))
    True
    """
    panels, rows, columns = pixels
    moves_rows = shape == (rows, panels, columns) and panels != rows and 1 not in (panels, rows)
    in_rows = shape[-1:] == (columns,) and not moves_rows
    return prod(shape) == prod(pixels) and (len(shape) == 1 or in_rows)


def wavelength(photon_energy: float) -> float:
    """Wavelength [m] of photons of an energy [eV].

    Raises
    ------
    InputError
        An energy that is not positive and finite.

    Examples
    --------
    >>> wavelength(4600)
    2.6953086388306306e-10
    """
    if not (np.isfinite(photon_energy) and photon_energy > 0):
        raise InputError(f"the photon energy must be positive, got {photon_energy} eV")
    return HC / photon_energy


def scattering_vector(position: ArrayLike, wavelength: float) -> NDArray[np.float64]:
    """Scattering vector s = (P/abs(P) - z) / lambda of pixels downstream, no 2 pi.

    Parameters
    ----------
    position : (..., 3) [m], z > 0
    wavelength : [m]

    Returns
    -------
    float64 (..., 3) [1/m]

    Notes
    -----
    s_z = (z/r - 1) / lambda is evaluated as -(x^2 + y^2) / (r (r + z) lambda), which does not cancel.

    Examples
    --------
    >>> scattering_vector([3.0, 0.0, 4.0], 1e-10).round().tolist()
    [6000000000.0, 0.0, -2000000000.0]
    """
    x, y, z = np.moveaxis(np.asarray(position, dtype=np.float64), -1, 0)
    across = x * x + y * y
    r = np.sqrt(across + z * z)
    return np.stack([x / r, y / r, -across / (r * (r + z))], axis=-1) / wavelength


def solid_angle(geometry: Geometry) -> NDArray[np.float64]:
    """Solid angle of each pixel, area * z / r^3, float64 (panel, ss, fs) [sr].

    Examples
    --------
    >>> round(float(solid_angle(square(1, 1e-3, 0.1))[0, 0, 0]), 9)
    0.0001
    """
    r = length_of(geometry.pixel_position)
    return np.asarray(geometry.pixel_size * geometry.pixel_size * np.abs(geometry.pixel_position[..., 2]) / (r * r * r))


def polarization(geometry: Geometry) -> NDArray[np.float64]:
    """Polarization factor of a beam polarized along x, 1 - (x/r)^2, float64 (panel, ss, fs).

    Examples
    --------
    >>> polarization(make_geometry([[[[3, 0, 4], [0, 3, 4]]]], 1)).round(6).tolist()
    [[[0.64, 1.0]]]
    """
    x = geometry.pixel_position[..., 0]
    return np.asarray(1 - (x / length_of(geometry.pixel_position)) ** 2)


def length_of(position: NDArray[np.float64]) -> NDArray[np.float64]:
    """Length of vectors (..., 2) or (..., 3), as `numpy.linalg.norm` gives it, which takes three times as long.

    Examples
    --------
    >>> length_of(np.array([[3.0, 4.0, 0.0], [0.0, 0.0, 2.0]])).tolist()
    [5.0, 2.0]
    """
    return np.asarray(np.sqrt(sum(axis * axis for axis in np.moveaxis(position, -1, 0))))


def assembled_index(geometry: Geometry) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Row and column of each pixel in the assembled image, int32 (panel, ss, fs) each, read-only.

    Rows go along +y, columns along +x: index = floor((X - Xmin + size/2) / size).

    Examples
    --------
    >>> row, col = assembled_index(square(2, 1e-3, 0.1))
    >>> row.tolist(), col.tolist()
    ([[[0, 0], [1, 1]]], [[[0, 1], [0, 1]]])
    """
    return geometry.assembled


def assembled_shape(geometry: Geometry) -> tuple[int, int]:
    """Rows and columns of the assembled image.

    Examples
    --------
    >>> assembled_shape(builtin_geometry("pnccd-amo86615"))
    (1028, 1040)
    """
    row, col = assembled_index(geometry)
    return int(row.max()) + 1, int(col.max()) + 1


def square(n: int, pixel_size: float, distance: float) -> Geometry:
    """One panel of n x n pixels around the beam, ss along +y and fs along +x; lengths in m.

    Raises
    ------
    InputError
        n outside 1 to 8192, or a size or distance that is not positive.

    Examples
    --------
    >>> square(2, 1e-3, 0.1).pixel_position[0, 1, 0].tolist()
    [-0.0005, 0.0005, 0.1]
    """
    if not 1 <= n <= _SQUARE_MAX:
        raise InputError(f"a square detector has 1 to {_SQUARE_MAX} pixels a side, got {n}")
    at = (np.arange(n) - (n - 1) / 2) * pixel_size
    x, y = np.meshgrid(at, at)
    return make_geometry(np.stack([x, y, np.full_like(x, distance)], axis=-1)[None], pixel_size)


def builtin_geometry(name: str) -> Geometry:
    """Make a detector by name.

    Parameters
    ----------
    name : ``'pnccd-amo86615'``, or ``'square-N'`` for N x N pixels over 76.8 mm at 0.15 m

    Raises
    ------
    UnknownNameError
        Any other name.

    Examples
    --------
    >>> builtin_geometry("square-128").pixel_size
    0.0006
    """
    if name == "pnccd-amo86615":
        return _pnccd()
    found = re.fullmatch(r"square-([1-9]\d*)", name)
    if found is None:
        raise UnknownNameError("detector", name, ["pnccd-amo86615", "square-N", "square-128"])
    n = int(found[1])
    return square(n, SQUARE_WIDTH / n, SQUARE_DISTANCE)


def _pnccd() -> Geometry:
    corner, ss_step, fs_step = np.moveaxis(np.array(_PNCCD_PANELS), 1, 0)
    ss, fs = np.arange(512.0)[:, None, None], np.arange(512.0)[:, None]
    xy = corner[:, None, None] + ss * ss_step[:, None, None] + fs * fs_step[:, None, None]
    z = np.full_like(xy[..., :1], 150_000.0)
    return make_geometry(np.concatenate([xy, z], axis=-1) * 1e-6, 75e-6)
