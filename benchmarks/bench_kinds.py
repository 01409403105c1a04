"""How well single hits are told by species that are named, and how long that takes."""

from __future__ import annotations

import time
from functools import cached_property
from pathlib import Path

import dask
import numpy as np
from numpy.typing import NDArray

from benchmarks.common import Folder, effort, measures
from benchmarks.likelihood_limit import told_by_all_but_the_species
from xfeldask import open_run, simulate
from xfeldask.config import Experiment, Species
from xfeldask.orient.sparse import Pixels, SparseFrames, pixels_of
from xfeldask.sorting.kinds.found import Kinds, log_likelihoods, posterior
from xfeldask.store.run import Run
from xfeldask.verbs.named_species import beam_like, kinds_like
from xfeldask.work.compute import one_thread_a_task
from xfeldask.work.reconstructing import ByDask, read_frames

SMOKE = effort(1, 0) == 1
N_SHOTS = effort(40, 2048)
CLASSES = Path(__file__).resolve().parents[1] / "examples" / "thirteen_classes.toml"
FEW = {"particle": Species(source="chaperonin"), "sphere": Species(sphere={"diameter": 12e-9})}


def thirteen_classes(brightness: float) -> Experiment:
    """Return the experiment of the example with pulses so many times as strong."""
    experiment = Experiment.from_toml(CLASSES)
    beam = experiment.beam
    changes = {
        "n_shots": N_SHOTS,
        "beam": beam.model_copy(update={"photons_per_pulse": beam.photons_per_pulse * brightness}),
        **({"species": FEW, "detector": "square-64"} if SMOKE else {}),
    }
    return Experiment(**{name: getattr(experiment, name) for name in Experiment.model_fields} | changes)


def right(truth: NDArray[np.int64], found: NDArray[np.int64]) -> float:
    """Fraction of each species told right, mean of those that are there."""
    return float(np.mean([(found[truth == species] == species).mean() for species in np.unique(truth)]))


class NamedKinds(Folder):
    """Hits of 13 species judged by all of them, realistic conditions; two threads."""

    timeout = 3600
    params = ([1.0, 4.0],)
    param_names = ("brightness",)

    def setup(self, brightness: float) -> None:
        self.path = self.make_folder() / "run.zarr"
        simulate(self.path, thirteen_classes(brightness), progress=False)

    @cached_property
    def shots(self) -> tuple[Run, SparseFrames, Pixels]:
        """All of them."""
        run = open_run(self.path)
        pixels = pixels_of(run.geometry, run.wavelength)
        return run, read_frames(run, np.arange(N_SHOTS), pixels, "image", None, False), pixels

    @cached_property
    def found(self) -> tuple[float, Kinds, NDArray[np.int64], NDArray[np.float64]]:
        """Seconds, after everything was compiled; kinds; the truth; and the probability of each kind."""
        run, frames, pixels = self.shots
        kinds = kinds_like(*beam_like(self.path), frames, pixels)
        with one_thread_a_task(), dask.config.set(scheduler="threads", num_workers=2):
            log_likelihoods(frames[np.arange(20)], pixels, kinds, each=ByDask())
            start = time.perf_counter()
            told = log_likelihoods(frames, pixels, kinds, each=ByDask())
            seconds = time.perf_counter() - start
        return seconds, kinds, run.read("species")[:, 0].astype(np.int64), posterior(told, kinds.fractions)[0]

    @measures("s", "60 or less")
    def track_seconds(self, brightness: float) -> float:
        """2,048 hits judged by 13 species"""
        return self.found[0]

    @measures("", "reported")
    def track_balanced_accuracy(self, brightness: float) -> float:
        """Fraction of each species told right, mean of 13"""
        return right(self.found[2], self.found[3].argmax(axis=1))

    @measures("", "reported")
    def track_limit(self, brightness: float) -> float:
        """The same of whoever is told orientation, arrangement, size and background of each shot"""
        return right(self.found[2], told_by_all_but_the_species(*self.shots))

    @measures("", "0.02 or less")
    def track_miscalibration(self, brightness: float) -> float:
        """Mean probability of what shots are taken for, away from the fraction that is right"""
        _, _, truth, probability = self.found
        return float(abs(probability.max(axis=1).mean() - (probability.argmax(axis=1) == truth).mean()))
