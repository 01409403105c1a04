"""The engine ``skopi``: every pixel by skopi's slicing of a volume, photons by numpy's Poisson draw."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from xfeldask.config import Experiment
from xfeldask.engines.skopi import SkopiEngine
from xfeldask.errors import InputError
from xfeldask.physics.atoms import Atoms
from xfeldask.physics.detectors import R_E, Geometry
from xfeldask.physics.plan import ShotPlan
from xfeldask.physics.planned_shots import shots_of_plan
from xfeldask.physics.scattering import Shot
from xfeldask.physics.shot_blocks import split


class Slicing:
    """Draws shot by shot, a frame each.

    Raises
    ------
    InputError
        skopi is not installed, or knows nothing of something that the experiment asks for.
    """

    def __init__(self, experiment: Experiment, geometry: Geometry, atoms: Atoms) -> None:
        nuisance = experiment.nuisance
        if nuisance.size_spread or nuisance.energy_spread or nuisance.center_spread:
            raise InputError(
                "engine='skopi' knows no spread of size, photon energy or beam centre; set them to 0 or use "
                "engine='xfeldask'"
            )
        self._engine = SkopiEngine(atoms, None, experiment.beam, geometry=geometry)
        self._nominal = np.sqrt(experiment.beam.fluence) * geometry.pixel_size * R_E
        self._seed, self._geometry = experiment.seed, geometry

    def draw(self, plan: ShotPlan, shots: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
        """Frames of each shot, int64 (1, panel, ss, fs)."""
        for shot in split(shots_of_plan(plan, self._seed, shots, self._geometry)):
            yield np.random.Generator(np.random.Philox(int(shot.key))).poisson(self._mean(shot))[None]

    def expected(self, plan: ShotPlan, shots: NDArray[np.int64]) -> Iterator[NDArray[np.float32]]:
        """Compute expected photons of each shot, float32 (panel, ss, fs)."""
        for shot in split(shots_of_plan(plan, self._seed, shots, self._geometry)):
            yield self._mean(shot)

    def _mean(self, shot: Shot) -> NDArray[np.float32]:
        from scipy.spatial.transform import Rotation  # takes long to import, and few need it

        turns = Rotation.from_matrix(shot.rotation).as_quat(scalar_first=True) if len(shot.strength) else []
        factors = (shot.strength / self._nominal) ** 2
        mean = self._engine.expected(turns, shot.position, factors) + shot.background
        return np.where(self._geometry.mask, mean, 0.0).astype(np.float32)
