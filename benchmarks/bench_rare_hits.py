"""What the pair rule makes of few hits among many blanks."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from benchmarks.common import PNCCD, effort, measures, particle
from xfeldask import embed, open_run, simulate
from xfeldask.sorting.decision import Decision

SMOKE = effort(1, 0) == 1
WEIGHTS = {0: 0.99, 1: 0.009, 2: 0.001}
"""Shots by number of particles."""


class RareHits:
    """1EI7, realistic, 40,000 shots of which one in a hundred is a hit, and one in ten of those is of two particles."""

    params = [1, 2, 3][: 1 if SMOKE else None]
    param_names = ("seed",)
    timeout = 1800

    def setup(self, seed: int) -> None:
        with TemporaryDirectory(prefix="xfeldask-bench-") as folder:
            path = Path(folder) / "run.zarr"
            simulate(
                path, particle="chaperonin" if SMOKE else particle("1ei7"), n_shots=effort(1000, 40_000),
                detector="square-64" if SMOKE else PNCCD,
                hits={0: 0.5, 1: 0.4, 2: 0.1} if SMOKE else WEIGHTS, nuisance="realistic", seed=seed, progress=False,
            )  # fmt: skip
            found = embed(path, progress=False).load()
            self.particles = open_run(path).read("n_particles")
        self.accepted: NDArray[np.bool_] = found.is_single.values
        self.decision = Decision.from_json(found.attrs["decision"])

    @cached_property
    def single(self) -> NDArray[np.bool_]:
        """Shots of one particle."""
        return np.asarray(self.particles == 1)

    @measures("%", "1")
    def track_singles_lost(self, seed: int) -> float:
        """singles rejected"""
        return 100 * float(1 - self.accepted[self.single].mean())

    @measures("%")
    def track_most_lost(self, seed: int) -> float:
        """singles rejected, at most, as told"""
        interval = self.decision.expected_singles_lost_interval
        return float("nan") if interval is None else 100 * interval[1]

    @measures("%")
    def track_purity(self, seed: int) -> float:
        """singles among the accepted"""
        return 100 * float(self.single[self.accepted].mean())

    @measures("%")
    def track_least_purity(self, seed: int) -> float:
        """the same, at least, as told; none where the rule says that it does not know"""
        interval = self.decision.expected_purity_interval
        return float("nan") if interval is None else 100 * interval[0]
