"""Dragonfly's photon files: binary, sparse or dense, and two forms of HDF5.

The layouts are those of Dragonfly (Ayyer et al., J. Appl. Cryst. 49, 1320, 2016; https://github.com/duaneloh/Dragonfly)
and of emcfile (https://pypi.org/project/emcfile). Pixels are counted along the detector file; one photon is a place
among the ones, more are a place and a count.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
from numpy.typing import NDArray

from xfeldask.errors import FormatError, InputError, MissingPhotonEnergyError
from xfeldask.formats.arrays import ArrayFrames
from xfeldask.formats.frames import scattered
from xfeldask.formats.hdf5 import holds, number, open_hdf5, reading, refuse_endless
from xfeldask.formats.shot_columns import ShotColumn, columns_of_group
from xfeldask.physics.detectors import Geometry, wavelength
from xfeldask.physics.images import Counts, Photons

HEADER_BYTES = 1024
SPARSE, DENSE_INT, DENSE_DOUBLE = 0, 1, 2
PLACES = ("place_ones", "place_multi", "count_multi")
LENGTHS = ("ones", "multi")
INT32 = np.dtype("<i4")


class Lists(NamedTuple):
    """What a file lists of consecutive shots.

    Attributes
    ----------
    ones, multi : int64 (shot,), entries of each shot
    place_ones, place_multi, count_multi : int, flat
    """

    ones: NDArray[np.int64]
    multi: NDArray[np.int64]
    place_ones: NDArray[Any]
    place_multi: NDArray[Any]
    count_multi: NDArray[Any]


class ListedFrames:
    """Frames that a file keeps as lists; what all of Dragonfly's sparse forms have in common.

    Parameters
    ----------
    source : str
    n_shots, n_pixels : int, as the file says
    geometry : Geometry, or None
    photon_energy : float or None [eV]

    Raises
    ------
    InputError
        No geometry, no photon energy, or a geometry of another number of pixels.
    """

    largest: int | None = None

    def __init__(
        self, source: str, n_shots: int, n_pixels: int, geometry: Geometry | None, photon_energy: float | None
    ) -> None:
        if geometry is None:
            raise InputError(f"{source} does not say where its pixels are; give its detector file (--detector)")
        if photon_energy is None:
            raise MissingPhotonEnergyError(f"{source} does not say its wavelength; give wavelength in m")
        if geometry.mask.size != n_pixels:
            raise InputError(
                f"{source} has {n_pixels:,} pixels, its geometry {geometry.mask.size:,} of shape {geometry.shape}; "
                "give the detector file that belongs to it"
            )
        self.name, self.n_shots = Path(source).stem, n_shots
        self.geometry, self.wavelength = geometry, wavelength(photon_energy)
        self._source = source

    def read(self, shots: range) -> Counts:
        """Photons of consecutive shots, uint32 (shot, panel, ss, fs)."""
        return scattered(self.photons(shots), self.geometry.shape)

    def photons(self, shots: range) -> Photons:
        """Photons of consecutive shots as a list.

        Raises
        ------
        FormatError
            A pixel that is not there, or a count below 0.
        """
        with reading(self._source, shots):
            lists = self._lists(shots)
        start = np.concatenate([[0], np.cumsum(lists.ones + lists.multi)])
        pixel, count = np.empty(start[-1], np.int64), np.ones(start[-1], np.int64)
        one = np.arange(lists.ones.sum()) + np.repeat(start[:-1] - np.cumsum(lists.ones) + lists.ones, lists.ones)
        more = np.arange(lists.multi.sum()) + np.repeat(start[1:] - np.cumsum(lists.multi), lists.multi)
        pixel[one], pixel[more], count[more] = lists.place_ones, lists.place_multi, lists.count_multi
        wrong = (pixel < 0) | (pixel >= self.geometry.mask.size) | (count < 0)
        if wrong.any():
            event = int(wrong.argmax())
            shot = shots.start + int(np.searchsorted(start, event, "right")) - 1
            told = f"shot {shot} has {count[event]} photons in pixel {pixel[event]} of {self.geometry.mask.size}"
            raise FormatError(self._source, f"{told}; the file is damaged or of another detector")
        return Photons(pixel.astype(np.uint32), count, start)

    def truth(self, shots: range) -> dict[str, NDArray[Any]]:  # noqa: ARG002
        """Nothing: the format knows nothing besides photons."""
        return {}

    def _lists(self, shots: range) -> Lists:
        raise NotImplementedError


class FlatFrames(ListedFrames):
    """Frames whose lists follow one another without a gap.

    Parameters
    ----------
    ones, multi : int (shot,), entries of each shot
    places : arrays on disk: places of ones, places of more, counts of those
    """

    def __init__(
        self,
        source: str,
        n_pixels: int,
        ones: NDArray[Any],
        multi: NDArray[Any],
        places: tuple[Any, Any, Any],
        geometry: Geometry | None,
        photon_energy: float | None,
    ) -> None:
        super().__init__(source, len(ones), n_pixels, geometry, photon_energy)
        if len(ones) != len(multi) or (len(ones) and min(ones.min(), multi.min()) < 0):
            raise FormatError(source, "its numbers of pixels with photons are negative or not whole; it is damaged")
        self._length = ones.astype(np.int64), multi.astype(np.int64)
        self._start = tuple(np.concatenate([[0], np.cumsum(n)]) for n in self._length)
        due = int(self._start[0][-1]), int(self._start[1][-1]), int(self._start[1][-1])
        found = tuple(len(part) for part in places)
        if due != found:
            raise FormatError(source, f"should list {due} places and counts, lists {found}; it is damaged or cut short")
        self._places = places

    def _lists(self, shots: range) -> Lists:
        cut = slice(shots.start, shots.stop)
        one, more = (slice(int(start[shots.start]), int(start[shots.stop])) for start in self._start)
        place_ones, place_multi, count_multi = self._places
        ones, multi = self._length
        return Lists(
            ones[cut], multi[cut], np.asarray(place_ones[one]), np.asarray(place_multi[more]),
            np.asarray(count_multi[more])
        )  # fmt: skip


class SparseEmcFrames(FlatFrames):
    """Frames of a sparse binary file, which is mapped into memory.

    Examples
    --------
    >>> import tempfile
    >>> from xfeldask.physics.detectors import square
    >>> path = tempfile.mkdtemp() + "/photons.emc"
    >>> header = np.zeros(256, np.int32)
    >>> header[:3] = 1, 4, SPARSE
    >>> # one pixel of one photon, number 1; and one of more, number 2, with 5
    >>> np.concatenate([header, [1], [1], [1], [2], [5]]).astype(np.int32).tofile(path)
    >>> SparseEmcFrames(path, square(2, 1e-3, 0.1), 4600).read(range(1)).tolist()
    [[[[0, 1], [5, 0]]]]
    """

    def __init__(self, source: str, geometry: Geometry | None, photon_energy: float | None) -> None:
        n_shots, n_pixels, _ = _header(source)
        size = Path(source).stat().st_size - HEADER_BYTES
        if size % INT32.itemsize:
            raise FormatError(source, f"is not made of numbers of {INT32.itemsize} bytes; it is cut short")
        items = np.memmap(source, INT32, "r", HEADER_BYTES) if size else _NONE
        if len(items) < 2 * n_shots:
            raise FormatError(source, f"ends among the numbers of pixels of its {n_shots:,} shots; it is cut short")
        ones, multi, rest = items[:n_shots], items[n_shots : 2 * n_shots], items[2 * n_shots :]
        n_ones, n_multi = int(ones.sum(dtype=np.int64)), int(multi.sum(dtype=np.int64))
        if len(rest) != n_ones + 2 * n_multi:
            due = n_ones + 2 * n_multi
            told = f"should hold {due:,} places and counts, holds {len(rest):,}; it is damaged or cut short"
            raise FormatError(source, told)
        places = np.split(rest, [n_ones, n_ones + n_multi])
        super().__init__(source, n_pixels, ones, multi, (places[0], places[1], places[2]), geometry, photon_energy)
        self.largest = int(max(1, places[2].max(initial=1)))


class FlatEmcFrames(FlatFrames):
    """Frames of emcfile's HDF5 form: flat lists, and attributes that say how many shots and pixels there are."""

    def __init__(self, source: str, geometry: Geometry | None, photon_energy: float | None) -> None:
        file = open_hdf5(source)
        with reading(source):
            n_pixels = int(file.attrs.get("num_pix", 0)) or int(number(file, "num_pix") or 0)
            ones, multi = (np.asarray(file[name][()]).ravel() for name in LENGTHS)
            super().__init__(
                source, n_pixels, ones, multi, (file[PLACES[0]], file[PLACES[1]], file[PLACES[2]]),
                geometry, photon_energy,
            )  # fmt: skip
            self._columns = columns_of_group(file, self.n_shots, skip=(*PLACES, *LENGTHS))

    @staticmethod
    def recognises(source: str) -> bool:
        """Whether the HDF5 file has lists and their lengths."""
        return _has(source, (*PLACES, *LENGTHS))

    def columns(self) -> dict[str, ShotColumn]:
        """Numbers of each shot that the file has besides."""
        return self._columns


