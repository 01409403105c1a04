"""What fills the arrays of a shard: our forward model, or skopi."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from xfeldask.config import Experiment
from xfeldask.engines.skopi import SkopiEngine
from xfeldask.errors import InputError
from xfeldask.physics.atoms import Atoms
from xfeldask.physics.detectors import R_E, Geometry, assembled_index, wavelength
from xfeldask.physics.forward import bin_factor, binned_shape, make_forward_model
from xfeldask.physics.plan import margins
from xfeldask.physics.sampling import Shot
from xfeldask.physics.volume import Volume


class Engine(Protocol):
    """Computes one shot at a time; `ForwardModel` is one."""

    def expected(self, shot: Shot) -> NDArray[np.float32]:
        """Expected photons, (panel, ss, fs)."""

    def draw(self, shot: Shot, frame: NDArray[Any], image: NDArray[np.uint16]) -> tuple[int, int]:
        """Draw photons into zeroed (panel, ss, fs) and (y, x) arrays; returns those counted and those lost."""


class SkopiShots:
    """Patterns by skopi's slicing, photons by its Poisson draw."""

    def __init__(self, experiment: Experiment, atoms: Atoms, geometry: Geometry, bin: int) -> None:
        nuisance = experiment.nuisance
        if nuisance.size_spread or nuisance.energy_spread or nuisance.center_spread:
            raise InputError(
                "engine='skopi' knows no spread of size, photon energy or beam centre; set them to 0 or use "
                "engine='xfeldask'"
            )
        self._engine = SkopiEngine(atoms, None, experiment.beam, geometry=geometry)
        self._nominal = np.sqrt(experiment.beam.fluence) * geometry.pixel_size * R_E
        self._geometry = geometry
        row, column = assembled_index(geometry)
        self._bins = ((row // bin) * binned_shape(geometry, bin)[1] + column // bin).reshape(-1)

    def expected(self, shot: Shot) -> NDArray[np.float32]:
        """Expected photons, (panel, ss, fs): every pixel by skopi's slicing and corrections."""
        turns = Rotation.from_matrix(shot.rotation).as_quat(scalar_first=True) if len(shot.strength) else []
        factors = (shot.strength / self._nominal) ** 2
        mean = self._engine.expected(turns, shot.position, factors) + shot.background
        return np.where(self._geometry.mask, mean, 0.0).astype(np.float32)

    def draw(self, shot: Shot, frame: NDArray[Any], image: NDArray[np.uint16]) -> tuple[int, int]:
        """Draw every pixel; returns photons counted and photons lost to full pixels."""
        drawn = np.random.Generator(np.random.Philox(int(shot.key))).poisson(self.expected(shot))
        frame[...] = kept = np.minimum(drawn, np.iinfo(frame.dtype).max)
        small = np.bincount(self._bins, kept.reshape(-1), image.size)
        image[...] = np.minimum(small, np.iinfo(np.uint16).max).reshape(image.shape)
        return int(kept.sum()), int((drawn - kept).sum())


def make_engine(experiment: Experiment, geometry: Geometry, volume: Volume, atoms: Atoms) -> Engine:
    """The engine that an experiment asks for."""
    bin = bin_factor(geometry)
    if experiment.engine == "skopi":
        return SkopiShots(experiment, atoms, geometry, bin)
    return make_forward_model(
        volume,
        geometry,
        wavelength(experiment.beam.photon_energy),
        margins(experiment.nuisance, geometry.pixel_size),
        bin,
    )
