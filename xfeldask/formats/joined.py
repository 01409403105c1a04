"""Frames of several files, one after the other, as one."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import accumulate
from math import isclose
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xfeldask.errors import InputError
from xfeldask.formats.frames import Frames, columns_of, events_of, photon_type
from xfeldask.formats.shot_columns import ShotColumn
from xfeldask.physics.detectors import Geometry, make_geometry
from xfeldask.physics.images import Counts, Photons
from xfeldask.physics.photonizing import Photonized

MOVED = 0.1
"""How far pixels of one file may lie from those of another [pixels]."""


class JoinedFrames:
    """Frames of files of one detector; shots are counted on from file to file, and `file` says which one each is of.

    A pixel is good that is good in all of them.

    Parameters
    ----------
    parts : sequence of Frames

    Raises
    ------
    InputError
        There are none, or detectors, where they stand, or wavelengths differ.

    Examples
    --------
    >>> from xfeldask.formats.stacks import StackFrames, flat_panel
    >>> panel = flat_panel((1, 2), 1e-3, 0.1)
    >>> parts = [StackFrames(f"{n}.npy", np.full((n, 1, 2), n, np.uint8), panel, 4600) for n in (1, 2)]
    >>> joined = JoinedFrames(parts)
    >>> joined.read(range(3)).tolist(), joined.columns()["file"].values.tolist()
    ([[[[1, 1]]], [[[2, 2]]], [[[2, 2]]]], [0, 1, 1])
    """

    def __init__(self, parts: Sequence[Frames]) -> None:
        if not parts:
            raise InputError("there are no frames to join; name at least one file")
        first = parts[0]
        for part in parts[1:]:
            if part.geometry.shape != first.geometry.shape or not isclose(
                part.wavelength, first.wavelength, rel_tol=1e-3
            ):
                raise InputError(
                    f"{part.name} was measured by a detector of {part.geometry.shape} pixels at {part.wavelength:.5g} "
                    f"m, {first.name} by one of {first.geometry.shape} at {first.wavelength:.5g} m; put them into two "
                    "stores"
                )
            moved = np.abs(part.geometry.pixel_position - first.geometry.pixel_position).max()
            if moved > MOVED * first.geometry.pixel_size:
                raise InputError(
                    f"pixels of {part.name} lie up to {moved * 1e3:.3g} mm from those of {first.name}; put them into "
                    "two stores, or give the geometry of both (--detector)"
                )
        self.parts = list(parts)
        # several stacks of one file are joined too, whatever they hold
        self.photonizes = bool(getattr(first, "photonizes", hasattr(first, "photonized")))
        self._start = [0, *accumulate(part.n_shots for part in parts)]
        self.name, self.n_shots = first.name, self._start[-1]
        self.geometry, self.wavelength = _of_all([part.geometry for part in parts]), first.wavelength
        self.chunk = int(getattr(first, "chunk", 1))

    @property
    def starts(self) -> tuple[int, ...]:
        """Shot that is the first of each file."""
        return tuple(self._start[:-1])

    @property
    def files(self) -> list[str]:
        """Files that virtual data sets have their frames in."""
        raw = [getattr(part, "raw", part) for part in self.parts]
        return [file for part in raw for file in getattr(part, "files", [])]

    @property
    def photon_type(self) -> str:
        """Type that pixels of all files are kept in."""
        return max((photon_type(part) for part in self.parts if part.n_shots), key=lambda name: int(name[4:]))

    def read(self, shots: range) -> Counts:
        """Photons of consecutive shots; see `xfeldask.formats.frames.Frames`."""
        blocks = list(self._each(lambda part, some: part.read(some), shots))
        return np.concatenate(blocks) if len(blocks) != 1 else blocks[0]

    def photons(self, shots: range) -> Photons:
        """Photons of consecutive shots as a list."""
        blocks: list[Photons] = list(self._each(events_of, shots))
        if len(blocks) == 1:
            return blocks[0]
        ends = np.cumsum([0, *(block.start[-1] for block in blocks)])
        return Photons(
            np.concatenate([block.pixel for block in blocks]),
            np.concatenate([block.count for block in blocks]),
            np.concatenate([[0], *(block.start[1:] + end for block, end in zip(blocks, ends, strict=False))]),
        )

    def photonized(self, shots: range) -> Photonized:
        """Photons of consecutive shots of files in ADU; see `xfeldask.formats.adu.PhotonizedFrames`."""
        found: list[Photonized] = list(self._each(lambda part, some: part.photonized(some), shots))  # type: ignore[attr-defined]
        photons, bad, histogram = zip(*found, strict=True)
        return Photonized(np.concatenate(photons), np.concatenate(bad), np.sum(histogram, axis=0))

    def truth(self, shots: range) -> dict[str, NDArray[Any]]:
        """Return what all files know of shots, as far as all of them do."""
        blocks = list(self._each(lambda part, some: part.truth(some), shots))
        common = set(blocks[0]).intersection(*blocks[1:])
        return {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0] if name in common}

    def columns(self) -> dict[str, ShotColumn]:
        """Columns that all files have, and `file` where there are several; numbers beside text become text."""
        each = [columns_of(part) for part in self.parts]
        out = {}
        for name in each[0]:
            if all(name in columns for columns in each):
                out[name] = joined_column([columns[name] for columns in each])
        if len(each) > 1:
            lengths = [part.n_shots for part in self.parts]
            out["file"] = ShotColumn(np.repeat(np.arange(len(each)), lengths), "file that the shot is of", "1", True)
        return out

    def _each(self, read: Callable[[Frames, range], Any], shots: range) -> Iterator[Any]:
        """Yield what is read of each file that some shots are of; of the first, where there are no shots."""
        first = min(bisect_right(self._start, shots.start) - 1, len(self.parts) - 1)
        for part, start in zip(self.parts[first:], self._start[first:], strict=False):
            if start >= shots.stop and start > shots.start:
                return
            low, high = max(shots.start - start, 0), min(shots.stop - start, part.n_shots)
            if low < high or len(shots) == 0:
                yield read(part, range(low, high))
            if len(shots) == 0:
                return


def _of_all(geometries: Sequence[Geometry]) -> Geometry:
    """Return a detector whose pixels are good in all files."""
    first = geometries[0]
    good = np.logical_and.reduce([geometry.mask for geometry in geometries])
    return first if (good == first.mask).all() else make_geometry(first.pixel_position, first.pixel_size, good)


def joined_column(parts: Sequence[ShotColumn]) -> ShotColumn:
    """Join columns of one name; what the first says of itself holds, and numbers beside text become text.

    Examples
    --------
    >>> parts = [ShotColumn(np.array([42]), "run"), ShotColumn(np.array(["r0043"]), "run")]
    >>> joined_column(parts).values.tolist()
    ['42', 'r0043']
    """
    first, values = parts[0], [np.asarray(part.values) for part in parts]
    if len({value.dtype.kind in "buif" for value in values}) > 1:
        values = [value.astype(np.dtypes.StringDType()) for value in values]
        return replace(first, values=np.concatenate(values), flags=())
    return replace(first, values=np.concatenate(values))
