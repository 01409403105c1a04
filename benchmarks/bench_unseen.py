"""Assemblies that no rule has seen, as SpeckleNN (Wang et al., IUCrJ 10, 568, 2023) was tried on."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np

from benchmarks.assemblies import assembly
from benchmarks.common import effort, measures
from xfeldask import embed, open_run, simulate

SMOKE = effort(1, 0) == 1
ENERGY = 1660.0
ASSEMBLIES = list(range(effort(1, 20)))
PHOTONS = [1e12, 1e11, 3e10]
"""In a pulse."""


class Judged(NamedTuple):
    """Of one assembly: photons of a mean single hit; fractions of hits, singles, multiples that are told right."""

    photons: float
    right: float
    singles: float
    multiples: float


@cache
def judged(number: int, photons: float) -> Judged:
    """Simulate, embed and judge the hits of an assembly."""
    with TemporaryDirectory(prefix="xfeldask-bench-") as folder:
        path = Path(folder) / "run.zarr"
        simulate(
            path, particle=assembly(number)[1], n_shots=effort(600, 1500), seed=number, progress=False,
            beam={"photon_energy": ENERGY, "photons_per_pulse": photons, "focus_radius": 5e-7},
            detector={
                "source": "square-64" if SMOKE else "square-256", "pixel_size": 1.2e-3 if SMOKE else 3e-4,
                "distance": 0.1, "response": {"noise": 0.15 * ENERGY},
            },
            hits={"weights": {1: 3, 2: 1, 3: 1, 4: 1}}, nuisance={"pulse_spread": 0.22, "focus": "gaussian"},
        )  # fmt: skip
        accepted = embed(path, progress=False).is_single.values
        run = open_run(path)
        single, counted = run.read("n_particles") == 1, run.read("photon_count")
    right = accepted == single
    return Judged(float(counted[single].mean()), *(float(right[of].mean()) for of in (slice(None), single, ~single)))


class UnseenAssemblies:
    """Half of the hits of one particle, half of two to four, read noise of 0.15 photon; nothing is labelled or known.

    SpeckleNN told 86.9 % right, of 1,154 assemblies of the PDB above 380 kDa, after it was trained on 4,624 others. The
    twenty here are made by a recipe, by which nothing of the rule was chosen.
    """

    params = PHOTONS[: 1 if SMOKE else None]
    param_names = ("photons_per_pulse",)
    timeout = 3600

    def setup(self, photons: float) -> None:
        self.judged = [judged(number, photons) for number in ASSEMBLIES]

    @measures("%", "95")
    def track_right(self, photons: float) -> float:
        """hits told right, one particle or several, mean of the assemblies"""
        return 100 * float(np.mean([each.right for each in self.judged]))

    @measures("%")
    def track_right_worst(self, photons: float) -> float:
        """hits told right, of the worst assembly"""
        return 100 * min(each.right for each in self.judged)

    @measures("%")
    def track_singles(self, photons: float) -> float:
        """singles accepted, mean of the assemblies"""
        return 100 * float(np.mean([each.singles for each in self.judged]))

    @measures("%")
    def track_multiples(self, photons: float) -> float:
        """multiples rejected, mean of the assemblies"""
        return 100 * float(np.mean([each.multiples for each in self.judged]))

    @measures("photons")
    def track_photons(self, photons: float) -> float:
        """photons of a mean single hit, mean of the assemblies"""
        return float(np.mean([each.photons for each in self.judged]))
