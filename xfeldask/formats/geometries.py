"""Detectors by name, and in files of every kind that tells where pixels are."""

from __future__ import annotations

import re
from pathlib import Path

from xfeldask.config import Detector
from xfeldask.errors import InputError
from xfeldask.formats.crystfel import (
    is_crystfel_geometry,
    read_crystfel_geometry,
    read_crystfel_photon_energy,
)
from xfeldask.formats.dragonfly import is_dragonfly_detector, read_dragonfly_detector
from xfeldask.formats.mask_files import masked
from xfeldask.formats.psana import read_psana_geometry
from xfeldask.formats.stacks import flat_panel
from xfeldask.machine import exists
from xfeldask.physics.detectors import MOST_PIXELS, Geometry, builtin_geometry, square
from xfeldask.store.run import Run
from xfeldask.store.storage.urls import URL, store_path

_FLAT = re.compile(r"flat-(\d{1,5})x(\d{1,5})(?:@([\d.]+),([\d.]+))?")


def read_detector(detector: Detector) -> Geometry:
    """Pixels of a built-in detector or of a file, with the mask applied.

    Raises
    ------
    MissingFileError, FormatError, UnknownNameError, InputError

    Examples
    --------
    >>> read_detector(Detector(source="flat-2x3", pixel_size=1e-3, distance=0.1)).shape
    (1, 2, 3)
    """
    return masked(_unmasked(detector), detector.mask)


def told_photon_energy(source: str) -> float | None:
    """Photon energy that a file of a detector tells beside its pixels [eV]; None of others.

    Raises
    ------
    FormatError

    Examples
    --------
    >>> told_photon_energy("square-32") is None
    True
    """
    return read_crystfel_photon_energy(source) if is_crystfel_geometry(source) else None


def _unmasked(detector: Detector) -> Geometry:
    source, size, distance = detector.source, detector.pixel_size, detector.distance
    flat = _FLAT.fullmatch(source)
    if flat is not None:
        return _flat(flat, size, distance)
    if source.startswith("square-") and (size or distance):
        plain = builtin_geometry(source)
        return square(plain.shape[1], size or plain.pixel_size, distance or float(plain.pixel_position[0, 0, 0, 2]))
    if isinstance(store_path(source), URL) or (exists(source) and (Path(source) / "pixel_position").is_dir()):
        if size or distance:
            raise InputError(f"pixel_size and distance are not for {source}, a store that has its own")
        return Run.open(source).geometry
    if is_dragonfly_detector(source):
        if distance:
            raise InputError(f"distance is not for {source}, which tells its own in pixels; give pixel_size alone")
        return read_dragonfly_detector(source, size)
    if is_crystfel_geometry(source):
        if size:
            raise InputError(f"pixel_size is not for {source}, which tells its own")
        return read_crystfel_geometry(source, distance)
    if size or distance:
        raise InputError(f"pixel_size and distance are for square-N detectors; {source} has its own")
    if exists(source) or "/" in source or "\\" in source or source.lower().endswith(".data"):
        return read_psana_geometry(source)
    return builtin_geometry(source)


def _flat(found: re.Match[str], pixel_size: float | None, distance: float | None) -> Geometry:
    """One panel, ss along +y and fs along +x, as an image is kept; the beam meets its middle, or where it is told."""
    rows, columns = int(found[1]), int(found[2])
    if not 0 < rows * columns <= MOST_PIXELS:
        raise InputError(f"{found[0]} has {rows * columns:,} pixels; a flat detector has 1 to {MOST_PIXELS:,}")
    if pixel_size is None or distance is None:
        raise InputError(
            f"{found[0]} does not say how large its pixels are and where; give pixel_size and distance in m"
        )
    try:
        center = None if found[3] is None else (float(found[3]), float(found[4]))
    except ValueError:
        raise InputError(
            f"{found[0]}: the beam meets row and column @{found[3]},{found[4]}, which are no numbers"
        ) from None
    return flat_panel((rows, columns), pixel_size, distance, center)
