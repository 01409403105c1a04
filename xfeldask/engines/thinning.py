"""The engine ``xfeldask``: photons drawn exactly by thinning, on the CPU or a GPU."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from xfeldask.config import Experiment
from xfeldask.engines.cuda_thinning import CudaThinning, gpu_for
from xfeldask.physics.detectors import Geometry, wavelength
from xfeldask.physics.forward import make_forward_model
from xfeldask.physics.images import Photons, joined
from xfeldask.physics.plan import ShotPlan, margins
from xfeldask.physics.planned_shots import shots_of_plan
from xfeldask.physics.shot_blocks import some, split
from xfeldask.physics.species import Form, Mixture
from xfeldask.store.layout import IMAGES_PER_CHUNK

AT_ONCE = IMAGES_PER_CHUNK
"""Shots drawn together: as many as are stored together."""

_lock = threading.Lock()


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
        self._gpu: CudaThinning | None = None

    def draw_on(self, device: str) -> None:
        """Draw on a device: "auto", "cpu" or "cuda"; see `gpu_for`."""
        with _lock:
            found = gpu_for(device, "xfeldask") if self._gpu is None or device == "cpu" else None
            if found is not None:
                self._gpu = CudaThinning(self.model, found)
            elif device == "cpu":
                self._gpu = None

    def draw(self, plan: ShotPlan, shots: NDArray[np.int64]) -> Iterator[Photons]:
        """Photons of the shots, in blocks."""
        planned = shots_of_plan(plan, self._seed, shots, self._geometry, self._mixture)
        gpu = self._gpu  # another thread may take it away
        if gpu is None:
            for first in range(0, len(shots), AT_ONCE):
                yield from self.model.draw_blocks(some(planned, first, min(first + AT_ONCE, len(shots))))
        else:
            alone = gpu.draw(list(split(planned)))
            for first in range(0, len(alone), AT_ONCE):
                yield joined(alone[first : first + AT_ONCE])

    def expected(self, plan: ShotPlan, shots: NDArray[np.int64]) -> Iterator[NDArray[np.float32]]:
        """Compute expected photons of each shot, float32 (panel, ss, fs)."""
        for shot in split(shots_of_plan(plan, self._seed, shots, self._geometry, self._mixture)):
            yield self.model.expected(shot)
