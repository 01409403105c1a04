"""One iteration against Dragonfly's `emc`: the same frames, pixels, rotations and intensity to begin with."""

from __future__ import annotations

import time
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from benchmarks.common import Folder, effort, measures
from benchmarks.dragonfly import Dragonfly, find_emc
from xfeldask import open_run, simulate
from xfeldask.orient.cycle import expand_maximise_compress
from xfeldask.orient.models import Models, grid_size
from xfeldask.orient.schedule import A_ROTATION, Level
from xfeldask.orient.sparse import pixels_of
from xfeldask.scores.quality import shell_correlation
from xfeldask.verbs.judge import exact_intensity
from xfeldask.work.reconstructing import read_frames

SIDE, N_SHOTS, REFINEMENT = effort(32, 64), effort(100, 3_000), effort(2, 6)
"""Pixels of the detector along an edge, shots, and refinement of the rotations: 10,860 of 6."""
BINS = min(SIDE / 2, REFINEMENT / A_ROTATION)
"""Radius in which all is seen and rotations are as near as a reconstruction has them [bins]."""


class AgainstDragonfly(Folder):
    """Single hits of the chaperonin, no symmetry, from the exact intensity; one core each."""

    timeout = 7200

    def setup(self) -> None:
        program = find_emc()
        folder = self.make_folder()
        self.path = folder / "run.zarr"
        simulate(self.path, particle="chaperonin", detector=f"square-{SIDE}", n_shots=N_SHOTS, single_fraction=1.0,
                 seed=11, progress=False)  # fmt: skip
        run = open_run(self.path)
        self.pixels = pixels_of(run.geometry, run.wavelength)
        self.start = exact_intensity(run, grid_size(self.pixels.reach), self.pixels.step)
        self.other = Dragonfly(program, folder)
        self.other.prepare(self.path, self.start, REFINEMENT)

    @cached_property
    def ours(self) -> tuple[float, NDArray[np.float64]]:
        """Seconds, and the intensity after the iteration."""
        run = open_run(self.path)
        frames = read_frames(run, np.arange(run.n_shots), self.pixels, "image", None, False)
        start = Models(self.start[None], np.ones(1), self.pixels.step)
        level = Level(REFINEMENT, self.pixels.reach, 1, everywhere=True)
        expand_maximise_compress(frames[np.arange(9)], self.pixels, start, [level])
        began = time.perf_counter()
        found = expand_maximise_compress(frames, self.pixels, start, [level])
        return time.perf_counter() - began, found.models.intensity[0]

    @cached_property
    def theirs(self) -> tuple[float, NDArray[np.float64]]:
        """Seconds, and the intensity after the iteration."""
        seconds = self.other.iterate()
        return seconds, self.other.volume(len(self.start))

    @measures("s")
    def track_seconds(self) -> float:
        """One iteration, 3,000 frames of 4,096 pixels, 10,860 rotations, one core"""
        return self.ours[0]

    @measures("times", "5 or more")
    def track_times_faster(self) -> float:
        """Time of the same iteration by Dragonfly's emc over ours"""
        return self.theirs[0] / self.ours[0]

    @measures("", "0.95 or more")
    def track_correlation(self) -> float:
        """Least correlation of the two intensities in the shells that these rotations are fine enough for"""
        shells = shell_correlation(self.ours[1], self.theirs[1], self.pixels.step)
        return float(shells.correlation[shells.s <= BINS * self.pixels.step].min())
