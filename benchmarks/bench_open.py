"""Opening a store, reading single shots, importing the package."""

from __future__ import annotations

import itertools
import os
import statistics
import subprocess
import sys

import numpy as np

from benchmarks.common import SIZES, Folder, Store, effort, measures, prepared
from xfeldask import open_dataset
from xfeldask.engines.workshop import simulate_shard
from xfeldask.schema import DONE
from xfeldask.store.layout import shot_array


class Open(Folder):
    """Stores of 1EI7 at full resolution, in the page cache.

    One shard is simulated; the others are hard links to its files, so that 100K shots are there in seconds.
    """

    params = (SIZES,)
    param_names = ("n_shots",)
    timeout = 900

    def setup(self, n_shots: int) -> None:
        folder = self.make_folder() / "run.zarr"
        self.store = store = Store.make(folder, prepared("1ei7", n_shots=n_shots))
        simulate_shard(store.run, 0)
        root, layout = store.run.group, store.workshop.layout
        for shard in range(1, layout.n_shards):
            for name in ("photons", "image"):
                inside = "/".join("0" for _ in shot_array(root, name).shape[1:])
                file = folder / name / "c" / str(shard) / inside
                file.parent.mkdir(parents=True)
                os.link(folder / name / "c" / "0" / inside, file)
        shot_array(root, "shot_status")[...] = DONE
        root.attrs["complete"] = True
        self.shots = itertools.cycle(np.random.default_rng(3).permutation(n_shots).tolist())
        self.lazy, self.plain = open_dataset(store.run.path), open_dataset(store.run.path, chunks=None)

    @measures("ms", "500 or less")
    def time_open(self, n_shots: int) -> None:
        """open_dataset"""
        open_dataset(self.store.run.path)

    @measures("ms", "5 or less")
    def time_read_through_dask(self, n_shots: int) -> None:
        """one random shot read through Dask, chunks='shard'"""
        assert self.lazy.photons[next(self.shots)].values.any()

    @measures("ms", "5 or less")
    def time_read(self, n_shots: int) -> None:
        """one random shot read, chunks=None"""
        assert self.plain.photons[next(self.shots)].values.any()


class Import:
    """In fresh processes; the interpreter's own start is not counted."""

    timeout = 300

    def _seconds(self, statement: str) -> float:
        code = f"import time; start = time.perf_counter(); {statement}; print(time.perf_counter() - start)"
        command = [sys.executable, "-c", code]
        runs = [
            float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
            for _ in range(effort(2, 7))
        ]
        # the first may compile bytecode
        return statistics.median(runs[1:])

    @measures("s", "under 0.3")
    def track_import(self) -> float:
        """import xfeldask"""
        return self._seconds("import xfeldask")

    @measures("s")
    def track_import_simulate(self) -> float:
        """from xfeldask import simulate, open_dataset"""
        return self._seconds("from xfeldask import simulate, open_dataset")