class Hdf5EmcFrames(ListedFrames):
    """Frames of Dragonfly's HDF5 form, a list for each shot; with identifiers and scores, if there are any."""

    def __init__(self, source: str, geometry: Geometry | None, photon_energy: float | None) -> None:
        file = open_hdf5(source)
        with reading(source):
            lists = [file[name] for name in PLACES]
            lengths = {item.shape for item in lists}
            if len(lengths) != 1 or lists[0].ndim != 1 or any(h5py.check_vlen_dtype(i.dtype) is None for i in lists):
                raise FormatError(source, f"its lists {', '.join(PLACES)} are not of one length; it is damaged")
            super().__init__(source, lists[0].shape[0], int(number(file, "num_pix") or 0), geometry, photon_energy)
            self._sound: set[int] = set()
            self._checked = np.zeros(self.n_shots, bool)
            self._lists_of, self._columns = lists, columns_of_group(file, self.n_shots, skip=PLACES)

    @staticmethod
    def recognises(source: str) -> bool:
        """Whether the HDF5 file has a list of places for each shot."""
        return _has(source, PLACES)

    def columns(self) -> dict[str, ShotColumn]:
        """Return identifiers and scores of each shot, if the file has them."""
        return self._columns

    def _lists(self, shots: range) -> Lists:
        if not self._checked[shots.start : shots.stop].all():
            for item in self._lists_of:
                refuse_endless(item, shots, self._sound)
            # of a dataset in chunks all were looked at
            self._checked[slice(None) if self._lists_of[0].chunks else slice(shots.start, shots.stop)] = True
        ones, places, counts = (item[shots.start : shots.stop] for item in self._lists_of)
        for i, (place, count) in enumerate(zip(places, counts, strict=True)):
            if len(place) != len(count):
                told = f"shot {shots.start + i} lists {len(place)} places and {len(count)} counts; it is damaged"
                raise FormatError(self._source, told)
        length = [np.array([len(part) for part in parts], np.int64) for parts in (ones, places)]
        return Lists(length[0], length[1], _joined(ones), _joined(places), _joined(counts))


