"""What fills the arrays of a shard: our forward model, or skopi."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from xfeldask.config import Experiment
from xfeldask.errors import InputError
from xfeldask.formats.skopi import SkopiEngine
from xfeldask.physics.atoms import Atoms
from xfeldask.physics.detectors import Geometry, assembled_index
from xfeldask.physics.forward import ForwardModel
from xfeldask.physics.shots import ShotPlan, shots_of_plan

Arrays = dict[str, NDArray[Any]]


class Engine(Protocol):
    """Fills zeroed arrays of a shard: photons, image, photon_count, lost_photons, and intensity if present."""

    def fill(self, plan: ShotPlan, shots: NDArray[np.int64], arrays: Arrays) -> None:
        """Compute the absolute `shots`, whose truth is `plan`."""


class ForwardEngine:
    """Exact sampling of our own forward model."""

    def __init__(self, model: ForwardModel, geometry: Geometry, seed: int) -> None:
        self._model, self._geometry, self._seed = model, geometry, seed

    def fill(self, plan: ShotPlan, shots: NDArray[np.int64], arrays: Arrays) -> None:
        """Draw every shot by the cheaper sampler."""
        photons, image = arrays["photons"], arrays["image"]
        counted, lost = arrays["photon_count"], arrays["lost_photons"]
        for i, shot in enumerate(shots_of_plan(plan, self._seed, shots, self._geometry)):
            counted[i], lost[i] = self._model.draw(shot, photons[i], image[i])
            if "intensity" in arrays:
                arrays["intensity"][i] = self._model.expected(shot)


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
        self._peak = experiment.beam.fluence * 1e-12
        self._geometry, self._seed = geometry, experiment.seed
        row, column = assembled_index(geometry)
        self._bins = ((row // bin) * (int(column.max()) // bin + 1) + column // bin).reshape(-1)

    def fill(self, plan: ShotPlan, shots: NDArray[np.int64], arrays: Arrays) -> None:
        """Evaluate every pixel of every shot."""
        ceiling = np.iinfo(arrays["photons"].dtype).max
        good = self._geometry.mask
        for i, shot in enumerate(shots_of_plan(plan, self._seed, shots, self._geometry)):
            k = int(plan.n_particles[i])
            mean = self._engine.expected(
                plan.orientation[i, :k], plan.position[i, :k], plan.fluence[i, :k] / self._peak
            )
            mean = np.where(good, mean + shot.background, 0.0)
            drawn = np.random.Generator(np.random.Philox(int(shot.key))).poisson(mean)
            kept = np.minimum(drawn, ceiling)
            arrays["photons"][i] = kept
            small = np.bincount(self._bins, kept.reshape(-1), arrays["image"][i].size)
            arrays["image"][i] = np.minimum(small, 65535).reshape(arrays["image"][i].shape)
            arrays["photon_count"][i], arrays["lost_photons"][i] = kept.sum(), (drawn - kept).sum()
            if "intensity" in arrays:
                arrays["intensity"][i] = mean
