"""HDF5 files of the reference pipeline, cspi: photons of the pnCCD, orientations and positions."""

from __future__ import annotations

from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from xfeldask.errors import FormatError
from xfeldask.formats.hdf5 import holds, open_hdf5, reading
from xfeldask.formats.stacks import StackFrames
from xfeldask.physics.detectors import HC, Geometry, make_geometry

PIXEL_SIZE = 75e-6
"""Of the pnCCD, the only detector of that pipeline [m]; its files tell directions only."""
S = "pixel_position_reciprocal"


class CspiFrames(StackFrames):
    """Frames of a file; singles and doubles as truth."""

    def __init__(self, source: str, geometry: Geometry | None, photon_energy: float | None) -> None:
        file = open_hdf5(source)
        with reading(source):
            data = file["photons"]
            s = np.asarray(file[S][()], np.float64) if S in file else None
            lam = None if s is None else wavelength_of(source, s)
            if geometry is None and s is not None and lam is not None:
                geometry = geometry_of_vectors(source, s, lam)
            truth = _truth(file, data.shape[0])
        super().__init__(source, data, geometry, photon_energy or (None if lam is None else HC / lam), truth)

    @staticmethod
    def recognises(source: str) -> bool:
        """Whether the HDF5 file has photons, and where each pixel lies in the image or in reciprocal space."""
        return holds(
            source,
            lambda file: (
                isinstance(file.get("photons"), h5py.Dataset)
                and file["photons"].ndim == 4
                and (S in file or "pixel_index_map" in file)
            ),
        )


def wavelength_of(source: str, s: NDArray[np.float64]) -> float:
    """Wavelength [m] by which vectors s [1/m] lie on the Ewald sphere: ``s.s = -2 s_z / wavelength``.

    Raises
    ------
    FormatError
        They lie on none.

    Examples
    --------
    >>> from xfeldask.physics.detectors import scattering_vector, square
    >>> s = scattering_vector(square(8, 1e-3, 0.1).pixel_position, 2.7e-10)
    >>> f'{wavelength_of("run.h5", s) * 1e10:.3f} angstrom'
    '2.700 angstrom'
    """
    square = (s * s).sum(axis=-1)
    far = square > 0.25 * square.max()
    found = 2 * np.abs(s[..., 2][far]) / square[far]
    if not found.size or not np.isfinite(found).all() or np.ptp(found) > 1e-3 * found.mean() or found.min() <= 0:
        raise FormatError(source, f"{S} [1/m] lies on no Ewald sphere; give its geometry and wavelength")
    return float(np.median(found))


def geometry_of_vectors(source: str, s: NDArray[np.float64], wavelength: float) -> Geometry:
    """Pixels of a flat detector across the beam in the directions of s, as far away as pixels of 75 um have to be.

    Raises
    ------
    FormatError
        A vector that no pixel downstream has.

    Examples
    --------
    >>> from xfeldask.physics.detectors import scattering_vector, square
    >>> s = scattering_vector(square(8, 75e-6, 0.3).pixel_position, 2.7e-10)
    >>> geometry_of_vectors("run.h5", s, 2.7e-10).pixel_position[0, 0, 0].round(6).tolist()
    [-0.000263, -0.000263, 0.3]
    """
    along = 1 - np.abs(s[..., 2]) * wavelength
    if not (along > 0).all():
        raise FormatError(source, f"{S} has directions that do not go downstream")
    at_one = s[..., :2] * wavelength / along[..., None]
    pitch = float(np.median(np.linalg.norm(np.diff(at_one, axis=-2), axis=-1)))
    distance = PIXEL_SIZE / pitch
    return make_geometry(np.concatenate([at_one, np.ones_like(along)[..., None]], axis=-1) * distance, PIXEL_SIZE)


def _truth(file: h5py.File, n_shots: int) -> dict[str, NDArray[Any]]:
    """Orientations, positions and numbers of particles."""
    truth: dict[str, NDArray[Any]] = {}
    q, p, singles = (file.get(name) for name in ("orientations", "positions", "single_hits_mask"))
    n_particles = 1
    if isinstance(q, h5py.Dataset) and q.shape[0] == n_shots and q.shape[-1] == 4:
        values = np.asarray(q[()], np.float64).reshape(n_shots, -1, 4)
        truth["orientation"], n_particles = values, values.shape[1]
    if isinstance(p, h5py.Dataset) and p.shape == (n_shots, n_particles, 3):
        truth["position"] = np.asarray(p[()], np.float64)
    if isinstance(singles, h5py.Dataset) and singles.shape == (n_shots,):
        truth["n_particles"] = np.where(singles[()] != 0, 1, 2).astype(np.int16)
    elif "orientation" in truth:
        truth["n_particles"] = np.full(n_shots, n_particles, np.int16)
    return truth
