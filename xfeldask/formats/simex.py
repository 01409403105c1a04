"""Diffraction files of SimEx and SingFEL (version 0.2): a group for each pattern, with the particle's orientation."""

from __future__ import annotations

from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from xfeldask.errors import FormatError
from xfeldask.formats.hdf5 import holds, number, open_hdf5, reading
from xfeldask.formats.shot_columns import ShotColumn
from xfeldask.formats.stacks import StackFrames, flat_panel
from xfeldask.physics.detectors import Geometry


class Patterns:
    """The patterns of a file as an array (shot, ss, fs).

    Examples
    --------
    >>> file = h5py.File("run.h5", "w", driver="core", backing_store=False)
    >>> file["data/0000001/data"], file["data/0000002/data"] = np.zeros((2, 2)), np.ones((2, 2))
    >>> patterns = Patterns(list(file["data"].values()))
    >>> patterns.shape, patterns[1:2].tolist()
    ((2, 2, 2), [[[1.0, 1.0], [1.0, 1.0]]])
    """

    chunks = (1,)

    def __init__(self, groups: list[h5py.Group]) -> None:
        self._groups, first = groups, groups[0]["data"]
        self.shape: tuple[int, ...] = (len(groups), *first.shape)
        self.dtype: np.dtype[Any] = first.dtype

    def __getitem__(self, shots: slice) -> NDArray[Any]:
        found = [np.asarray(group["data"][()]) for group in self._groups[shots]]
        return np.stack(found) if found else np.empty((0, *self.shape[1:]), self.dtype)


class SimexFrames(StackFrames):
    """Counted patterns in the order of their numbers, which are kept as `pattern`."""

    def __init__(self, source: str, geometry: Geometry | None, photon_energy: float | None) -> None:
        file = open_hdf5(source)
        with reading(source):
            names = sorted((name for name in file["data"] if name.isdecimal()), key=int)
            groups = [file["data"][name] for name in names]
            if not groups:
                raise FormatError(source, "holds no pattern in its group data")
            patterns = Patterns(groups)
            if len(patterns.shape) != 3:
                raise FormatError(
                    source, f"has a pattern of {patterns.shape[1:]} pixels; patterns have rows and columns"
                )
            if geometry is None:
                geometry = _geometry(source, file, (patterns.shape[1], patterns.shape[2]))
            photon_energy = photon_energy or number(file, "params/beam/photonEnergy")
            truth: dict[str, NDArray[Any]] = {"n_particles": np.ones(len(names), np.int16)}
            if all(group.get("angle") is not None and group["angle"].shape == (4,) for group in groups):
                truth["orientation"] = np.array([group["angle"][()] for group in groups], np.float64)[:, None]
        numbers = ShotColumn(np.array([int(name) for name in names]), "number of the pattern in the file", "1", True)
        super().__init__(source, patterns, geometry, photon_energy, truth, {"pattern": numbers})

    @staticmethod
    def recognises(source: str) -> bool:
        """Whether the HDF5 file has parameters of a geometry, and patterns by number."""
        return holds(source, lambda file: "params/geom" in file and any(name.isdecimal() for name in file["data"]))


def _geometry(source: str, file: h5py.File, shape: tuple[int, int]) -> Geometry:
    geom = file["params/geom"]
    size, height, distance = (number(geom, name) for name in ("pixelWidth", "pixelHeight", "detectorDist"))
    if size is None or distance is None or height != size:
        raise FormatError(source, f"has pixels of {size} x {height} m at {distance} m; give its geometry")
    mask = geom.get("mask")
    good = np.asarray(mask[()]) != 0 if isinstance(mask, h5py.Dataset) and mask.shape == shape else None
    return flat_panel(shape, size, distance, mask=good)
