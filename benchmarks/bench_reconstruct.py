"""How long a reconstruction takes, and how good it is."""

from __future__ import annotations

import time
from functools import cached_property

import dask

from benchmarks.common import PNCCD, Folder, effort, measures
from xfeldask import reconstruct, reconstruction_quality, simulate
from xfeldask.devices import device_of
from xfeldask.scores.quality import Quality

SMOKE = effort(1, 0) == 1
DETECTOR, N_SHOTS = ("square-64" if SMOKE else PNCCD), effort(300, 5_000)
COARSE = {"symmetry": "D8", "resolution": 5e-9, "starts": 1, "progress": False}
FINE = COARSE if SMOKE else {"symmetry": "D8", "progress": False}


class Reconstruct(Folder):
    """Single hits of the chaperonin, D8 given, to 2 nm, 50,100 rotations before symmetry; two threads, or a GPU."""

    params = ("cpu", "cuda") if device_of("auto") else ("cpu",)
    param_names = ("device",)
    timeout = 3600

    def setup(self, device: str) -> None:
        self.device = device
        self.path = self.make_folder() / "run.zarr"
        simulate(self.path, particle="chaperonin", detector=DETECTOR, n_shots=N_SHOTS, single_fraction=1.0, seed=11,
                 progress=False)  # fmt: skip

    @cached_property
    def found(self) -> tuple[float, Quality]:
        """Seconds, after everything was compiled, and what came of it."""
        with dask.config.set(scheduler="threads", num_workers=2):
            reconstruct(self.path, name="warm", device=self.device, **COARSE)
            start = time.perf_counter()
            reconstruct(self.path, name="emc", device=self.device, **FINE)
            seconds = time.perf_counter() - start
            return seconds, reconstruction_quality(self.path, "emc")

    @measures("s", "120 or less")
    def track_seconds(self, device: str) -> float:
        """5,000 hits reconstructed with D8"""
        return self.found[0]

    @measures("", "0.9 or more")
    def track_correlation(self, device: str) -> float:
        """Correlation with the exact intensity, mean of all shells"""
        return float(self.found[1].shells.correlation.mean())

    @measures("degree", "10.8 or less")
    def track_orientation_error(self, device: str) -> float:
        """Median orientation error, up to the symmetry"""
        return self.found[1].orientation_error
