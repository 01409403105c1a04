"""From photons to what is kept of a shot: its frame, its two images and its totals, the same for every engine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import prod
from typing import Any, NoReturn

import numpy as np
from numpy.typing import DTypeLike, NDArray

from xfeldask.errors import InputError
from xfeldask.physics.binned_frames import FULL
from xfeldask.physics.binning import bin_factor, bin_index, binned_shape, low_q_index, low_q_shape
from xfeldask.physics.detectors import Geometry
from xfeldask.physics.jit import inner_inline_kernel, inner_kernel, kernel

Counts = NDArray[np.integer[Any]]

DIGIT = 11
"""Bits by which pixels are sorted at a time."""


@dataclass(frozen=True, eq=False)
class Photons:
    """Photons of consecutive shots, as a list of events in no order within a shot; iterates over shots.

    Attributes
    ----------
    pixel : uint32 (event,), flat index of a pixel of the detector (panel, ss, fs)
    count : int64 (event,), photons that the event adds to the pixel
    start : int64 (shot + 1,), events of shot `i` are those from ``start[i]`` to ``start[i + 1]``

    Examples
    --------
    >>> photons = Photons(np.array([5, 5, 0], np.uint32), np.array([1, 1, 4]), np.array([0, 2, 3]))
    >>> [(pixel.tolist(), count.tolist()) for pixel, count in photons]
    [([5, 5], [1, 1]), ([0], [4])]
    """

    pixel: NDArray[np.uint32]
    count: NDArray[np.int64]
    start: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.start) - 1

    def __iter__(self) -> Iterator[tuple[NDArray[np.uint32], NDArray[np.int64]]]:
        for first, last in pairwise(self.start.tolist()):
            yield self.pixel[first:last], self.count[first:last]


def checked(photons: Photons, pixels: int) -> Photons:
    """Return photons that somebody else listed as kernels take them, for a detector of some pixels.

    Raises
    ------
    InputError
        Lists that are not of whole numbers, or do not fit each other; a pixel that is not there, a negative count.

    Examples
    --------
    >>> found = checked(Photons(np.array([3], "u1"), np.array([200], "u1"), [0, 1]), pixels=4)
    >>> found.pixel.dtype.name, found.count.dtype.name, found.start.tolist()
    ('uint32', 'int64', [0, 1])
    """
    pixel, count, start = map(np.asarray, (photons.pixel, photons.count, photons.start))
    fits = all(each.ndim == 1 and (each.dtype.kind in "ui" or not each.size) for each in (pixel, count, start))
    start = start.astype(np.int64)
    fits = fits and pixel.size == count.size and start.size > 0
    if not (fits and (np.diff(start, prepend=0, append=pixel.size) >= 0).all()):
        raise InputError(
            "photons are listed by whole numbers: as many pixels as counts, and among them where each shot begins and "
            f"the last one ends, in ascending order; got {pixel.shape}, {count.shape} and {start.shape}"
        )
    impossible = (pixel < 0) | (pixel >= pixels) | (count < 0)
    if impossible.any():
        refuse_event(pixel[impossible][0], count[impossible][0], pixels)
    return Photons(pixel.astype(np.uint32, copy=False), count.astype(np.int64, copy=False), start)


def joined(shots: Sequence[tuple[NDArray[np.uint32], NDArray[np.int64]]]) -> Photons:
    """Join the photons of single shots.

    Examples
    --------
    >>> one, none = (np.array([5, 7], np.uint32), np.array([1, 2])), (np.zeros(0, np.uint32), np.zeros(0, np.int64))
    >>> joined([one, none, one]).start.tolist()
    [0, 2, 2, 4]
    """
    start = np.cumsum([0, *(pixel.size for pixel, _ in shots)])
    pixel, count = (np.concatenate(values) for values in zip(*shots, strict=True))
    return Photons(pixel, count, start)


def photons_of_frames(frames: Counts) -> Photons:
    """List the photons of frames, uint or int (shot, panel, ss, fs).

    Raises
    ------
    InputError
        Frames of another shape, or not of whole numbers.

    Examples
    --------
    >>> photons = photons_of_frames(np.array([[[[0, 3]]], [[[0, 0]]], [[[1, 2]]]]))
    >>> photons.pixel.tolist(), photons.count.tolist(), photons.start.tolist()
    ([1, 0, 1], [3, 1, 2], [0, 1, 1, 3])
    """
    if frames.ndim != 4 or frames.dtype.kind not in "ui":
        raise InputError(f"frames are whole numbers (shot, panel, ss, fs), got {frames.dtype} {frames.shape}")
    # files may have the other order of bytes, which no kernel takes
    flat = np.ascontiguousarray(frames, frames.dtype.newbyteorder("=")).reshape(len(frames), prod(frames.shape[1:]))
    # most pixels are 0: eight bytes are passed over at a time where they make whole words
    words = flat.view(np.uint64) if flat.shape[1] * flat.itemsize % 8 == 0 else flat
    start = np.zeros(len(flat) + 1, np.int64)
    _count_events(words, flat, start)
    pixel, count = np.empty(start[-1], np.uint32), np.empty(start[-1], np.int64)
    _list_events(words, flat, pixel, count)
    return Photons(pixel, count, start)


@dataclass(frozen=True, eq=False)
class Recorded:
    """What is kept of consecutive shots.

    Attributes
    ----------
    photons : Photons, of each pixel that holds any, those of a shot in ascending order
    image : uint16 (shot, y, x)
    low_q : uint16 (shot, low_y, low_x)
    photon_count : int64 (shot,), photons on all pixels
    lost_photons : int64 (shot,), those that pixels were too full for
    """

    photons: Photons
    image: NDArray[np.uint16]
    low_q: NDArray[np.uint16]
    photon_count: NDArray[np.int64]
    lost_photons: NDArray[np.int64]

    def raw(self) -> dict[str, NDArray[Any] | Photons]:
        """Return what a store has of each shot, by name."""
        return {"photons": self.photons, "image": self.image, "low_q": self.low_q}

    def totals(self) -> dict[str, NDArray[np.int64]]:
        """Return the totals of each shot, by name."""
        return {"photon_count": self.photon_count, "lost_photons": self.lost_photons}


class Recorder:
    """Counts photons into frames and images; a bad pixel records nothing, a full pixel or bin stays full.

    Parameters
    ----------
    geometry : Geometry
    dtype : unsigned, of a pixel

    Attributes
    ----------
    geometry : Geometry
    dtype : numpy.dtype
    image_shape : (y, x)
    low_q_shape : (low_y, low_x)

    Examples
    --------
    >>> from xfeldask.physics.detectors import square
    >>> recorder = Recorder(square(2, 1e-3, 0.1), "uint8")
    >>> found = recorder.record(Photons(np.array([3, 0, 3], np.uint32), np.array([200, 1, 60]), np.array([0, 3])))
    >>> found.photons.pixel.tolist(), found.photons.count.tolist(), found.image.tolist()
    ([0, 3], [1, 255], [[[1, 0], [0, 255]]])
    >>> found.photon_count.tolist(), found.lost_photons.tolist()
    ([256], [5])
    """

    def __init__(self, geometry: Geometry, dtype: DTypeLike) -> None:
        bin = bin_factor(geometry)
        self.geometry, self.dtype = geometry, np.dtype(dtype)
        self.image_shape = binned_shape(geometry, bin)
        self.low_q_shape = low_q_shape(geometry)
        # the two lie side by side: a photon waits for memory once
        self._bins = np.stack([bin_index(geometry, bin), low_q_index(geometry)], axis=-1).reshape(-1, 2)

    def record(self, photons: Photons) -> Recorded:
        """Record the photons of shots.

        Raises
        ------
        InputError
            A pixel that is not there, a negative count.
        """
        n, full = len(photons), int(np.iinfo(self.dtype).max)
        image, low_q = (np.zeros((n, *shape), np.uint16) for shape in (self.image_shape, self.low_q_shape))
        pixel, count = photons.pixel.copy(), photons.count.copy()
        start, recorded, lost = np.zeros(n + 1, np.int64), np.zeros(n, np.int64), np.zeros(n, np.int64)
        bad = _record(
            pixel, count, photons.start, self._bins, image.reshape(n, prod(self.image_shape)),
            low_q.reshape(n, prod(self.low_q_shape)), full, start, recorded, lost,
        )  # fmt: skip
        if bad >= 0:
            refuse_event(photons.pixel[bad], photons.count[bad], len(self._bins))
        return Recorded(Photons(pixel[: start[-1]], count[: start[-1]], start), image, low_q, recorded, lost)


def refuse_event(pixel: int, count: int, pixels: int) -> NoReturn:
    """Refuse an event that cannot be, of a detector of some pixels.

    Examples
    --------
    >>> try:
    ...     refuse_event(9, 1, 4)
    ... except InputError as error:
    ...     print(str(error).split(";")[0])
    an engine put 1 photons into pixel 9 of a detector of 4 pixels
    """
    raise InputError(
        f"an engine put {count} photons into pixel {pixel} of a detector of {pixels} pixels; "
        "pixels are counted from 0, photons are not negative"
    )


@kernel
def _record(
    pixel: NDArray[np.uint32],
    count: NDArray[np.int64],
    start: NDArray[np.int64],
    bins: NDArray[np.int32],
    image: NDArray[np.uint16],
    low_q: NDArray[np.uint16],
    full: int,
    end: NDArray[np.int64],
    recorded: NDArray[np.int64],
    lost: NDArray[np.int64],
) -> int:
    """Record shots; return the first event that cannot be, or -1.

    The events of each shot are overwritten with what its pixels hold, behind those of the shot before, up to `end`.
    """
    most = 0
    for shot in range(start.size - 1):
        most = max(most, start[shot + 1] - start[shot])
    spare, other = np.empty(most, np.uint32), np.empty(most, np.int64)
    n = 0
    for shot in range(start.size - 1):
        first, last = start[shot], start[shot + 1]
        for e in range(first, last):
            if pixel[e] >= bins.shape[0] or count[e] < 0:
                return e
        _sort(pixel[first:last], count[first:last], spare, other, bins.shape[0])
        e = first
        while e < last:
            p, photons = int(pixel[e]), 0
            while e < last and pixel[e] == p:
                photons += int(count[e])
                e += 1
            held = min(photons, full)
            if bins[p, 0] < 0 or held == 0:
                continue
            recorded[shot] += held
            lost[shot] += photons - held
            _add(image[shot], bins[p, 0], held)
            if bins[p, 1] >= 0:
                _add(low_q[shot], bins[p, 1], held)
            pixel[n], count[n] = p, held
            n += 1
        end[shot + 1] = n
    return -1


@inner_inline_kernel
def _add(image: NDArray[np.uint16], bin: int, photons: int) -> None:
    image[bin] = min(FULL, int(image[bin]) + photons)


@inner_kernel
def _sort(
    pixel: NDArray[np.uint32],
    count: NDArray[np.int64],
    spare: NDArray[np.uint32],
    other: NDArray[np.int64],
    pixels: int,
) -> None:
    """Sort events by their pixel, which is below `pixels`, by some of its bits at a time, the lowest first."""
    ascending = True
    for e in range(1, pixel.size):
        ascending &= pixel[e] >= pixel[e - 1]
    if ascending:
        return
    place = np.empty(1 << DIGIT, np.int64)
    for shift in range(0, 64, DIGIT):
        if pixels >> shift == 0:
            break
        place[:] = 0
        for e in range(pixel.size):
            place[(pixel[e] >> shift) & (place.size - 1)] += 1
        before = 0
        for digit in range(place.size):
            here = place[digit]
            place[digit] = before
            before += here
        for e in range(pixel.size):
            digit = (pixel[e] >> shift) & (place.size - 1)
            spare[place[digit]], other[place[digit]] = pixel[e], count[e]
            place[digit] += 1
        for e in range(pixel.size):
            pixel[e], count[e] = spare[e], other[e]


@kernel
def _count_events(words: NDArray[Any], flat: Counts, start: NDArray[np.int64]) -> None:
    """Where the events of each shot end, in `start` from its second value on."""
    per_word = flat.shape[1] // words.shape[1] if words.shape[1] else 1
    for shot in range(flat.shape[0]):
        n = 0
        for word in range(words.shape[1]):
            if words[shot, word] != 0:
                for pixel in range(word * per_word, (word + 1) * per_word):
                    n += flat[shot, pixel] != 0
        start[shot + 1] = start[shot] + n


@kernel
def _list_events(words: NDArray[Any], flat: Counts, pixel: NDArray[np.uint32], count: NDArray[np.int64]) -> None:
    """Pixels that are not 0, and what they hold, shot by shot."""
    per_word = flat.shape[1] // words.shape[1] if words.shape[1] else 1
    event = 0
    for shot in range(flat.shape[0]):
        for word in range(words.shape[1]):
            if words[shot, word] != 0:
                for p in range(word * per_word, (word + 1) * per_word):
                    if flat[shot, p] != 0:
                        pixel[event], count[event] = p, flat[shot, p]
                        event += 1
