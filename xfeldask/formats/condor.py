"""CXI files of Condor (Hantke, Ekeberg and Maia, J. Appl. Cryst. 49, 1356, 2016), with the particles as truth."""

from __future__ import annotations

from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from xfeldask.errors import FormatError
from xfeldask.formats.cxi_detector import fixed_mask
from xfeldask.formats.hdf5 import holds, open_hdf5, reading
from xfeldask.formats.shot_columns import columns_of_group
from xfeldask.formats.stacks import StackFrames, flat_panel
from xfeldask.physics.detectors import HC, Geometry

DATA = "entry_1/data_1/data"
NOT_COLUMNS = (
    "data",
    "data_fourier",
    "mask",
    "extrinsic_quaternion",
    "position",
    "detector",
    "wavelength",
    "photon_energy",
)


class CondorFrames(StackFrames):
    """Frames that Condor simulated."""

    def __init__(self, source: str, geometry: Geometry | None, photon_energy: float | None) -> None:
        file = open_hdf5(source)
        with reading(source):
            data = file[DATA]
            n_shots, (rows, columns) = data.shape[0], data.shape[-2:]
            if geometry is None:
                geometry = _geometry(source, file, (rows, columns))
            energies = _energies(file, n_shots)
            if photon_energy is None and energies is not None:
                photon_energy = float(np.median(energies))
            truth = _truth(file, n_shots)
            if energies is not None:
                truth["photon_energy"] = energies
            found = columns_of_group(file, n_shots, skip=NOT_COLUMNS)
        super().__init__(f"{source}:/{DATA}", data, geometry, photon_energy, truth, found)

    @staticmethod
    def recognises(source: str) -> bool:
        """Whether the HDF5 file has frames, and particles beside them."""
        return holds(source, lambda file: isinstance(file.get(DATA), h5py.Dataset) and "particles/particle_00" in file)


def _each(group: Any, name: str, n_shots: int) -> NDArray[np.float64] | None:
    """Return a number for each shot, where the file has one for each or one for all."""
    item = group.get(name) if isinstance(group, h5py.Group) else None
    if not isinstance(item, h5py.Dataset) or item.size not in (1, n_shots) or item.dtype.kind not in "uif":
        return None
    return np.broadcast_to(np.asarray(item[()], np.float64).ravel(), (n_shots,)).copy()


def _geometry(source: str, file: h5py.File, shape: tuple[int, int]) -> Geometry:
    detector = file.get("detector")
    names = ("cx", "cy", "pixel_size", "distance")
    values = [_each(detector, name, file[DATA].shape[0]) for name in names]
    if any(value is None for value in values):
        raise FormatError(source, f"does not tell all of {', '.join(names)} of its detector; give its geometry")
    cx, cy, size, distance = (float(np.median(value)) for value in values if value is not None)
    mask = fixed_mask(file["entry_1/data_1"], (1, *shape))
    # Condor counts to the middle of pixels
    return flat_panel(shape, size, distance, (cy + 0.5, cx + 0.5), mask[0])


def _energies(file: h5py.File, n_shots: int) -> NDArray[np.float64] | None:
    """Photon energies [eV], from the wavelength."""
    found = _each(file.get("source"), "wavelength", n_shots)
    return None if found is None or not (found > 0).all() else HC / found


def _truth(file: h5py.File, n_shots: int) -> dict[str, NDArray[Any]]:
    particles = file["particles"]
    names = sorted(name for name in particles if name.startswith("particle_"))
    truth: dict[str, NDArray[Any]] = {"n_particles": np.full(n_shots, len(names), np.int16)}
    for ours, theirs, width in (("orientation", "extrinsic_quaternion", 4), ("position", "position", 3)):
        found = [particles[name].get(theirs) for name in names]
        values = [np.asarray(item[()], np.float64) for item in found if isinstance(item, h5py.Dataset)]
        if len(values) == len(names) and all(value.shape == (n_shots, width) for value in values):
            truth[ours] = np.stack(values, axis=1)
    return truth
