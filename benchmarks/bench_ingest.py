"""Ingesting files against what cannot be left out: reading them by h5py, and writing their frames ready-made."""

from __future__ import annotations

import shutil
from pathlib import Path

import dask
import h5py
import numpy as np
from numpy.typing import ArrayLike, NDArray

from benchmarks.common import Folder, effort, in_turns, measures, ratio
from xfeldask import ingest, open_run, photonize
from xfeldask.engines.reading import layout_of_frames, left_photons
from xfeldask.physics.detectors import Geometry, square
from xfeldask.store.elsewhere import forget_readers
from xfeldask.store.layout import layout_of, shot_array
from xfeldask.store.run import Run
from xfeldask.store.shards import Shard
from xfeldask.verbs.ingest import open_sources
from xfeldask.verbs.parts.ingest_template import publish_frames

WORKERS = 2
SIDE, PHOTONS = effort(128, 1024), effort(50, 1500)
SHOTS = effort(32, 1024, 8192)


def sparse_frames(n: int) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Places and counts of shots whose photons lie as those of a particle do, more in the middle."""
    rng = np.random.default_rng(1)
    width = SIDE / 6
    out = []
    for _ in range(n):
        xy = np.clip(rng.normal(SIDE / 2, width, (PHOTONS, 2)), 0, SIDE - 1).astype(np.int64)
        out.append(np.unique(xy[:, 0] * SIDE + xy[:, 1], return_counts=True))
    return out


def write_emc(path: Path, shots: list[tuple[NDArray[np.int64], NDArray[np.int64]]]) -> None:
    """Write a sparse file of Dragonfly."""
    header = np.zeros(256, "<i4")
    header[:2] = len(shots), SIDE * SIDE
    ones, multi = ([(p[(c == 1) == single], c[c > 1]) for p, c in shots] for single in (True, False))
    parts: list[ArrayLike] = [[len(p) for p, _ in ones], [len(p) for p, _ in multi]]
    parts += [np.concatenate([p for p, _ in ones]), np.concatenate([p for p, _ in multi])]
    parts += [np.concatenate([c for _, c in multi])]
    path.write_bytes(b"".join([header.tobytes(), *(np.asarray(part, "<i4").tobytes() for part in parts)]))


def write_cxi(path: Path, shots: list[tuple[NDArray[np.int64], NDArray[np.int64]]]) -> None:
    """Write a hit file of uint8 frames, gzip and shuffle, a frame a chunk, as beamlines do."""
    with h5py.File(path, "w") as file:
        data = file.create_dataset(
            "entry_1/instrument_1/detector_1/data", (len(shots), 1, SIDE, SIDE), "u1", chunks=(1, 1, SIDE, SIDE),
            compression="gzip", shuffle=True,
        )  # fmt: skip
        for i, (places, counts) in enumerate(shots):
            frame = np.zeros(SIDE * SIDE, np.uint8)
            frame[places] = counts
            data[i] = frame.reshape(1, SIDE, SIDE)


class Ingest(Folder):
    """A thousand shots of 1,500 photons on 1,024 x 1,024 pixels, on two threads."""

    timeout = 1800

    def setup(self) -> None:
        folder = self.make_folder()
        self.emc, self.cxi, self.out = folder / "run.emc", folder / "run.cxi", folder / "run.zarr"
        shots = sparse_frames(SHOTS)
        write_emc(self.emc, shots)
        write_cxi(self.cxi, shots)
        self.geometry: Geometry = square(SIDE, 76.8e-3 / SIDE, 0.15)

    def ingest(self, path: Path) -> None:
        with dask.config.set(scheduler="threads", num_workers=WORKERS):
            ingest(path, self.out, geometry=self.geometry, wavelength=2.7e-10, overwrite=True, progress=False)

    def read(self) -> None:
        """Read all frames by h5py, in blocks as ingesting does."""
        with h5py.File(self.cxi) as file:
            data = file["entry_1/instrument_1/detector_1/data"]
            for start in range(0, SHOTS, 8):
                data[start : start + 8]

    def rewrite(self) -> None:
        """Write the shots of the store that is there once more, ready-made, on one thread."""
        run = Run.open(self.out, "r+")
        layout = layout_of(run.group)
        arrays = {v.name: shot_array(run.group, v.name) for v in layout.stored()}
        values = {name: run.read(name) for name in ("photons", "image", "low_q", "photon_count", "lost_photons")}
        for shard in range(layout.n_shards):
            sink = Shard(arrays, run.path, layout, shard)
            mine = slice(sink.shots.start, sink.shots.stop)
            raw = {name: values[name][mine] for name in ("photons", "image", "low_q")}
            sink.extend(raw, {name: values[name][mine] for name in ("photon_count", "lost_photons")})
            sink.commit()

    @measures("shots a second", "1000 or more on two free cores")
    def track_sparse(self) -> float:
        """ingesting sparse EMC frames"""
        return float(SHOTS / np.median(in_turns({"it": lambda: self.ingest(self.emc)}, effort(1, 3))["it"]))

    @measures("times", "1.3 or less")
    def track_sparse_against_writing(self) -> float:
        """ingesting sparse EMC frames on two threads, against writing them ready-made on one"""
        self.ingest(self.emc)
        found = in_turns({"ingest": lambda: self.ingest(self.emc), "write": self.rewrite}, effort(1, 3))
        return ratio(found["ingest"], found["write"])

    @measures("times", "1.3 or less")
    def track_cxi_against_reading(self) -> float:
        """ingesting CXI frames, uint8 and gzip, on two threads, against reading them by h5py"""
        found = in_turns({"ingest": lambda: self.ingest(self.cxi), "read": self.read}, effort(1, 3))
        return ratio(found["ingest"], found["read"])

    @measures("frames a second", "100 or more on a free core")
    def track_photonize(self) -> float:
        """ADU frames to photons with a common mode of half rows, one core"""
        rng = np.random.default_rng(2)
        adu = rng.poisson(0.05, (1, 1, SIDE, SIDE)) * 125 + rng.normal(0, 18, (1, 1, SIDE, SIDE))
        frame = adu.astype(np.float32)
        took = in_turns({"it": lambda: photonize(frame, gain=125.0, common_mode="half_row")}, effort(1, 30))["it"]
        return float(1 / took.min())

    def teardown(self, *_: object) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)


FILES, EACH, THERE = effort(2, 100), effort(8, 10_000), effort(2, 8)


class LeftInFiles(Folder):
    """A virtual data set of a million frames that are not copied; all but some of each file were never written."""

    timeout = 1800

    def setup(self) -> None:
        folder = self.make_folder()
        self.virtual, self.out = folder / "run.h5", folder / "run.zarr"
        layout = h5py.VirtualLayout((FILES * EACH, SIDE, SIDE), "u1")
        rng, shots = np.random.default_rng(3), sparse_frames(FILES * THERE)
        self.there: list[int] = []
        for part in range(FILES):
            with h5py.File(folder / f"part{part}.h5", "w") as file:
                data = file.create_dataset(
                    "data", (EACH, SIDE, SIDE), "u1", chunks=(1, SIDE, SIDE), compression="gzip", shuffle=True
                )
                for place in np.sort(rng.choice(EACH, THERE, replace=False)).tolist():
                    pixels, counts = shots.pop()
                    frame = np.zeros(SIDE * SIDE, np.uint8)
                    frame[pixels] = counts
                    data[place] = frame.reshape(SIDE, SIDE)
                    self.there.append(part * EACH + place)
                layout[part * EACH : (part + 1) * EACH] = h5py.VirtualSource(data)
        with h5py.File(self.virtual, "w") as file:
            file.create_virtual_dataset("data", layout)
        self.there = rng.permutation(self.there).tolist()
        geometry: Geometry = square(SIDE, 76.8e-3 / SIDE, 0.15)
        frames, intake = open_sources(str(self.virtual), "hdf5", geometry, 2.7e-10, None, None)
        # images of a million frames take hours, and no shot needs another's
        publish_frames(
            self.out, frames, layout_of_frames(frames, "uint8"), intake, left_photons(frames, intake, "uint8")
        )

    def open(self) -> None:
        """Open the store and its files anew, and read a shot."""
        forget_readers()
        open_run(self.out).dataset().photons[self.there[0]].compute(scheduler="synchronous")

    @measures("s", "5 or less")
    def track_opening(self) -> float:
        """opening a store of a million frames that are left in their files, and reading one"""
        return float(np.median(in_turns({"it": self.open}, effort(1, 3))["it"]))

    @measures("times", "1.3 or less")
    def track_random_shots(self) -> float:
        """random shots of it, against h5py"""
        rounds = effort(1, 3)
        run = open_run(self.out)
        # HDF5 keeps what it unpacked, so that no shot is read twice
        some = iter(np.array_split(self.there[1:], 2 * (rounds + 1)))
        with h5py.File(self.virtual) as file:
            data = file["data"]
            found = in_turns(
                {
                    "here": lambda: [run.read("photons", int(shot)) for shot in next(some)],
                    "h5py": lambda: [data[int(shot)] for shot in next(some)],
                },
                rounds,
            )
        return ratio(found["here"], found["h5py"])

    def teardown(self, *_: object) -> None:
        forget_readers()
        super().teardown()
