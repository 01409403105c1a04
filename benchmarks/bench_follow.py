"""Verdicts on shots while they are written.

``XFELDASK_BENCH_FRAMES`` names a simulated store whose shots are taken, again and again, instead of new ones.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import dask
import numpy as np

from benchmarks.beamline import hide
from benchmarks.common import DEVICES, PNCCD, Folder, effort, measures, need_device
from benchmarks.synthetic_million import repeat
from xfeldask import embed, simulate
from xfeldask.verbs.parts.following import ENOUGH_TO_FOLLOW

FRAMES = os.environ.get("XFELDASK_BENCH_FRAMES", "")
DETECTOR = "square-64" if effort(True, False) else PNCCD
SIMULATED = effort(1_024, 8_192)
RATES = {f"{rate} shots a second": rate for rate in (250, 500, 1000)}
SECONDS = effort(1, 120)
"""How long shots come."""
LAST = effort(1, 30)
"""Of these the last seconds are looked at, when what came while the model was fitted has been gone through [s]."""


class FollowAtRate(Folder):
    """`embed --follow`, two threads, or a GPU too, while another process marks shots of the chaperonin as written."""

    params = (list(RATES)[effort(2, 0) :], DEVICES)
    param_names = ("rate", "device")
    timeout = 3600

    def setup(self, rate: str, device: str) -> None:
        need_device(device)
        folder = self.make_folder()
        frames, growing = Path(FRAMES or folder / "frames.zarr"), folder / "run.zarr"
        if not FRAMES:
            simulate(frames, particle="chaperonin", detector=DETECTOR, n_shots=SIMULATED,
                     hits={0: 0.1, 1: 0.75, 2: 0.15}, seed=7, progress=False)  # fmt: skip
        repeat(frames, growing, ENOUGH_TO_FOLLOW + RATES[rate] * SECONDS)
        hide(growing, ENOUGH_TO_FOLLOW)
        words = [sys.executable, "-m", "benchmarks.beamline", str(growing), str(RATES[rate]), "ipca"]
        before = time.process_time()
        with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as beamline:
            try:
                with dask.config.set(scheduler="threads", num_workers=2):
                    embed(growing, name="ipca", follow=True, device=device, progress=False)
            except BaseException:
                beamline.kill()
                raise
            told = json.loads(beamline.communicate()[0])
        self.processor = time.process_time() - before
        self.shots, self.marked, self.told = np.array(told).T
        self.late = (self.told - self.marked)[self.marked > self.marked[-1] - LAST]

    @measures("s", "1")
    def track_median(self, rate: str, device: str) -> float:
        """From a shot's being written to its verdict, median of the last half minute"""
        return float(np.median(self.late))

    @measures("s", "1")
    def track_slow(self, rate: str, device: str) -> float:
        """From a shot's being written to its verdict, 95 % of the last half minute"""
        return float(np.quantile(self.late, 0.95))

    @measures("s")
    def track_first(self, rate: str, device: str) -> float:
        """From the first shard that is written to the first verdicts"""
        return float(self.told[0] - self.marked[0])

    @measures("ms")
    def track_processor(self, rate: str, device: str) -> float:
        """Time of the processor a shot, all of `embed`"""
        return 1e3 * self.processor / float(self.shots[-1])
