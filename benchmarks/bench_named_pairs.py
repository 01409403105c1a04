"""How well one particle is told from two by what it is made of, beside the rule that is taught."""

from __future__ import annotations

import time
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from benchmarks.bench_sort import A_THIRD, ASKED, SMOKE, WEIGHTS, Condition
from benchmarks.common import effort, measures
from xfeldask import embed, open_run, simulate
from xfeldask.scores import SortingScores, sorting_scores
from xfeldask.sorting.rules import DEFAULT, MODELS

BEAMS = {
    "150 photons, 600 shots, a third not single": (150.0, 600, A_THIRD),
    "150 photons, 2,000 shots, a third not single": (150.0, 2000, A_THIRD),
    "300 photons, 600 shots, a third not single": (300.0, 600, A_THIRD),
    "75 photons, 4,000 shots, a third not single": (75.0, 4000, A_THIRD),
    "150 photons, 10,000 shots, 5 % multiple": (150.0, 10_000, WEIGHTS),
}
"""Photons of a mean single hit at full fluence, shots, and how many of them hold how many particles."""


@cache
def sorted_by(rule: str, beam: str) -> tuple[float, NDArray[np.int16], NDArray[np.bool_], float, SortingScores]:
    """Seconds of processors, particles of each shot, which are accepted, the purity told (NaN if none), and scores."""
    photons, shots, weights = BEAMS[beam]
    experiment = Condition({"weights": weights}, "realistic", photons, "1ei7")
    with TemporaryDirectory(prefix="xfeldask-bench-") as folder:
        path = Path(folder) / "run.zarr"
        simulate(path, experiment.experiment(effort(400, shots), seed=1), progress=False)
        start = time.process_time()
        found = embed(path, sort=rule, like=path if rule == MODELS else None, progress=False).load()
        seconds = time.process_time() - start
        particles = open_run(path).read("n_particles")
    hit, kept = particles > 0, found.is_single.values
    probability = found.probability_single.values[kept].mean() if kept.any() else np.nan
    scores = sorting_scores(particles[hit] == 1, kept[hit], found.score.values[hit], ASKED)
    return seconds, particles, kept, float(probability), scores


class NamedPairs:
    """1EI7, realistic: by the structure alone, and by what the shots teach; fractions are among true hits."""

    params = ([MODELS, DEFAULT], list(BEAMS)[: 1 if SMOKE else None])
    param_names = ("rule", "beam")
    timeout = 3600

    def setup(self, rule: str, beam: str) -> None:
        self.seconds, self.particles, self.kept, self.told, self.scores = sorted_by(rule, beam)

    @measures("s")
    def track_seconds(self, rule: str, beam: str) -> float:
        """Embedded and sorted, seconds of processors"""
        return self.seconds

    @measures("", "0.98 at 150 photons")
    def track_auc(self, rule: str, beam: str) -> float:
        """area under the ROC curve"""
        return self.scores.roc_auc

    @measures("%")
    def track_singles_lost(self, rule: str, beam: str) -> float:
        """singles rejected, where 1 % may be"""
        return 100 * float((~self.kept)[self.particles == 1].mean())

    @measures("%")
    def track_fraction_accepted(self, rule: str, beam: str) -> float:
        """multiples accepted, of all of them"""
        return 100 * float(self.kept[self.particles > 1].mean())

    @measures("%")
    def track_purity(self, rule: str, beam: str) -> float:
        """purity"""
        return 100 * float((self.particles == 1)[self.kept].mean())

    @measures("%", "as is true")
    def track_expected_purity(self, rule: str, beam: str) -> float:
        """mean probability of a single hit among the accepted"""
        return 100 * self.told
