"""Four small stores that between them use all that decides the bytes of shots, and one that is sorted by pairs.

``python -m tests.small_stores FOLDER NAME ...`` makes those of the four that are named, or the other one, ``taught``.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from xfeldask import embed, simulate

ATOMS = (np.random.default_rng(1).normal(size=(40, 3)) * 9e-10, ["C", "N", "O", "S"] * 10)
COMMON = {"particle": ATOMS, "detector": "square-32", "seed": 5, "n_shots": 40, "progress": False}
BEAM = {"photon_energy": 4600.0, "focus_radius": 5e-7}
READ = {"preset": "pnccd", "noise": 1200.0, "cloud": 3e-4, "dead_fraction": 0.02, "hot_fraction": 0.02}
STORES = {
    # brighter than a photon a pixel: every pixel is drawn, by both methods for Poisson variates
    "bright": {
        "beam": {**BEAM, "photons_per_pulse": 3e16},
        "hits": {0: 0.1, 1: 0.4, 2: 0.3, 3: 0.2},
        "nuisance": {"pulse_spread": 0.3, "size_spread": 0.03, "center_spread": 0.5, "energy_spread": 0.005,
                     "background": 0.15, "dead_fraction": 0.02, "focus": "gaussian"},
        "photon_dtype": "uint16",
        "intensity": True,
    },
    # thinned
    "dim": {
        "beam": {**BEAM, "photons_per_pulse": 1e15},
        "hits": {"occupancy": 1.5, "placement": "focus"},
        "nuisance": {"pulse_spread": 1.5, "background": 0.3},
        "orientations": {"kind": "uniform", "count": 11},
    },
    # read by a detector, frames in ADU drawn pixel by pixel
    "adu": {"beam": {**BEAM, "photons_per_pulse": 1e16}, "response": {**READ, "adu": True}},
    # and without them
    "read": {"beam": {**BEAM, "photons_per_pulse": 1e16}, "response": READ},
}  # fmt: skip

TAUGHT = {
    "particle": "chaperonin",
    "detector": "square-64",
    "seed": 1,
    "n_shots": 450,
    "hits": {0: 0.05, 1: 0.85, 2: 0.1},
}


def make(folder: Path, names: Iterable[str] = STORES) -> None:
    """Make some of the four, and an embedding of each."""
    for name in names:
        simulate(folder / f"{name}.zarr", **COMMON, **STORES[name])
        embed(folder / f"{name}.zarr", n_components=2, sort=None, progress=False)


def teach(folder: Path) -> None:
    """Make the one that is sorted by pairs, with all defaults."""
    simulate(folder / "taught.zarr", **TAUGHT, progress=False)
    embed(folder / "taught.zarr", progress=False)


if __name__ == "__main__":
    if sys.argv[2:] == ["taught"]:
        teach(Path(sys.argv[1]))
    else:
        make(Path(sys.argv[1]), sys.argv[2:])
