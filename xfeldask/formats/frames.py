"""Frames: photons in blocks of shots, with the detector that counted them, whatever they come from."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from xfeldask.formats.shot_columns import ShotColumn
from xfeldask.physics.detectors import Geometry
from xfeldask.physics.images import Counts, Photons, photons_of_frames


class Frames(Protocol):
    """A source of frames: a simulation, a file, or anything else with these attributes and methods.

    Attributes
    ----------
    name : str, for titles: what was shot at, or the name of a file
    n_shots : int
    geometry : Geometry
    wavelength : float, nominal [m]

    Notes
    -----
    A source may have more, which is used where it is there:

    - ``photons(shots)`` returns the photons of consecutive shots as a list, `xfeldask.physics.images.Photons`, where
      frames are kept so; they are never spread out;
    - ``columns()`` returns values of all shots by name, as `ShotColumn`;
    - ``largest`` is the most photons that a pixel holds;
    - ``chunk`` is the number of shots of a chunk of the file, at whose ends blocks end;
    - ``files`` lists the paths of the files that are read.

    Examples
    --------
    >>> from xfeldask.formats.stacks import StackFrames, flat_panel
    >>> frames: Frames = StackFrames("run.npy", np.ones((5, 2, 2), np.uint8), flat_panel((2, 2), 1e-3, 0.1), 4600)
    >>> frames.name, frames.n_shots, frames.geometry.shape, f"{frames.wavelength:.3g} m", frames.read(range(3)).shape
    ('run', 5, (1, 2, 2), '2.7e-10 m', (3, 1, 2, 2))
    """

    @property
    def name(self) -> str: ...  # noqa: D102

    @property
    def n_shots(self) -> int: ...  # noqa: D102

    @property
    def geometry(self) -> Geometry: ...  # noqa: D102

    @property
    def wavelength(self) -> float: ...  # noqa: D102

    def read(self, shots: range, /) -> Counts:
        """Photons of consecutive shots, unsigned integers (shot, panel, ss, fs)."""

    def truth(self, shots: range, /) -> Mapping[str, NDArray[Any]]:
        """Read what is known of shots besides photons: variables of the role "truth" in `xfeldask.schema`, by name.

        Nothing of measured shots, mostly; a photon energy shot by shot is such a variable.
        """


class FrameFormat(Protocol):
    """What opens frames of one format: a class with a static method `recognises`, mostly."""

    def recognises(self, source: str, /) -> bool:
        """Whether a path leads to frames of this format, by what is there and not by its name."""

    def __call__(self, source: str, geometry: Geometry | None, photon_energy: float | None, /) -> Frames:
        """Open frames.

        Parameters
        ----------
        source : str, path
        geometry : Geometry, or None where the caller gives none
        photon_energy : float, or None where the caller gives none [eV]

        Raises
        ------
        InputError
            What is there cannot be read, or needs a geometry or an energy that was not given.
        """


SAMPLE = 64
"""Shots that are looked at where nothing tells how many photons a pixel may hold."""
MARGIN = 4
"""How many times more than in those shots a pixel may hold."""


def events_of(frames: Frames, shots: range) -> Photons:
    """Photons of consecutive shots of any frames, listed.

    Examples
    --------
    >>> from xfeldask.formats.stacks import StackFrames, flat_panel
    >>> frames = StackFrames("run", np.array([[[0, 3], [1, 0]]]), flat_panel((2, 2), 1e-3, 0.1), 4600)
    >>> photons = events_of(frames, range(1))
    >>> photons.pixel.tolist(), photons.count.tolist()
    ([1, 2], [3, 1])
    """
    listed = getattr(frames, "photons", None)
    return listed(shots) if listed is not None else photons_of_frames(frames.read(shots))


def photon_type(frames: Frames) -> str:
    """Return the type that pixels of frames are kept in: "uint8", "uint16" or "uint32".

    It holds whatever the type of the frames does, up to uint16, or what they say themselves that a pixel holds at most.
    Of wider ones some are looked at, all over the file: uint16, unless a pixel comes near to what that can hold.

    Examples
    --------
    >>> from xfeldask.formats.stacks import StackFrames, flat_panel
    >>> panel = flat_panel((1, 2), 1e-3, 0.1)
    >>> arrays = np.array([[[0, 3]]], np.uint8), np.array([[[0, 3]]], np.int64), np.array([[[0, 30_000]]], np.int64)
    >>> [photon_type(StackFrames("run", array, panel, 4600)) for array in arrays]
    ['uint8', 'uint16', 'uint32']
    """
    largest = getattr(frames, "largest", None)
    if largest is None and not hasattr(frames, "photons"):
        item = frames.read(range(1)).dtype
        largest = np.iinfo(item).max if item.itemsize <= 2 else None
    if largest is None:
        some = np.unique(np.linspace(0, frames.n_shots - 1, SAMPLE).astype(int)).tolist()
        largest = max(256, *(MARGIN * int(events_of(frames, range(i, i + 1)).count.max(initial=0)) for i in some))
    return "uint8" if largest < 2**8 else "uint16" if largest < 2**16 else "uint32"


def columns_of(frames: Frames) -> Mapping[str, ShotColumn]:
    """Columns of any frames; none where they tell of none.

    Examples
    --------
    >>> from xfeldask.formats.stacks import StackFrames, flat_panel
    >>> told = {"train": ShotColumn(np.array([1500]), "train", identifier=True)}
    >>> frames = StackFrames("run", np.zeros((1, 2, 2), np.uint8), flat_panel((2, 2), 1e-3, 0.1), 4600, columns=told)
    >>> columns_of(frames)["train"].values.tolist()
    [1500]
    """
    told = getattr(frames, "columns", None)
    return {} if told is None else told()


def scattered(photons: Photons, shape: tuple[int, int, int]) -> Counts:
    """Frames of a list of photons, uint32 (shot, panel, ss, fs).

    Examples
    --------
    >>> photons = Photons(np.array([3, 3, 0], np.uint32), np.array([1, 1, 4]), np.array([0, 2, 3]))
    >>> scattered(photons, (1, 2, 2)).tolist()
    [[[[0, 0], [0, 2]]], [[[4, 0], [0, 0]]]]
    """
    n = len(photons.start) - 1
    frames = np.zeros((n, prod(shape)), np.uint32)
    shot = np.repeat(np.arange(n), np.diff(photons.start))
    np.add.at(frames, (shot, photons.pixel), photons.count.astype(np.uint32))
    return frames.reshape(n, *shape)
