"""Whole runs of `simulate`, each in a process of its own: time, memory of all its processes, bytes on disk."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from benchmarks.common import DEVICES, SIZES, Folder, measures, need_device, particle, watch

ONE_RUN = Path(__file__).with_name("one_run.py")


@dataclass(frozen=True)
class Run:
    """What a run took; memory is the sum of the resident sets of all processes, what they share counted in each."""

    seconds: float
    seconds_of_shards: float
    peak_bytes: int
    bytes_on_disk: int


def run_one(store: Path, name: str, n_shots: int, workers: str, device: str) -> Run:
    """Run `simulate` and watch it.

    Raises
    ------
    RuntimeError
        It failed; the message is what it wrote.
    """
    watched = watch([sys.executable, str(ONE_RUN), str(store), particle(name), str(n_shots), workers, device])
    disk = sum(file.stat().st_size for file in store.rglob("*") if file.is_file())
    return Run(watched.seconds, float(watched.out.split()[-1]), watched.peak_bytes, disk)


class Simulate(Folder):
    """Full resolution, 99 % single and 1 % double hits, threads scheduler with two workers, or drawn on a GPU."""

    params = (SIZES, ["1ei7", "chaperonin"], DEVICES)
    param_names = ("n_shots", "particle", "device")
    timeout = 3600
    workers = "threads"

    def setup(self, n_shots: int, name: str, device: str) -> None:
        need_device(device)
        particle(name)
        self.arguments = (self.make_folder() / "run.zarr", name, n_shots, self.workers, device)

    @cached_property
    def run(self) -> Run:
        return run_one(*self.arguments)

    @measures("s", "about 100 for 100K")
    def track_seconds(self, n_shots: int, name: str, device: str) -> float:
        """simulate: from the start of the process to its end"""
        return self.run.seconds

    @measures("s")
    def track_seconds_of_shards(self, n_shots: int, name: str, device: str) -> float:
        """simulate: shards alone, without imports, form factor and template"""
        return self.run.seconds_of_shards

    @measures("shots/s", "about 1,000")
    def track_rate(self, n_shots: int, name: str, device: str) -> float:
        """simulate: shots a second, shards alone"""
        return n_shots / self.run.seconds_of_shards

    @measures("GB", "4 or less")
    def track_peak_memory(self, n_shots: int, name: str, device: str) -> float:
        """simulate: peak memory of all processes together"""
        return self.run.peak_bytes / 1e9

    @measures("MB", "under 1,000 for 100K")
    def track_bytes(self, n_shots: int, name: str, device: str) -> float:
        """simulate: store on disk"""
        return self.run.bytes_on_disk / 1e6


class SimulateOnCluster(Simulate):
    """The same on a LocalCluster of two processes.

    What each does before its first shard, importing the package and reading the model, counts as time of shards.
    """

    workers, on = "processes", ("two processes",)
    params = (SIZES[:2], ["1ei7"], ["cpu"])
