"""Latent spaces: against other incremental PCAs, whole runs, one shot at a time, and orientations found again."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

import dask.array as da
import dask_ml.decomposition
import numpy as np
import sklearn.decomposition
from numpy.typing import NDArray
from scipy.linalg import subspace_angles
from threadpoolctl import threadpool_limits

from benchmarks.bench_sort import Condition
from benchmarks.common import DEVICES, Folder, Watched, effort, in_turns, measures, need_device, ratio, watch
from xfeldask import embed, open_dataset, simulate
from xfeldask.latent.ipca import IncrementalPCA
from xfeldask.physics.binned_frames import bin_frames
from xfeldask.physics.binning import bin_index, low_q_index, low_q_shape
from xfeldask.physics.orientations import symmetry_group
from xfeldask.scores import OrientationScores, orientation_scores
from xfeldask.store.results.model import Model, restored_model
from xfeldask.store.results.parameters import Parameters
from xfeldask.store.run import Run

COMPONENTS = 3
EMBED = """
import sys, time, dask
from xfeldask import embed
start = time.perf_counter()
with dask.config.set(scheduler="threads", num_workers=2):
    embed(sys.argv[1], device=sys.argv[2], progress=False)
print(time.perf_counter() - start)
"""


def make_store(folder: Path, n_shots: int) -> Path:
    """Shots of the chaperonin under constant fluence, on the whole detector."""
    path = folder / "run.zarr"
    simulate(path, particle="chaperonin", n_shots=n_shots, single_fraction=0.99, seed=7, progress=False)
    return path


class AgainstPeers(Folder):
    """Three components of 10,000 shots' counts in all bins of `image`, by equal batches, in turns.

    BLAS runs in one thread, as in `embed`; dask-ml may use all cores besides. It takes no short last batch, so as many
    shots are taken as make whole ones.
    """

    params = (100, 512)
    param_names = ("batch",)
    timeout = 3600

    def setup(self, batch: int) -> None:
        n = effort(2 * batch, 10_000) // batch * batch
        ds = open_dataset(make_store(self.make_folder(), n))
        self.batch, self.rows = batch, ds.image.values.reshape(n, -1).astype(np.float32)
        self.components: dict[str, NDArray[Any]] = {}

    def _kept(self, name: str, fit: Callable[[], Any]) -> Callable[[], object]:
        def go() -> None:
            self.components[name] = fit().components_

        return go

    def _fit(self, estimator: Any) -> Any:
        for start in range(0, len(self.rows), self.batch):
            estimator.partial_fit(self.rows[start : start + self.batch])
        return estimator

    @cached_property
    def seconds(self) -> dict[str, NDArray[np.float64]]:
        """Of a fit, in each round."""
        lazy = da.from_array(self.rows, chunks=(self.batch, -1))
        fits = {
            "ours": self._kept("ours", lambda: self._fit(IncrementalPCA(COMPONENTS))),
            "sklearn": self._kept("sklearn", lambda: self._fit(sklearn.decomposition.IncrementalPCA(COMPONENTS))),
            "dask-ml": self._kept("dask-ml", lambda: self._fit_dask_ml(lazy)),
        }
        with threadpool_limits(1):
            return in_turns(fits, effort(1, 2))

    def _fit_dask_ml(self, lazy: Any) -> Any:
        with warnings.catch_warnings():
            # it divides by the number of shots seen before the first batch
            warnings.simplefilter("ignore", RuntimeWarning)
            return dask_ml.decomposition.IncrementalPCA(COMPONENTS, batch_size=self.batch).fit(lazy)

    @cached_property
    def exact(self) -> NDArray[np.float64]:
        """Components of all the rows at once."""
        exact = sklearn.decomposition.PCA(COMPONENTS, svd_solver="arpack").fit(self.rows.astype(np.float64))
        return np.asarray(exact.components_)

    def _degrees(self, name: str) -> float:
        assert self.seconds
        return float(np.rad2deg(subspace_angles(self.exact.T, self.components[name].T).max()))

    @measures("s")
    def track_seconds(self, batch: int) -> float:
        """fit"""
        return float(np.median(self.seconds["ours"]))

    @measures("times", "10 or more")
    def track_faster_than_sklearn(self, batch: int) -> float:
        """fit faster than scikit-learn's IncrementalPCA"""
        return ratio(self.seconds["sklearn"], self.seconds["ours"])

    @measures("times", "2 or more")
    def track_faster_than_dask_ml(self, batch: int) -> float:
        """fit faster than dask-ml's IncrementalPCA"""
        return ratio(self.seconds["dask-ml"], self.seconds["ours"])

    @measures("deg", "2 or less")
    def track_angle(self, batch: int) -> float:
        """largest principal angle to the exact components"""
        return self._degrees("ours")

    @measures("deg")
    def track_angle_of_sklearn(self, batch: int) -> float:
        """largest principal angle to the exact components, scikit-learn's"""
        return self._degrees("sklearn")

    @measures("deg")
    def track_angle_of_dask_ml(self, batch: int) -> float:
        """largest principal angle to the exact components, dask-ml's"""
        return self._degrees("dask-ml")


