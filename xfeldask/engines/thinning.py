"""The engine ``xfeldask``: photons drawn exactly by thinning, on the CPU."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from xfeldask.config import Experiment
from xfeldask.physics.detectors import Geometry, wavelength
from xfeldask.physics.forward import make_forward_model
from xfeldask.physics.images import Photons
from xfeldask.physics.plan import ShotPlan, margins, shots_of_plan
from xfeldask.physics.species import Form, Mixture


class Thinning:
    """Draws shot by shot from the form factors of all bodies; see `xfeldask.physics.sampling`."""

    def __init__(
        self,
        experiment: Experiment,
        geometry: Geometry,
        forms: Sequence[Form],
        mixture: Mixture,
        background: NDArray[np.float32] | None = None,
    ) -> None:
        self._seed, self._geometry = experiment.seed, geometry
        self._mixture = None if experiment.species is None else mixture
        self.model = make_forward_model(
            forms,
            geometry,
            wavelength(experiment.beam.photon_energy),
            margins(experiment.nuisance, geometry.pixel_size),
            background,
        )

    def draw(self, plan: ShotPlan, shots: NDArray[np.int64]) -> Iterator[Photons]:
        """Photons of each shot, a block each."""
        for shot in shots_of_plan(plan, self._seed, shots, self._geometry, self._mixture):
            pixel, count = self.model.draw(shot)
            yield Photons(pixel, count, np.array([0, pixel.size]))

    def expected(self, plan: ShotPlan, shots: NDArray[np.int64]) -> Iterator[NDArray[np.float32]]:
        """Compute expected photons of each shot, float32 (panel, ss, fs)."""
        for shot in shots_of_plan(plan, self._seed, shots, self._geometry, self._mixture):
            yield self.model.expected(shot)
