"""Shots computed by skopi, LCLS's simulator, as an engine of its own and as a peer to compare with.

skopi fills its volume with CUDA only and reads psana geometries through psana only. Here the volume is
filled by NUFFT and our pixels are handed to skopi's user defined detector; the beam, the form factors,
the mesh, the slicing, the phase of a position and the corrections are skopi's own.
"""

from __future__ import annotations

import importlib
import os
import re
from typing import Any, Protocol, TypeAlias

import gemmi
import numpy as np
from numpy.typing import ArrayLike, NDArray

from xfeldask.errors import InputError
from xfeldask.formats.psana import read_psana_geometry
from xfeldask.physics.atoms import Atoms
from xfeldask.physics.detectors import Geometry

FloatArray: TypeAlias = NDArray[np.float64]

_ION = re.compile(r"([A-Z][a-z]?)(?:(\d*)([+-]))?")
_SMALLEST_GRID = 3
_MESH_MARGIN = 1e-9


class _Beam(Protocol):
    @property
    def photon_energy(self) -> float: ...  # eV
    @property
    def photons_per_pulse(self) -> float: ...
    @property
    def focus_radius(self) -> float: ...  # m


class SkopiEngine:
    """Expected intensities and photons of a shot, by skopi 0.6.

    The volume is filled by us, on skopi's mesh, with one type 1 NUFFT an element times skopi's form
    factor: the sum that skopi's CUDA kernel computes, to 1e-9 of its largest value, except that the
    occupancy counts here. skopi then interpolates it trilinearly, which loses 6 to 9 % of the photons of
    an 18 nm particle.

    Parameters
    ----------
    atoms
        Centred.
    geometry_path
        A psana geometry file, or None where `geometry` is given.
    beam
        `photon_energy` [eV], `photons_per_pulse`, `focus_radius` [m]; a flat-top focus.
    n_grid
        Voxels along an edge of the volume, odd; skopi's own experiments take 151.
    geometry
        Pixels of another detector, instead of a file. The mask is not applied, nor does skopi.

    Raises
    ------
    InputError
        skopi is not installed, no geometry, an even or tiny `n_grid`, an element or ion that skopi has
        no form factor of; `FormatError` if the file cannot be read.
    MissingFileError
        There is no such file.
    """

    def __init__(
        self,
        atoms: Atoms,
        geometry_path: str | os.PathLike[str] | None,
        beam: _Beam,
        n_grid: int = 151,
        *,
        geometry: Geometry | None = None,
    ) -> None:
        if (geometry_path is None) == (geometry is None):
            raise InputError('engine="skopi" needs a psana geometry: give the path of a .data file')
        if n_grid < _SMALLEST_GRID or n_grid % 2 == 0:
            raise InputError(f"n_grid must be odd and at least {_SMALLEST_GRID}, not {n_grid}; skopi takes 151")
        skopi = _import("skopi")
        self.beam: Any = skopi.Beam(
            photon_energy=beam.photon_energy,
            focus_radius=beam.focus_radius,
            fluence=beam.photons_per_pulse,
        )
        if geometry is None:
            assert geometry_path is not None
            geometry = read_psana_geometry(geometry_path)
        self.detector: Any = skopi.UserDefinedDetector(_pixels(geometry), self.beam)
        self.particle, weight = _particle(skopi, atoms)
        # Without the margin a furthest pixel turned onto an axis rounds out of the volume: skopi then
        # prints a line and returns zeros.
        s_max = float(self.detector.pixel_distance_reciprocal.max()) * (1 + _MESH_MARGIN)
        mesh, self.voxel_length = _import("skopi.geometry").get_reciprocal_mesh(n_grid, s_max)
        self.volume = _volume(self.particle, weight, mesh, self.voxel_length)

    def expected(self, quaternion: ArrayLike, position: ArrayLike, fluence_factor: ArrayLike) -> FloatArray:
        """Compute expected photons of one shot of `k` particles, whose amplitudes add.

        Parameters
        ----------
        quaternion
            (k, 4) w, x, y, z; active, r' = R r. Normalised here: skopi takes the length as given.
        position
            (k, 3) [m], in the laboratory.
        fluence_factor
            (k,) fluence at each particle over that of the beam; scales its amplitude by the square root.

        Returns
        -------
        (panel, ss, fs) expected photons. `k` may be 0, a blank.

        Raises
        ------
        InputError
            Lengths that do not agree, a quaternion of length zero, a negative fluence, NaN.
        """
        turns = np.asarray(quaternion, dtype=np.float64).reshape(-1, 4)
        places = np.asarray(position, dtype=np.float64).reshape(-1, 3)
        factors = np.asarray(fluence_factor, dtype=np.float64).reshape(-1)
        lengths = np.linalg.norm(turns, axis=1)
        if not len(turns) == len(places) == len(factors):
            raise InputError(
                "a quaternion, a position and a fluence factor are needed for each particle, "
                f"not {len(turns)}, {len(places)} and {len(factors)} of them"
            )
        finite = all(np.all(np.isfinite(values)) for values in (turns, places, factors))
        if not (finite and np.all(lengths > 0) and np.all(factors >= 0)):
            raise InputError(
                "quaternions, positions and fluence factors must be finite, quaternions not zero, "
                "fluence factors not negative"
            )
        take_slice = _import("skopi.geometry").take_slice
        amplitude = np.zeros(self.detector.shape, dtype=np.complex128)
        for turn, place, factor in zip(turns / lengths[:, None], places, factors, strict=True):
            pattern = take_slice(
                self.volume, self.voxel_length, self.detector.pixel_position_reciprocal, turn, inverse=True
            )
            amplitude += np.sqrt(factor) * self.detector.add_phase_shift(pattern, place)
        expected: FloatArray = self.detector.add_correction(np.abs(amplitude) ** 2)
        return expected

    def photons(
        self, quaternion: ArrayLike, position: ArrayLike, fluence_factor: ArrayLike, *, seed: int
    ) -> NDArray[np.uint64]:
        """Poisson photons of `expected`, (panel, ss, fs), drawn from a state of their own.

        skopi draws from numpy's global state. The same numbers come out of its `add_quantization` after
        ``numpy.random.seed(seed)``; `seed` is below 2**32 for that reason.
        """
        if not 0 <= seed < 2**32:
            raise InputError(f"the seed must be from 0 to 2**32 - 1, not {seed}")
        expected = self.expected(quaternion, position, fluence_factor)
        return np.random.RandomState(seed).poisson(expected).astype(np.uint64)


