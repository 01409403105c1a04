"""`open_frames`: frames of any kind, recognised by what is there."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from xfeldask.config import Detector
from xfeldask.config.limits import LIMITS
from xfeldask.engines.frame_formats import FRAME_FORMATS, frames_at
from xfeldask.formats.frames import FrameFormat, Frames
from xfeldask.formats.geometries import read_detector, told_photon_energy
from xfeldask.physics.detectors import Geometry

GeometryLike = str | Path | Detector | Mapping[str, Any] | Geometry
"""A detector in any form: a name or a file, parts, or its pixels."""


def register_frames(name: str, kind: FrameFormat) -> None:
    """Let `open_frames` open frames of a format of your own; those registered last are asked first.

    Parameters
    ----------
    name : str, to be given as `format` where nothing is to be recognised
    kind : FrameFormat, a class with a static method `recognises`, mostly

    Raises
    ------
    InputError
        A name that is no identifier, or that of a format of this package.
    """
    FRAME_FORMATS.register(name, kind)


def open_frames(
    source: str | Path,
    *,
    format: str | None = None,
    geometry: GeometryLike | None = None,
    photon_energy: float | None = None,
) -> Frames:
    """Open a source of frames; nothing is read but what tells its shape.

    Parameters
    ----------
    source : path of a file or folder in any of the formats of docs/real-data.md, such as a .npy file, a dataset
        ``file.h5:/path`` or a Zarr array, or of an experiment file, whose frames are drawn when they are read
    format : name of one of these formats, such as "npy" or "cxi", of "experiment", or of a format of your own; by
        default what is there tells
    geometry : of frames that do not have their own: a built-in detector's name, ``"square-N"``, the path of a
        geometry file of psana, CrystFEL or Dragonfly, parts as `xfeldask.config.Detector`, or a `Geometry`
    photon_energy : float, of frames that do not have their own [eV]; by default what a CrystFEL file that is given as
        `geometry` tells as a number

    Returns
    -------
    Frames

    Raises
    ------
    MissingFileError
        There is nothing at the path.
    FormatError
        It is of no kind that is known, or cannot be read.
    InputError
        The geometry or the energy is missing, does not fit, or is beyond any laboratory.

    Examples
    --------
    >>> import tempfile, numpy as np
    >>> path = tempfile.mkdtemp() + "/run.npy"
    >>> np.save(path, np.zeros((3, 64, 64), np.uint8))
    >>> frames = open_frames(path, geometry="square-64", photon_energy=4600)
    >>> frames.name, frames.n_shots, frames.read(range(2)).shape
    ('run', 3, (2, 1, 64, 64))
    """
    if photon_energy is not None:
        LIMITS["photon_energy"].check("photon_energy", photon_energy)
    return frames_at(str(source), format, geometry_of(geometry), photon_energy, photon_energy_with(geometry))


def geometry_of(given: GeometryLike | None) -> Geometry | None:
    """Return the pixels of a detector given in any form; see `open_frames`.

    Examples
    --------
    >>> geometry_of("square-32").shape
    (1, 32, 32)
    >>> geometry_of({"source": "square-32", "distance": 0.2}).pixel_position[..., 2].max().tolist()
    0.2
    """
    return given if given is None or isinstance(given, Geometry) else read_detector(_detector(given))


def photon_energy_with(given: GeometryLike | None) -> float | None:
    """Return the photon energy that a file tells beside the pixels of a detector [eV]; None where there is none.

    Examples
    --------
    >>> photon_energy_with("square-32") is None
    True
    """
    if given is None or isinstance(given, Geometry):
        return None
    source = _detector(given).source
    told = told_photon_energy(source)
    return told if told is None else LIMITS["photon_energy"].check(f"photon energy of {source}", told)


def _detector(given: str | Path | Detector | Mapping[str, Any]) -> Detector:
    if isinstance(given, Detector):
        return given
    return Detector(**given) if isinstance(given, Mapping) else Detector(source=str(given))