class DenseEmcFrames(ArrayFrames):
    """Frames of a dense binary file, int32 or float64, which is mapped into memory.

    Examples
    --------
    >>> import tempfile
    >>> from xfeldask.physics.detectors import square
    >>> path = tempfile.mkdtemp() + "/photons.emc"
    >>> header = np.zeros(256, np.int32)
    >>> header[:3] = 1, 4, DENSE_INT
    >>> np.concatenate([header, [0, 1, 5, 0]]).astype(np.int32).tofile(path)
    >>> DenseEmcFrames(path, square(2, 1e-3, 0.1), 4600).read(range(1)).tolist()
    [[[[0, 1], [5, 0]]]]
    """

    def __init__(self, source: str, geometry: Geometry | None, photon_energy: float | None) -> None:
        n_shots, n_pixels, kind = _header(source)
        dtype = np.dtype("<i4" if kind == DENSE_INT else "<f8")
        due = HEADER_BYTES + n_shots * n_pixels * dtype.itemsize
        if Path(source).stat().st_size != due:
            raise FormatError(source, f"should have {due:,} bytes; it is damaged or cut short")
        if geometry is not None and geometry.mask.size != n_pixels:
            raise InputError(f"{source} has {n_pixels:,} pixels, its geometry {geometry.mask.size:,}; give its own")
        shape = (n_shots, *(geometry.shape if geometry is not None else (1, 1, n_pixels)))
        super().__init__(source, np.memmap(source, dtype, "r", HEADER_BYTES, shape), geometry, photon_energy)


class BinaryEmc:
    """The kind of binary files, sparse or dense.

    Examples
    --------
    >>> import tempfile
    >>> path = tempfile.mkdtemp() + "/photons.emc"
    >>> np.array([2, 16, SPARSE, *[0] * 253], np.int32).tofile(path)
    >>> BinaryEmc.recognises(path), BinaryEmc.recognises("gone.emc")
    (True, False)
    """

    @staticmethod
    def recognises(source: str) -> bool:
        """Whether the file begins with a header of 256 numbers, as far as those that are used go."""
        if not Path(source).is_file():
            return False
        with Path(source).open("rb") as file:
            start = np.frombuffer(file.read(12), INT32) if Path(source).stat().st_size >= HEADER_BYTES else _NONE
            rest = file.read(HEADER_BYTES - 12)
        # other formats begin with letters, and zeros follow in none
        return len(start) == 3 and start[0] > 0 and start[1] > 0 and 0 <= start[2] <= DENSE_DOUBLE and not any(rest)

    def __call__(
        self, source: str, geometry: Geometry | None, photon_energy: float | None
    ) -> SparseEmcFrames | DenseEmcFrames:
        """Open a file; see `xfeldask.formats.frames.FrameFormat`."""
        kind = SparseEmcFrames if _header(source)[2] == SPARSE else DenseEmcFrames
        return kind(source, geometry, photon_energy)


_NONE = np.empty(0, INT32)


def _header(source: str) -> tuple[int, int, int]:
    """Numbers of shots and pixels, and whether the file is sparse or dense."""
    if not BinaryEmc.recognises(source):
        raise FormatError(source, "does not begin as a binary EMC file; its header is 256 numbers of 4 bytes")
    shots, pixels, kind = np.fromfile(source, INT32, 3).tolist()
    return shots, pixels, kind


def _has(source: str, names: tuple[str, ...]) -> bool:
    """Whether a file is HDF5 and has datasets of these names at its root."""
    return holds(source, lambda file: all(name in file for name in names))


def _joined(parts: NDArray[Any]) -> NDArray[Any]:
    return np.concatenate([_NONE, *parts])