def _import(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise InputError('engine="skopi" needs the extra: pip install "xfeldask[skopi]"') from error


def _pixels(geometry: Geometry) -> dict[str, Any]:
    """Return what skopi's user defined detector asks for."""
    panel, ss, fs = geometry.shape
    size = np.full(geometry.shape, geometry.pixel_size)
    x, y, z = np.moveaxis(geometry.pixel_position, -1, 0)
    return {
        "panel number": panel,
        "panel pixel num x": ss,
        "panel pixel num y": fs,
        "pixel width": size,
        "pixel height": size,
        "pixel center x": x,
        "pixel center y": y,
        "pixel center z": z,
    }


def _particle(skopi: Any, atoms: Atoms) -> tuple[Any, FloatArray]:
    """Skopi's particle, atoms sorted by element as it wants them, and the occupancies in that order.

    Its fields are set by hand: `Particle.create_from_atoms` neither sorts nor knows more than 12 symbols.
    """
    kinds, kind = np.unique(atoms.element, return_inverse=True)
    order = np.argsort(kind, kind="stable")
    particle = skopi.Particle()
    particle.atom_pos = np.ascontiguousarray(atoms.position[order], dtype=np.float64)
    particle.split_idx = np.searchsorted(kind[order], np.arange(len(kinds) + 1))
    particle.num_atom_types = len(kinds)
    particle.q_sample = np.linspace(0, 10, 101) / (4 * np.pi * 0.529177206)  # sin(theta)/lambda [1/A]
    particle.num_q_samples = len(particle.q_sample)
    database = skopi.load_waaskirf_database()
    table = np.stack([_form_factor(database, str(symbol), particle.q_sample) for symbol in kinds])
    particle.ff_table = table[0] if len(kinds) == 1 else table
    return particle, np.asarray(atoms.occupancy, dtype=np.float64)[order]


def _form_factor(database: FloatArray, symbol: str, h: FloatArray) -> FloatArray:
    """Waasmaier-Kirfel form factor of an element or ion at `h` [1/A], from skopi's own coefficients."""
    parts = _ION.fullmatch(symbol)
    number = gemmi.Element(parts[1]).atomic_number if parts else 0
    charge = int(f"{parts[3]}{parts[2] or 1}") if parts and parts[3] else 0
    found = database[(database[:, 0] == number) & (database[:, 1] == charge)]
    if len(found) == 0:
        raise InputError(f"skopi has no form factor of {symbol!r}; leave these atoms out or make them neutral")
    a, c, b = found[0, 2:7], found[0, 7], found[0, 8:13]
    factor: FloatArray = a @ np.exp(-b[:, None] * h**2) + c
    return factor


def _volume(particle: Any, weight: FloatArray, mesh: FloatArray, step: float) -> NDArray[np.complex128]:
    """F(s) = sum_el f_el(h) sum_a w_a exp(+2 pi i s.r_a), (n, n, n) [electrons].

    `mesh` is (n, n, n, 3) [1/m], of the given step.
    """
    atomic_factor = _import("skopi.diffraction").calculate_atomic_factor
    nufft3d1 = _import("finufft").nufft3d1
    shape = mesh.shape[:-1]
    h = np.linalg.norm(mesh, axis=-1).ravel() * 1e-10 / 2
    factors = atomic_factor(particle, h, h.size)
    volume = np.zeros(shape, dtype=np.complex128)
    for factor, begin, end in zip(factors, particle.split_idx[:-1], particle.split_idx[1:], strict=True):
        phases = np.ascontiguousarray(2 * np.pi * step * particle.atom_pos[begin:end].T)
        strengths = weight[begin:end].astype(np.complex128)
        # one thread: several add up in any order, and every process must fill the same volume
        sums = nufft3d1(*phases, strengths, shape, eps=1e-9, isign=1, nthreads=1)
        volume += factor.reshape(shape) * sums
    return volume
