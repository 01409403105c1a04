"""Photons of shots in the bins of an image, innermost bins first, and where those bins lie on the Ewald sphere."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xfeldask.errors import InputError
from xfeldask.orient.shares import Background
from xfeldask.physics.binning import bin_factor, bin_index, binned_shape, low_q_bin, low_q_index, low_q_shape
from xfeldask.physics.detectors import Geometry, polarization, scattering_vector, solid_angle
from xfeldask.physics.jit import kernel

LEAST_COVERED = 0.25
"""Bins with a smaller fraction of good pixels are left out."""


@dataclass(frozen=True, eq=False)
class Pixels:
    """Bins of an image that a reconstruction looks at, ordered by their distance from the beam.

    Attributes
    ----------
    s : float64 (pixel, 3) [1/m], mean scattering vector of the good pixels of each bin
    factor : float64 (pixel,), what each bin sees of an intensity: good pixels, solid angle and polarization, relative
        to a whole bin at the beam
    index : int64 (pixel,), place in the flattened image
    step : float, width of a bin at the beam [1/m]

    Examples
    --------
    >>> from xfeldask.physics.detectors import square
    >>> pixels = pixels_of(square(64, 1.2e-3, 0.15), 2.7e-10)
    >>> len(pixels.s), pixels.within(3.0)
    (4096, 32)
    """

    s: NDArray[np.float64]
    factor: NDArray[np.float64]
    index: NDArray[np.int64]
    step: float

    def within(self, radius: float) -> int:
        """Return how many of the pixels lie within a radius [bins]: they are the first."""
        return int(np.searchsorted(np.linalg.norm(self.s, axis=1), radius * self.step, "right"))

    @property
    def reach(self) -> float:
        """Radius of the outermost pixel [bins]."""
        return float(np.linalg.norm(self.s[-1]) / self.step)


def pixels_of(geometry: Geometry, wavelength: float, images: str = "image") -> Pixels:
    """Tell where the bins of `image` or `low_q` lie in reciprocal space, and what they see.

    Parameters
    ----------
    geometry : Geometry
    wavelength : [m]
    images : "image" or "low_q"

    Raises
    ------
    InputError
        Other images; no bin of which enough pixels are good.
    """
    if images not in ("image", "low_q"):
        raise InputError(f"shots are reconstructed from image or low_q, not from {images!r}")
    coarse = images == "image"
    bin = bin_factor(geometry) if coarse else low_q_bin(geometry)
    index = bin_index(geometry, bin) if coarse else low_q_index(geometry)
    shape = binned_shape(geometry, bin) if coarse else low_q_shape(geometry)
    used, size = index >= 0, shape[0] * shape[1]
    count = np.bincount(index[used], minlength=size)
    s = scattering_vector(geometry.pixel_position[used], wavelength)
    seen = (solid_angle(geometry) * polarization(geometry))[used]
    factor = np.bincount(index[used], seen, size)
    whole = (bin * geometry.pixel_size / geometry.distance) ** 2
    kept = np.flatnonzero(count >= max(1, LEAST_COVERED * bin * bin))
    if not kept.size:
        raise InputError("no bin of the detector has enough good pixels to reconstruct from; look at its mask")
    middle = np.stack([np.bincount(index[used], s[:, axis], size)[kept] / count[kept] for axis in range(3)], axis=1)
    order = np.argsort(np.linalg.norm(middle, axis=1), kind="stable")
    step = bin * geometry.pixel_size / (geometry.distance * wavelength)
    return Pixels(middle[order], factor[kept][order] / whole, kept[order], float(step))


@dataclass(frozen=True, eq=False)
class SparseFrames:
    """Photons of shots, those of each in ascending order of the pixel.

    Attributes
    ----------
    start : int64 (shot + 1,), photons of shot `i` are those from ``start[i]`` to ``start[i + 1]``
    pixel : uint16 or int32 (event,), number of a pixel of `Pixels`
    count : uint16 (event,)
    background : Background, of these shots, where it is known; it is never taken off counts

    Examples
    --------
    >>> frames = SparseFrames.of(np.array([[0, 3, 1], [0, 0, 0]]), np.array([2, 1]))
    >>> frames.start.tolist(), frames.pixel.tolist(), frames.count.tolist()
    ([0, 2, 2], [0, 1], [1, 3])
    >>> frames.photons(1).tolist()
    [1, 0]
    """

    start: NDArray[np.int64]
    pixel: NDArray[Any]
    count: NDArray[np.uint16]
    background: Background | None = None

    def __len__(self) -> int:
        """Return the number of shots."""
        return len(self.start) - 1

    @classmethod
    def of(cls, images: ArrayLike, index: NDArray[np.int64]) -> Self:
        """List the photons of images.

        Parameters
        ----------
        images : (shot, y, x), or flattened (shot, bin), counts
        index : int64 (pixel,), place of each pixel in a flattened image, as of `Pixels`
        """
        flat = np.asarray(images)
        flat = np.ascontiguousarray(flat.reshape(len(flat), prod(flat.shape[1:])), np.uint16)
        end = np.zeros(len(flat) + 1, np.int64)
        _count_events(flat, index, end)
        pixel = np.empty(end[-1], np.uint16 if len(index) <= np.iinfo(np.uint16).max else np.int32)
        count = np.empty(end[-1], np.uint16)
        _list_events(flat, index, pixel, count)
        return cls(end, pixel, count)

    @classmethod
    def joined(cls, parts: list[Self]) -> Self:
        """Join the shots of several, in their order, without their backgrounds."""
        end = np.cumsum([0, *(len(part.pixel) for part in parts)])
        start = [part.start[:-1] + first for part, first in zip(parts, end, strict=False)]
        pixel, count = (np.concatenate([getattr(part, name) for part in parts]) for name in ("pixel", "count"))
        return cls(np.concatenate([*start, end[-1:]]), pixel, count)

    def __getitem__(self, shots: NDArray[Any]) -> Self:
        """Return some shots, by number or as bool (shot,)."""
        chosen = np.arange(len(self))[shots]
        length = np.diff(self.start)[chosen]
        start = np.concatenate([[0], np.cumsum(length)])
        take = np.arange(start[-1]) + np.repeat(self.start[chosen] - start[:-1], length)
        background = None if self.background is None else self.background[chosen]
        return type(self)(start, self.pixel[take], self.count[take], background)

    def ends(self, pixels: int) -> NDArray[np.int64]:
        """Return where the photons of each shot on the first `pixels` end, int64 (shot,)."""
        end = np.empty(len(self), np.int64)
        _ends(self.start, self.pixel, pixels, end)
        return end

    def photons(self, pixels: int) -> NDArray[np.int64]:
        """Count the photons of each shot on the first `pixels`, int64 (shot,)."""
        total = np.concatenate([[0], np.cumsum(self.count, dtype=np.int64)])
        return np.asarray(total[self.ends(pixels)] - total[self.start[:-1]])

    def mean(self, pixels: int) -> NDArray[np.float64]:
        """Return mean counts of the first `pixels`, float64 (pixel,)."""
        total = np.bincount(self.pixel, self.count, pixels)[:pixels]
        return np.asarray(total / max(1, len(self)))


@kernel
def _count_events(flat: NDArray[np.uint16], index: NDArray[np.int64], end: NDArray[np.int64]) -> None:
    for shot in range(flat.shape[0]):
        n = 0
        for pixel in range(index.size):
            n += flat[shot, index[pixel]] != 0
        end[shot + 1] = end[shot] + n


@kernel
def _list_events(
    flat: NDArray[np.uint16], index: NDArray[np.int64], pixel: NDArray[Any], count: NDArray[np.uint16]
) -> None:
    event = 0
    for shot in range(flat.shape[0]):
        for p in range(index.size):
            if flat[shot, index[p]] != 0:
                pixel[event], count[event] = p, flat[shot, index[p]]
                event += 1


@kernel
def _ends(start: NDArray[np.int64], pixel: NDArray[Any], pixels: int, end: NDArray[np.int64]) -> None:
    for shot in range(end.size):
        low, high = start[shot], start[shot + 1]
        while low < high:
            middle = (low + high) // 2
            if pixel[middle] < pixels:
                low = middle + 1
            else:
                high = middle
        end[shot] = low
