"""How well single hits are told by species that are named, or found by a few labels, and how long that takes."""

from __future__ import annotations

import time
from functools import cache, cached_property
from pathlib import Path
from tempfile import TemporaryDirectory

import dask
import numpy as np
from numpy.typing import NDArray

from benchmarks.common import DEVICES, PNCCD, Folder, effort, measures, need_device, particle
from benchmarks.likelihood_limit import told_by_all_but_the_species
from xfeldask import open_run, simulate
from xfeldask.config import Experiment, Species
from xfeldask.devices import device_of
from xfeldask.orient.parallel import By, in_turn
from xfeldask.orient.sparse import Pixels, SparseFrames, pixels_of
from xfeldask.sorting.kinds.comparing import log_likelihoods
from xfeldask.sorting.kinds.drawn import corrections
from xfeldask.sorting.kinds.found import Kinds, posterior
from xfeldask.sorting.kinds.growth import grow_kinds
from xfeldask.sorting.kinds.labelled import held_to
from xfeldask.sorting.kinds.named_drawn import tempered_by_drawn
from xfeldask.store.run import Run
from xfeldask.verbs.parts.named_species import beam_like, kinds_like, named_like
from xfeldask.work.compute import one_thread_a_task
from xfeldask.work.reconstructing import ByDask, read_frames

SMOKE = effort(1, 0) == 1
N_SHOTS, N_HITS = effort(40, 2048), effort(200, 3000)
FRACTIONS = [0.01, 0.05, 0.2]
"""Of the hits, that are of the foreign particle."""
FOREIGN = {"bright": (1.0, 12), "dim": (0.46, 13), "dimmer": (0.25, 14)}
"""How strong its pulses are over the usual ones, and the seed of its shots."""
DETECTOR = "square-64" if SMOKE else PNCCD
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
    """Hits of 13 species judged by all of them, realistic conditions; two threads, or a GPU."""

    timeout = 3600
    params = ([1.0, 4.0], DEVICES)
    param_names = ("brightness", "device")

    def setup(self, brightness: float, device: str) -> None:
        need_device(device)
        self.by: By = device_of(device) or ByDask()
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
        named = named_like(*beam_like(self.path), pixels)
        kinds = kinds_like(named, frames, pixels)
        with one_thread_a_task(), dask.config.set(scheduler="threads", num_workers=2):
            log_likelihoods(frames[np.arange(20)], pixels, kinds, by=self.by)
            start = time.perf_counter()
            told = log_likelihoods(frames, pixels, kinds, by=self.by)
            seconds = time.perf_counter() - start
            trust = tempered_by_drawn(named, frames, pixels, kinds, told, by=self.by)
        told = trust.of(told, frames.photons(pixels.within(kinds.radius)), kinds.fractions)
        return seconds, kinds, run.read("species")[:, 0].astype(np.int64), posterior(told, kinds.fractions)[0]

    @measures("s", "60 or less")
    def track_seconds(self, brightness: float, device: str) -> float:
        """2,048 hits judged by 13 species"""
        return self.found[0]

    @measures("", "reported")
    def track_balanced_accuracy(self, brightness: float, device: str) -> float:
        """Fraction of each species told right, mean of 13"""
        return right(self.found[2], self.found[3].argmax(axis=1))

    @measures("", "reported")
    def track_limit(self, brightness: float, device: str) -> float:
        """The same of whoever is told orientation, arrangement, size and background of each shot"""
        return right(self.found[2], told_by_all_but_the_species(*self.shots))

    @measures("", "0.02 or less")
    def track_miscalibration(self, brightness: float, device: str) -> float:
        """Mean probability of what shots are taken for, away from the fraction that is right"""
        _, _, truth, probability = self.found
        return float(abs(probability.max(axis=1).mean() - (probability.argmax(axis=1) == truth).mean()))


