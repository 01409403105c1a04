"""Intervals that the pair rule tells, and purity that it keeps, in beams that nothing was chosen by."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.common import PNCCD, effort, measures, particle
from xfeldask import simulate
from xfeldask.physics.binning import ImageGrid
from xfeldask.sorting.deciding import Cut, decide
from xfeldask.sorting.pairs.rule import PairRule
from xfeldask.sorting.protocol import Allowance
from xfeldask.store.run import open_run

SMOKE = effort(1, 0) == 1
ASKED = 0.05
"""Contamination that is asked for."""


class Beam(NamedTuple):
    """Realistic hits of a particle, a part of them of two (three quarters) and three; some photons are seen."""

    source: str
    hits: int
    multiple: float
    seen: float
    seed: int


BEAMS = {
    "1EI7, 10 %, 89 photons": Beam("1ei7", 3000, 0.1, 0.3, 69),
    "1EI7, 33 %, 179 photons": Beam("1ei7", 3000, 0.333, 0.6, 61),
    "1EI7, 33 %, 89 photons": Beam("1ei7", 3000, 0.333, 0.3, 62),
    "1EI7, 33 %, 44 photons": Beam("1ei7", 3000, 0.333, 0.15, 63),
    "chaperonin, 33 %, 58 photons": Beam("chaperonin", 3000, 0.333, 0.3, 64),
    "chaperonin, 33 %, 29 photons": Beam("chaperonin", 3000, 0.333, 0.15, 65),
    "1EI7, 65 %": Beam("1ei7", 3000, 0.65, 0.6, 67),
    "1EI7, 70 %": Beam("1ei7", 3000, 0.7, 1, 66),
    "1EI7, 75 %": Beam("1ei7", 4000, 0.75, 0.6, 84),
    "1EI7, 80 %": Beam("1ei7", 3000, 0.8, 1, 51),
    "1EI7, 80 %, 6,000 hits": Beam("1ei7", 6000, 0.8, 1, 52),
    "1EI7, 80 %, 6,000 others": Beam("1ei7", 6000, 0.8, 1, 70),
    "1EI7, 85 %": Beam("1ei7", 3000, 0.85, 1, 81),
    "chaperonin, 65 %": Beam("chaperonin", 3000, 0.65, 1, 68),
    "chaperonin, 75 %": Beam("chaperonin", 3000, 0.75, 1, 82),
    "chaperonin, 80 %": Beam("chaperonin", 3000, 0.8, 1, 54),
    "chaperonin, 80 %, 6,000 hits": Beam("chaperonin", 6000, 0.8, 1, 85),
    "chaperonin, 85 %": Beam("chaperonin", 4000, 0.85, 1, 83),
}


def low_q(beam: Beam, weights: dict[int, float], number: int, seed: int) -> tuple[ImageGrid, NDArray[np.uint16]]:
    """Finer images around the beam, of so many hits."""
    with TemporaryDirectory(prefix="xfeldask-bench-") as folder:
        path = Path(folder) / "run.zarr"
        simulate(
            path, particle=particle(beam.source), detector="square-64" if SMOKE else PNCCD, n_shots=number,
            hits=weights, nuisance="realistic", seed=seed, progress=False,
        )  # fmt: skip
        run = open_run(path)
        return run.low_q_grid, run.dataset().low_q[:].values


class HeldOut:
    """Hits of which many are multiple, or dim; nobody tells the rule how many."""

    params = ([*BEAMS][-1:] if SMOKE else [*BEAMS],)
    param_names = ("beam",)
    timeout = 1800

    def setup(self, beam: str) -> None:
        told = BEAMS[beam]
        number = effort(500, told.hits)
        several = round(told.multiple * number)
        grid, one = low_q(told, {1: 1.0}, number - several, told.seed)
        _, more = low_q(told, {2: 0.75, 3: 0.25}, several, told.seed + 1000)
        rng, images = np.random.default_rng(told.seed), np.concatenate([one, more])
        if told.seen < 1:
            images = rng.binomial(images, told.seen).astype(np.uint16)
        order = rng.permutation(number)
        rule = PairRule(told.seed)
        rule.networks.fit(images[order], grid)
        evidence = rule.evidence({"low_q": images[order]})
        hit = ~np.isnan(evidence["log_ratio"])
        self.ratio, self.single = evidence["log_ratio"][hit], (order < number - several)[hit]
        self.told = rule.decide(evidence, Allowance())[1]

    @cached_property
    def usual(self) -> Cut:
        """The decision where no purity is asked for."""
        return decide(self.ratio)

    @cached_property
    def pure(self) -> Cut:
        """The decision where one is asked for."""
        return decide(self.ratio, max_contamination=ASKED)

    def others(self, cut: Cut) -> float:
        """Others among the accepted, in truth [%]."""
        return 100 * float(1 - self.single[cut.kept].mean())

    def lost(self, cut: Cut) -> float:
        """Singles that are rejected, in truth [%]."""
        return 100 * float(1 - cut.kept[self.single].mean())

    @measures("%")
    def track_most_others(self, beam: str) -> float:
        """Others among the accepted, at most, as told; none where the rule says that it does not know"""
        interval = self.told.expected_purity_interval
        return float("nan") if interval is None else 100 * (1 - interval[0])

    @measures("%", "no more than told")
    def track_others(self, beam: str) -> float:
        """Others among the accepted"""
        return self.others(self.usual)

    @measures("%")
    def track_most_lost(self, beam: str) -> float:
        """Singles rejected, at most, as told"""
        interval = self.told.expected_singles_lost_interval
        return float("nan") if interval is None else 100 * interval[1]

    @measures("%", "no more than told")
    def track_lost(self, beam: str) -> float:
        """Singles rejected"""
        return self.lost(self.usual)

    @measures("%", "5")
    def track_others_where_asked(self, beam: str) -> float:
        """Others among the accepted where 5 % at most are asked for"""
        return self.others(self.pure)

    @measures("%")
    def track_lost_where_asked(self, beam: str) -> float:
        """Singles rejected where 5 % at most are asked for"""
        return self.lost(self.pure)
