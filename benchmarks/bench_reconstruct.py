"""How long a reconstruction takes, and how good it is."""

from __future__ import annotations

import time
from functools import cached_property
from typing import Any

import dask
import numpy as np
from numpy.typing import ArrayLike, NDArray

from benchmarks.common import DEVICES, PNCCD, Folder, effort, measures, need_device
from xfeldask import open_run, phase, reconstruct, reconstruction_quality, simulate
from xfeldask.orient.densities import laid_on
from xfeldask.physics.orientations import rotation_matrix
from xfeldask.scores.quality import Quality
from xfeldask.store.run import Run

SMOKE = effort(1, 0) == 1
DETECTOR, N_SHOTS = ("square-64" if SMOKE else PNCCD), effort(300, 5_000)
BEAM = {"photon_energy": 4600.0, "photons_per_pulse": 2.1e12, "focus_radius": 5e-7}
"""Of 1,003 photons a shot on the pnCCD."""
FINE = 4
"""Voxels of the density of atoms in one of a reconstructed one, along an edge, before it is made coarse."""
COARSE: dict[str, Any] = {"symmetry": "D8", "resolution": 5e-9, "starts": 1, "progress": False}


class Found:
    """What a reconstruction took, and what came of it."""

    def __init__(self, path: Any, device: str, **options: Any) -> None:
        with dask.config.set(scheduler="threads", num_workers=2):
            reconstruct(path, name="warm", device=device, overwrite=True, **COARSE)
            start, used = time.perf_counter(), time.process_time()
            reconstruct(path, name="emc", device=device, overwrite=True, progress=False, **options)
            self.seconds, self.processor = time.perf_counter() - start, time.process_time() - used
        self.quality: Quality = reconstruction_quality(path, "emc")

    def least(self, resolution: float) -> float:
        """Smallest correlation of the shells to a resolution [m]."""
        shells = self.quality.shells
        return float(shells.correlation[shells.s <= 1 / resolution].min())


class Reconstruct(Folder):
    """Single hits of the chaperonin, D8 given, to 2 nm, 50,100 rotations before symmetry; two threads, or a GPU."""

    params = (DEVICES,)
    param_names = ("device",)
    timeout = 3600
    options: dict[str, Any] = COARSE if SMOKE else {"symmetry": "D8"}

    def setup(self, device: str) -> None:
        need_device(device)
        self.device = device
        self.path = self.make_folder() / "run.zarr"
        simulate(self.path, particle="chaperonin", detector=DETECTOR, n_shots=N_SHOTS, single_fraction=1.0, seed=11,
                 beam=BEAM, progress=False)  # fmt: skip

    @cached_property
    def found(self) -> Found:
        """What came of it, after everything was compiled."""
        return Found(self.path, self.device, **{k: v for k, v in self.options.items() if k != "progress"})

    @measures("s", "120 or less")
    def track_seconds(self, device: str) -> float:
        """5,000 hits reconstructed with D8"""
        return self.found.seconds

    @measures("s")
    def track_processor_seconds(self, device: str) -> float:
        """5,000 hits reconstructed with D8, time of the processor"""
        return self.found.processor

    @measures("", "0.9 or more")
    def track_correlation(self, device: str) -> float:
        """Least correlation with the exact intensity of the shells to 3 nm, about the mean of each distance"""
        return self.found.least(3e-9)

    @measures("degree", "10.8 or less")
    def track_orientation_error(self, device: str) -> float:
        """Median orientation error, up to the symmetry"""
        return self.found.quality.orientation_error


class Phasing(Folder):
    """The density of the chaperonin from its reconstruction, D8 given, to 2 nm."""

    params = (DEVICES,)
    param_names = ("device",)
    timeout = 3600

    def setup(self, device: str) -> None:
        need_device(device)
        self.device = device
        self.path = self.make_folder() / "run.zarr"
        simulate(self.path, particle="chaperonin", detector=DETECTOR, n_shots=N_SHOTS, single_fraction=1.0, seed=11,
                 beam=BEAM, progress=False)  # fmt: skip
        reconstruct(self.path, **(COARSE if SMOKE else {"symmetry": "D8", "progress": False}))

    @cached_property
    def found(self) -> tuple[float, float]:
        """Time of the processor, and correlation with the density of the atoms."""
        used = time.process_time()
        found = phase(self.path, device=self.device)
        used = time.process_time() - used
        turn = reconstruction_quality(self.path).turn
        density, step = found["density"].values, float(found["s"].values[-1] - found["s"].values[-2])
        true = density_of_atoms(open_run(self.path), turn, len(density), step, float(found["s"].values[-2]))
        return used, float(np.corrcoef(laid_on(density, true).ravel(), true.ravel())[0, 1])

    @measures("s")
    def track_processor_seconds(self, device: str) -> float:
        """Phased, time of the processor"""
        return self.found[0]

    @measures("", "0.8 or more")
    def track_correlation(self, device: str) -> float:
        """Correlation of the density with that of the atoms at the resolution of the intensity"""
        return self.found[1]


def density_of_atoms(run: Run, turn: ArrayLike, size: int, step: float, reach: float) -> NDArray[np.float64]:
    """Mass of the atoms of a run, turned as an intensity lies, as far as a resolution shows it.

    Parameters
    ----------
    run : Run, of one body
    turn : float64 (4,), rotation by which ``exact(R x)`` is the intensity
    size : int, voxels a side
    step : of the intensity's grid [1/m]
    reach : largest scattering vector [1/m]
    """
    assert run.atoms is not None
    fine = FINE * size
    place = run.atoms.position @ rotation_matrix(turn) * (fine * step)
    mass = np.zeros((fine,) * 3)
    np.add.at(mass, tuple(np.rint(place).astype(np.int64).T % fine), run.atoms.mass)
    amplitude = np.fft.fftn(mass)
    near = np.fft.fftfreq(size, 1 / size).astype(np.int64)
    amplitude = amplitude[np.ix_(near, near, near)]
    far = np.sqrt(near[:, None, None] ** 2 + near[:, None] ** 2 + near**2) * step
    return np.asarray(np.fft.ifftn(np.where(far <= reach, amplitude, 0)).real)


class ReconstructWithoutSymmetry(Reconstruct):
    """The same hits without their symmetry."""

    options = COARSE if SMOKE else {"symmetry": None}

    @measures("s")
    def track_seconds(self, device: str) -> float:
        """5,000 hits reconstructed without symmetry"""
        return self.found.seconds

    @measures("s")
    def track_processor_seconds(self, device: str) -> float:
        """5,000 hits reconstructed without symmetry, time of the processor"""
        return self.found.processor

    @measures("", "0.85 or more")
    def track_correlation(self, device: str) -> float:
        """Least correlation with the exact intensity of the shells to 4 nm, about the mean of each distance"""
        return self.found.least(4e-9)
