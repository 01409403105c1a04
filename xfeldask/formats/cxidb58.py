"""Photons of the virus PR772 at LCLS, entry 58 of the CXIDB (Reddy et al., Scientific Data 4, 170079, 2017)."""

from __future__ import annotations

import h5py

from xfeldask.formats.hdf5 import holds, open_hdf5, reading
from xfeldask.formats.shot_columns import columns_of_group
from xfeldask.formats.stacks import StackFrames, flat_panel
from xfeldask.physics.detectors import HC, Geometry

DATA = "photonConverter/pnccdBack/photonCount"
SHAPE, CENTER = (260, 257), (130.0, 128.5)
PIXEL_SIZE, DISTANCE, WAVELENGTH = 0.3e-3, 0.581, 7.9e-10
"""Of the back pnCCD in bins of 4 x 4 pixels [m]."""


class Cxidb58Frames(StackFrames):
    """Frames of a run; where pixels were and the wavelength come from the paper, unless they are given."""

    def __init__(self, source: str, geometry: Geometry | None, photon_energy: float | None) -> None:
        file = open_hdf5(source)
        with reading(source):
            data = file[DATA]
            if geometry is None and data.shape[1:] == SHAPE:
                geometry = flat_panel(SHAPE, PIXEL_SIZE, DISTANCE, CENTER)
            columns = columns_of_group(file, data.shape[0], skip=("photonCount",))
        super().__init__(f"{source}:/{DATA}", data, geometry, photon_energy or HC / WAVELENGTH, None, columns)

    @staticmethod
    def recognises(source: str) -> bool:
        """Whether the HDF5 file has photons where that entry has them."""
        return holds(source, lambda file: isinstance(file.get(DATA), h5py.Dataset))