class Throughput(Folder):
    """`embed` by its defaults, of shots that are in a store, in a process of its own: two threads, or a GPU too."""

    params = ([effort(1024, 10_000, 100_000)], DEVICES)
    param_names = ("n_shots", "device")
    timeout = 3600

    def setup(self, n_shots: int, device: str) -> None:
        need_device(device)
        self.device, self.path = device, make_store(self.make_folder(), n_shots)

    @cached_property
    def run(self) -> Watched:
        return watch([sys.executable, "-c", EMBED, str(self.path), self.device])

    @measures("s", "60 or less for 100K")
    def track_seconds(self, n_shots: int, device: str) -> float:
        """embed: features, fit, projection, scores and labels, from the start of the process to its end"""
        return self.run.seconds

    @measures("s")
    def track_seconds_alone(self, n_shots: int, device: str) -> float:
        """embed: the same without starting and importing"""
        return float(self.run.out)

    @measures("GB", "4 or less for 100K")
    def track_peak_memory(self, n_shots: int, device: str) -> float:
        """embed: peak memory"""
        return self.run.peak_bytes / 1e9


class Stream(Folder):
    """New shots at full resolution, in memory, judged with a fitted model, so many at a time: one core, or a GPU."""

    params = ([1, 16], DEVICES)
    param_names = ("batch", "device")
    timeout = 900

    def setup(self, batch: int, device: str) -> None:
        need_device(device)
        path = make_store(self.make_folder(), effort(1024, 4096))
        found = embed(path, progress=False)
        run = Run.open(path)
        self.model: Model = restored_model(
            Parameters.from_json(found.attrs["parameters"]), run.embeddings["ipca"].parts(), run, device
        )
        assert self.model.rule is not None
        self.rule = self.model.rule
        # as many as do not fit into the processor's cache
        self.frames = np.asarray(open_dataset(path, chunks=None).photons[: effort(32, 512)].values)
        features, geometry = self.model.features, run.geometry
        self.to_image = bin_index(geometry, features.options["bin"]), features.image_shape
        self.to_low_q = low_q_index(geometry), low_q_shape(geometry)
        self.look(self.frames[:batch])

    def look(self, frames: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        """Coordinates of frames, and how much likelier one particle is than several."""
        latent = self.model.estimator.transform(self.model.features(bin_frames(frames, *self.to_image)))
        return latent, self.rule.evidence({"low_q": bin_frames(frames, *self.to_low_q)})["log_ratio"]

    @measures("shots/s", "1,000 or more")
    def track_rate(self, batch: int, device: str) -> float:
        """new shots binned, projected and judged, one core"""
        with threadpool_limits(1):
            seconds = in_turns({"look": lambda: self._look_at_all(batch)}, effort(1, 5))["look"]
        return len(self.frames) / float(np.median(seconds))

    def _look_at_all(self, batch: int) -> None:
        for start in range(0, len(self.frames), batch):
            self.look(self.frames[start : start + batch])


class Orientation(Folder):
    """Single hits of the chaperonin: how far its nearest neighbours in the latent space are turned from each shot.

    Symmetry D8 and Friedel's law count. Of the features and numbers of components that were tried, the best. Shots
    have the photons that the built-in beam gives, 479 on average, or as many as the realistic conditions have.
    """

    params = ("479 photons", "1500 photons")
    param_names = ("shots",)
    timeout = 1800

    def setup(self, shots: str) -> None:
        path = self.make_folder() / "run.zarr"
        condition = Condition({"single_fraction": 1.0}, photons=float(shots.split()[0]))
        ds = simulate(path, condition.experiment(effort(256, 10_000), seed=7), progress=False)
        found = embed(
            path,
            features={"name": "unit_root", "bin": 2 * ds.attrs["bin"]},
            n_components=20,
            sort=None,
            stop=False,
            progress=False,
        )
        self.latent, self.orientation = found.latent.values, ds.orientation.values[:, 0]

    @cached_property
    def scores(self) -> OrientationScores:
        return orientation_scores(self.latent, self.orientation, symmetry_group("D8"), friedel=True)

    @measures("times", "1.5 or less")
    def track_over_oracle(self, shots: str) -> float:
        """orientation error to the 10 nearest in the latent space / to the truly nearest"""
        return self.scores.median_error / self.scores.oracle

    @measures("deg")
    def track_error(self, shots: str) -> float:
        """orientation error to the 10 nearest in the latent space"""
        return self.scores.median_error

    @measures("deg")
    def track_random(self, shots: str) -> float:
        """orientation error to 10 at random"""
        return self.scores.random
