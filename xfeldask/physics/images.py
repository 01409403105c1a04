"""From photons to what is kept of a shot: its frame, its two images and its totals, the same for every engine."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from math import prod
from typing import Any, NamedTuple, NoReturn

import numpy as np
from numpy.typing import NDArray

from xfeldask.errors import InputError
from xfeldask.physics.binned_frames import FULL
from xfeldask.physics.binning import bin_factor, bin_index, binned_shape, low_q_index, low_q_shape
from xfeldask.physics.detectors import Geometry
from xfeldask.physics.jit import kernel

Counts = NDArray[np.integer[Any]]


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

    def __iter__(self) -> Iterator[tuple[NDArray[np.uint32], NDArray[np.int64]]]:
        for first, last in pairwise(self.start.tolist()):
            yield self.pixel[first:last], self.count[first:last]


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


class Totals(NamedTuple):
    """Photons counted in a shot, and those lost to full pixels.

    Examples
    --------
    >>> from xfeldask.physics.detectors import square
    >>> recorder, photons = Recorder(square(4, 1e-3, 0.1)), np.zeros((1, 4, 4), np.uint8)
    >>> image, low_q = np.zeros(recorder.image_shape, np.uint16), np.zeros(recorder.low_q_shape, np.uint16)
    >>> recorder.record(np.array([5], np.uint32), np.array([300]), photons, image, low_q)
    Totals(photon_count=255, lost_photons=45)
    """

    photon_count: int
    lost_photons: int


class Recorder:
    """Counts photons into frames and images; a bad pixel records nothing, a full pixel or bin stays full.

    Parameters
    ----------
    geometry : Geometry

    Attributes
    ----------
    geometry : Geometry
    image_shape : (y, x)
    low_q_shape : (low_y, low_x)

    Examples
    --------
    >>> from xfeldask.physics.detectors import square
    >>> recorder = Recorder(square(2, 1e-3, 0.1))
    >>> frame = np.zeros((1, 2, 2), np.uint8)
    >>> image, low_q = np.zeros(recorder.image_shape, np.uint16), np.zeros(recorder.low_q_shape, np.uint16)
    >>> recorder.record(np.array([3, 0, 3], np.uint32), np.array([200, 1, 60]), frame, image, low_q)
    Totals(photon_count=256, lost_photons=5)
    >>> frame.tolist(), image.tolist()
    ([[[1, 0], [0, 255]]], [[1, 0], [0, 255]])
    """

    def __init__(self, geometry: Geometry) -> None:
        bin = bin_factor(geometry)
        self.geometry = geometry
        self.image_shape = binned_shape(geometry, bin)
        self.low_q_shape = low_q_shape(geometry)
        # the two lie side by side: a photon waits for memory once
        self._bins = np.stack([bin_index(geometry, bin), low_q_index(geometry)], axis=-1).reshape(-1, 2)

    def record(
        self,
        pixel: NDArray[np.uint32],
        count: NDArray[np.int64],
        frame: NDArray[np.unsignedinteger],
        image: NDArray[np.uint16],
        low_q: NDArray[np.uint16],
    ) -> Totals:
        """Add the photons of a shot to arrays that hold none yet.

        Parameters
        ----------
        pixel, count : of the shot's events, see `Photons`
        frame : unsigned (panel, ss, fs), zeros, contiguous as the other two are
        image : uint16 (y, x), zeros
        low_q : uint16 (low_y, low_x), zeros

        Returns
        -------
        Totals

        Raises
        ------
        InputError
            A pixel that is not there, a negative count, arrays that are not contiguous or of another shape.
        """
        shapes = frame.shape, image.shape, low_q.shape
        if shapes != (self.geometry.shape, self.image_shape, self.low_q_shape):
            raise InputError(f"a frame and images of shapes {shapes} are not those of the detector")
        if not all(array.flags.c_contiguous for array in (frame, image, low_q)):
            raise InputError("photons are counted into contiguous arrays only; pass np.ascontiguousarray's result")
        full = int(np.iinfo(frame.dtype).max)
        flat, small, middle = frame.reshape(-1), image.reshape(-1), low_q.reshape(-1)
        recorded, lost, bad = _record(pixel, count, self._bins, flat, small, middle, full)
        if bad >= 0:
            refuse_event(pixel[bad], count[bad], frame.size)
        return Totals(recorded, lost)

    def count(self, pixel: NDArray[np.uint32], count: NDArray[np.int64], frame: NDArray[np.unsignedinteger]) -> None:
        """Add the photons of a shot to a frame alone; parameters and errors as of `record`.

        Examples
        --------
        >>> from xfeldask.physics.detectors import square
        >>> frame = np.zeros((1, 2, 2), np.uint8)
        >>> Recorder(square(2, 1e-3, 0.1)).count(np.array([3, 0, 3], np.uint32), np.array([200, 1, 60]), frame)
        >>> frame.tolist()
        [[[1, 0], [0, 255]]]
        """
        flat = frame.reshape(-1)
        bad = _count_frame(pixel, count, self._bins, flat, int(np.iinfo(frame.dtype).max))
        if bad >= 0:
            refuse_event(pixel[bad], count[bad], frame.size)


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
def _count_frame(
    pixel: NDArray[np.uint32],
    count: NDArray[np.int64],
    bins: NDArray[np.int32],
    frame: NDArray[np.unsignedinteger],
    full: int,
) -> int:
    """Add events to a flat frame; return the first event that cannot be, or -1."""
    for e in range(pixel.size):
        p = np.int64(pixel[e])
        if p >= frame.size or count[e] < 0:
            return e
        if bins[p, 0] >= 0:
            frame[p] += min(count[e], full - np.int64(frame[p]))
    return -1


@kernel
def _record(
    pixel: NDArray[np.uint32],
    count: NDArray[np.int64],
    bins: NDArray[np.int32],
    frame: NDArray[np.unsignedinteger],
    image: NDArray[np.uint16],
    low_q: NDArray[np.uint16],
    full: int,
) -> tuple[int, int, int]:
    """Add events to flat arrays; returns photons recorded and lost, and the first event that cannot be, or -1."""
    recorded = lost = 0
    for e in range(pixel.size):
        p = np.int64(pixel[e])
        if p >= frame.size or count[e] < 0:
            return recorded, lost, e
        if bins[p, 0] < 0:
            continue
        held = min(count[e], full - np.int64(frame[p]))
        frame[p] += held
        recorded += held
        lost += count[e] - held
        image[bins[p, 0]] = min(FULL, np.int64(image[bins[p, 0]]) + held)
        if bins[p, 1] >= 0:
            low_q[bins[p, 1]] = min(FULL, np.int64(low_q[bins[p, 1]]) + held)
    return recorded, lost, -1


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
