"""Another complex in the beam that nobody named: what `find_kinds` makes of it, after the rule of the run."""

from __future__ import annotations

import time
from functools import cached_property

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from benchmarks.common import PNCCD, SHARED, Folder, effort, measures, particle
from xfeldask import embed, find_kinds, open_run, simulate
from xfeldask.sorting.decision import Decision

SMOKE = effort(1, 0) == 1
N_SHOTS = effort(1000, 5000)
DETECTOR = "square-64" if SMOKE else PNCCD
FOREIGN = ["chaperonin"] if SMOKE else ["chaperonin", "2cex", "virus"]
FRACTIONS = [0.2] if SMOKE else [0.0, 0.01, 0.05, 0.2, 0.5]
"""Of the shots, that are of the other complex."""


class FoundKinds(Folder):
    """1EI7 with another complex, realistic single hits, from frames to a verdict; no labels, nothing named."""

    timeout = 7200
    params = (FOREIGN, FRACTIONS)
    param_names = ("foreign", "fraction")

    def setup(self, foreign: str, fraction: float) -> None:
        if foreign == "2cex":
            foreign = str(SHARED / "data" / "2cex.pdb")
        self.path = self.make_folder() / "run.zarr"
        other = round(N_SHOTS * fraction)
        sources = {"wanted": (particle("1ei7"), N_SHOTS - other)} | ({"other": (foreign, other)} if other else {})
        species = {name: {"source": source, "weight": n / N_SHOTS} for name, (source, n) in sources.items()}
        simulate(
            self.path, species=species, detector=DETECTOR, n_shots=N_SHOTS, seed=5, nuisance="realistic",
            hits={"single_fraction": 1.0}, progress=False,
        )  # fmt: skip
        embed(self.path, progress=False)

    @cached_property
    def found(self) -> tuple[float, xr.Dataset]:
        """Seconds by the clock, and verdicts by kinds."""
        start = time.perf_counter()
        found = find_kinds(self.path, progress=False)
        return time.perf_counter() - start, found.load()

    @cached_property
    def accepted(self) -> NDArray[np.bool_]:
        """Who is of the wanted kind."""
        return np.asarray(self.found[1].is_single.values)

    @cached_property
    def largest(self) -> NDArray[np.bool_]:
        """Who is of the species of which most shots are accepted."""
        species = open_run(self.path).read("species")[:, 0]
        return np.asarray(species == np.bincount(species[self.accepted]).argmax())

    @measures("s", "120 or less")
    def track_seconds(self, foreign: str, fraction: float) -> float:
        """Kinds of 5,000 shots found, on all cores"""
        return self.found[0]

    @measures("%", "99.8")
    def track_purity(self, foreign: str, fraction: float) -> float:
        """Accepted hits that are of the species of most of them"""
        return 100 * float(self.largest[self.accepted].mean())

    @measures("%", "95")
    def track_own_accepted(self, foreign: str, fraction: float) -> float:
        """Hits of that species that are accepted"""
        return 100 * float(self.accepted[self.largest].mean())

    @measures("%", "within 0.5 of what is true")
    def track_expected_purity(self, foreign: str, fraction: float) -> float:
        """Purity as it is told; none where it is said to be unknown"""
        told = Decision.from_json(self.found[1].attrs["decision"])
        if told.expected_purity is None or not told.purity_known:
            return float("nan")
        return 100 * told.expected_purity