@cache
def single_hits(source: str, strength: float, n_shots: int, seed: int) -> tuple[SparseFrames, Pixels]:
    """Realistic single hits of pulses so many times as strong as usual."""
    with TemporaryDirectory(prefix="xfeldask-bench-") as folder:
        experiment = Experiment(particle=source, detector=DETECTOR, n_shots=n_shots, nuisance="realistic", seed=seed,
                                hits={"single_fraction": 1.0})  # fmt: skip
        pulse = experiment.beam.photons_per_pulse * strength
        beam = experiment.beam.model_copy(update={"photons_per_pulse": pulse})
        simulate(Path(folder) / "run.zarr", experiment.model_copy(update={"beam": beam}), progress=False)
        run = open_run(Path(folder) / "run.zarr")
        pixels = pixels_of(run.geometry, run.wavelength)
        return read_frames(run, np.arange(n_shots), pixels, "image", None, False), pixels


class LabelledKinds:
    """1EI7 with the chaperonin, realistic, kinds found blind and by 20 labels."""

    timeout = 7200
    params = (
        [20] if SMOKE else [0, 20],
        ["dim"] if SMOKE else ["bright", "dim", "dimmer"],
        [0.2] if SMOKE else FRACTIONS,
        DEVICES,
    )
    param_names = ("labels", "foreign", "fraction", "device")

    def setup(self, labels: int, foreign: str, fraction: float, device: str) -> None:
        need_device(device)
        self.by: By = device_of(device) or in_turn
        strength, seed = FOREIGN[foreign]
        other = round(N_HITS * fraction)
        wanted, self.pixels = single_hits(particle("1ei7"), 1.0, N_HITS, 11)
        strange, _ = single_hits("chaperonin", strength, round(N_HITS * max(FRACTIONS)), seed)
        dice = np.random.default_rng(0)
        order = dice.permutation(N_HITS)
        joined = SparseFrames.joined([wanted[np.arange(N_HITS - other)], strange[np.arange(other)]])
        self.frames, self.strange = joined[order], order >= N_HITS - other
        self.labels = np.full(N_HITS, -1)
        self.labels[dice.choice(np.flatnonzero(self.strange), labels, replace=False)] = 0

    @cached_property
    def found(self) -> tuple[float, NDArray[np.bool_], NDArray[np.float64]]:
        """Seconds of processors, who is accepted, and the probability that each shot is wanted."""
        start = time.process_time()
        kinds = grow_kinds(self.frames, self.pixels, labels=self.labels, most=2, by=self.by)
        told = log_likelihoods(self.frames, self.pixels, kinds, by=self.by)
        if len(kinds) > 1:
            told = told + corrections(self.frames, self.pixels, kinds, told, by=self.by)
        held = held_to(self.labels, told, kinds.fractions)
        probability = posterior(np.where(held.barred, -np.inf, told), kinds.fractions)[0]
        seconds = time.process_time() - start
        (wanted,) = held.wanted
        return seconds, probability.argmax(axis=1) == wanted, probability[:, wanted]

    @measures("s", "120 or less")
    def track_seconds(self, labels: int, foreign: str, fraction: float, device: str) -> float:
        """Kinds of 3,000 hits found and told, seconds of processors"""
        return self.found[0]

    @measures("%", "3 or less")
    def track_wanted_lost(self, labels: int, foreign: str, fraction: float, device: str) -> float:
        """Wanted hits that are not of the wanted kind"""
        return 100 * float((~self.found[1])[~self.strange].mean())

    @measures("%", "99.5")
    def track_purity(self, labels: int, foreign: str, fraction: float, device: str) -> float:
        """Purity of the wanted kind, true"""
        return 100 * float((~self.strange)[self.found[1]].mean())

    @measures("%", "as is true")
    def track_expected_purity(self, labels: int, foreign: str, fraction: float, device: str) -> float:
        """Purity of the wanted kind, as it is told"""
        return 100 * float(self.found[2][self.found[1]].mean())
