"""What fills the arrays of a shard: our forward model, or skopi."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from xfeldask.config import Experiment
from xfeldask.errors import InputError
from xfeldask.formats.skopi import SkopiEngine
from xfeldask.physics.atoms import Atoms
from xfeldask.physics.detectors import R_E, Geometry, assembled_index, wavelength
from xfeldask.physics.forward import ForwardModel, bin_factor, binned_shape, make_forward_model
from xfeldask.physics.sampling import Shot
from xfeldask.physics.shots import ShotPlan, margins, shots_of_plan
from xfeldask.physics.volume import Volume

Arrays = Mapping[str, NDArray[Any]]


class Engine(Protocol):
    """Computes one shot at a time."""

    def prepare(self, plan: ShotPlan, shots: NDArray[np.int64]) -> list[Shot]:
        """The absolute `shots`, whose truth is `plan`, ready for `fill`."""

    def fill(self, shot: Shot, arrays: Arrays) -> tuple[int, int]:
        """Fill zeroed `photons`, `image`, and `intensity` if it is there; returns photons counted and lost."""


class ForwardEngine:
    """Exact sampling of our own forward model."""

    def __init__(self, model: ForwardModel, geometry: Geometry, seed: int) -> None:
        self.model, self._geometry, self._seed = model, geometry, seed

    def prepare(self, plan: ShotPlan, shots: NDArray[np.int64]) -> list[Shot]:
        """Rotations, strengths and keys of all shots at once."""
        return shots_of_plan(plan, self._seed, shots, self._geometry)

    def fill(self, shot: Shot, arrays: Arrays) -> tuple[int, int]:
        """Draw the shot by the cheaper sampler."""
        if "intensity" in arrays:
            arrays["intensity"][...] = self.model.expected(shot)
        return self.model.draw(shot, arrays["photons"], arrays["image"])


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
        self._geometry, self._seed = geometry, experiment.seed
        row, column = assembled_index(geometry)
        self._bins = ((row // bin) * binned_shape(geometry, bin)[1] + column // bin).reshape(-1)

    def prepare(self, plan: ShotPlan, shots: NDArray[np.int64]) -> list[Shot]:
        """The same shots that our own engine would draw."""
        return shots_of_plan(plan, self._seed, shots, self._geometry)

    def fill(self, shot: Shot, arrays: Arrays) -> tuple[int, int]:
        """Evaluate every pixel and draw from it."""
        turns = Rotation.from_matrix(shot.rotation).as_quat(scalar_first=True) if len(shot.strength) else []
        factors = (shot.strength / self._nominal) ** 2
        mean = self._engine.expected(turns, shot.position, factors) + shot.background
        mean = np.where(self._geometry.mask, mean, 0.0)
        drawn = np.random.Generator(np.random.Philox(int(shot.key))).poisson(mean)
        kept = np.minimum(drawn, np.iinfo(arrays["photons"].dtype).max)
        small = np.bincount(self._bins, kept.reshape(-1), arrays["image"].size)
        arrays["photons"][...] = kept
        arrays["image"][...] = np.minimum(small, 65535).reshape(arrays["image"].shape)
        if "intensity" in arrays:
            arrays["intensity"][...] = mean
        return int(kept.sum()), int((drawn - kept).sum())


def make_engine(experiment: Experiment, geometry: Geometry, volume: Volume, atoms: Atoms) -> Engine:
    """The engine that an experiment asks for."""
    bin = bin_factor(geometry)
    if experiment.engine == "skopi":
        return SkopiShots(experiment, atoms, geometry, bin)
    model = make_forward_model(
        volume,
        geometry,
        wavelength(experiment.beam.photon_energy),
        margins(experiment.nuisance, geometry.pixel_size),
        bin,
    )
    return ForwardEngine(model, geometry, experiment.seed)
