"""Simulating and committing shots against committing the same frames ready-made, and where the time goes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from typing import Any
from unittest import mock

import numpy as np
import zarr
from dask.base import compute
from numpy.typing import NDArray

from benchmarks.common import Folder, Store, effort, in_turns, measures, prepared, ratio
from xfeldask.engines.thinning import AT_ONCE
from xfeldask.engines.workshop import simulate_shard
from xfeldask.physics.forward import ForwardModel
from xfeldask.physics.images import Counts, Photons, Recorder, photons_of_frames
from xfeldask.store.layout import shot_array
from xfeldask.store.packing.codecs import EXACT, FAST
from xfeldask.store.packing.sharding import ShardFile
from xfeldask.store.shards import Shard
from xfeldask.work.tasks import shard_tasks

WORKERS = 2
RAW, TOTALS = ("photons", "image", "low_q"), ("photon_count", "lost_photons", "shot_status")
PARTICLES = ["1ei7", "chaperonin"]


class Frames:
    """Frames, images and totals of the first shard of a store, ready to be committed anywhere in it."""

    def __init__(self, store: Store) -> None:
        self.store = store
        simulate_shard(store.run, 0)
        self.layout, root = store.workshop.layout, store.run.group
        shots = self.layout.shots(0)
        self.values = {name: np.asarray(shot_array(root, name)[: shots.stop]) for name in RAW + TOTALS}
        self._arrays = {path: {name: shot_array(root, name, path) for name in self.values} for path in (EXACT, FAST)}

    def by_shard(self, shard: int) -> None:
        """Feed our writer as the simulator does: some shots at a time, their photons listed."""
        sink = Shard(self.store.workshop.arrays, self.store.run.path, self.layout, shard)
        for start in range(0, len(sink.shots), AT_ONCE):
            mine = slice(start, start + AT_ONCE)
            raw = {name: self.values[name][mine] for name in RAW}
            photons = photons_of_frames(raw["photons"])
            sink.extend({**raw, "photons": photons}, {name: self.values[name][mine] for name in TOTALS[:2]})
        sink.commit()

    def by_files(self, shard: int) -> None:
        """Encode and write with our writer, and nothing else."""
        arrays, path = self._arrays[EXACT], self.store.run.path
        for name in RAW:
            file = ShardFile(arrays[name], path / name, shard)
            file.extend(self.values[name])
            file.write()
        self._assign(arrays, shard, TOTALS)

    def by_pipeline(self, pipeline: str, shard: int) -> None:
        """Assign whole shards to arrays whose codecs run in `pipeline`."""
        self._assign(self._arrays[pipeline], shard, RAW + TOTALS)

    def _assign(self, arrays: dict[str, zarr.Array[Any]], shard: int, names: tuple[str, ...]) -> None:
        shots = self.layout.shots(shard)
        for name in names:
            arrays[name][shots.start : shots.stop] = self.values[name]


class Commit(Folder):
    """Shards of full-resolution frames, threads scheduler with two workers, all in turns."""

    params = PARTICLES
    param_names = ("particle",)
    timeout = 1200

    def setup(self, name: str) -> None:
        # four whole shards keep two workers busy to the end
        self.store = Store.make(self.make_folder() / "run.zarr", prepared(name, n_shots=effort(64, 1024)))
        self.frames = Frames(self.store)

    def _threaded(self, name: str, function: Callable[..., None], *arguments: object) -> Callable[[], object]:
        shards = range(self.store.workshop.layout.n_shards)

        def go() -> object:
            tasks = shard_tasks(name, function, shards, *arguments)
            return compute(*tasks, scheduler="threads", num_workers=WORKERS)

        return go

    @cached_property
    def seconds(self) -> dict[str, NDArray[np.float64]]:
        """Of one shot, in each round."""
        frames, store = self.frames, self.store
        out = in_turns(
            {
                "simulate": self._threaded("simulate", simulate_shard, store.run),
                "writer": self._threaded("writer", frames.by_shard),
                "files": self._threaded("files", frames.by_files),
                "zarr": self._threaded("zarr", frames.by_pipeline, EXACT),
                "zarrs": self._threaded("zarrs", frames.by_pipeline, FAST),
            },
            effort(1, 7),
        )
        return {name: values / store.workshop.layout.n_shots for name, values in out.items()}

    def _ms(self, name: str) -> float:
        return float(np.median(self.seconds[name])) * 1e3

    @measures("times", "1.5 or less")
    def track_ratio_to_writer(self, name: str) -> float:
        """simulate and commit / commit ready-made frames, our writer fed shot by shot"""
        return ratio(self.seconds["simulate"], self.seconds["writer"])

    @measures("times", "1.5 or less")
    def track_ratio_to_files(self, name: str) -> float:
        """simulate and commit / commit ready-made frames, our writer with no frame zeroed or copied"""
        return ratio(self.seconds["simulate"], self.seconds["files"])

    @measures("times", "1.5 or less")
    def track_ratio_to_zarr(self, name: str) -> float:
        """simulate and commit / commit ready-made frames, zarr's own pipeline"""
        return ratio(self.seconds["simulate"], self.seconds["zarr"])

    @measures("times", "1.5 or less")
    def track_ratio_to_zarrs(self, name: str) -> float:
        """simulate and commit / commit ready-made frames, the zarrs pipeline"""
        return ratio(self.seconds["simulate"], self.seconds["zarrs"])

    @measures("ms")
    def track_simulate(self, name: str) -> float:
        """a shot simulated and committed, two workers"""
        return self._ms("simulate")

    @measures("ms")
    def track_writer(self, name: str) -> float:
        """a ready-made frame committed, our writer fed shot by shot, two workers"""
        return self._ms("writer")

    @measures("ms")
    def track_files(self, name: str) -> float:
        """a ready-made frame committed, our writer with no frame zeroed or copied, two workers"""
        return self._ms("files")

    @measures("ms")
    def track_zarr(self, name: str) -> float:
        """a ready-made frame committed, zarr's own pipeline, two workers"""
        return self._ms("zarr")

    @measures("ms")
    def track_zarrs(self, name: str) -> float:
        """a ready-made frame committed, the zarrs pipeline, two workers"""
        return self._ms("zarrs")


class WhereTimeGoes(Folder):
    """One shard, one worker, each step timed where it happens."""

    params = PARTICLES
    param_names = ("particle",)
    timeout = 600

    def setup(self, name: str) -> None:
        self.store = Store.make(self.make_folder() / "run.zarr", prepared(name, n_shots=effort(32, 256)))
        simulate_shard(self.store.run, 0)

    @contextmanager
    def _timed(self, owner: type, name: str) -> Iterator[list[float]]:
        real, spent = getattr(owner, name), [0.0]

        def timed(*arguments: Any) -> Any:
            start = time.perf_counter()
            out = real(*arguments)
            spent[0] += time.perf_counter() - start
            return out

        with mock.patch.object(owner, name, timed):
            yield spent

    @cached_property
    def ms(self) -> dict[str, float]:
        """Of one shot, medians over rounds."""
        rounds = []
        for _ in range(effort(1, 7)):
            with (
                self._timed(ForwardModel, "_draw_block") as draw,
                self._timed(Recorder, "record") as record,
                self._timed(Shard, "extend") as encode,
                self._timed(Shard, "commit") as write,
            ):
                start = time.perf_counter()
                simulate_shard(self.store.run, 0)
                all_of_it = time.perf_counter() - start
            spent = {"draw": draw, "record": record, "encode": encode, "write": write}
            steps = {step: seconds[0] for step, seconds in spent.items()}
            rounds.append(steps | {"rest": all_of_it - sum(steps.values()), "all": all_of_it})
        n = self.store.workshop.layout.n_shots
        return {name: float(np.median([r[name] for r in rounds])) * 1e3 / n for name in rounds[0]}

    @measures("ms")
    def track_draw(self, name: str) -> float:
        """a shot, one worker: drawing the photons"""
        return self.ms["draw"]

    @measures("ms", "0.2 or less")
    def track_besides(self, name: str) -> float:
        """a shot, one worker: everything besides drawing"""
        return self.ms["all"] - self.ms["draw"]

    @measures("ms")
    def track_record(self, name: str) -> float:
        """a shot, one worker: counting the photons into the frame and the images"""
        return self.ms["record"]

    @measures("ms")
    def track_encode(self, name: str) -> float:
        """a shot, one worker: encoding (Zstandard and checksum)"""
        return self.ms["encode"]

    @measures("ms")
    def track_write(self, name: str) -> float:
        """a shot, one worker: writing the files"""
        return self.ms["write"]

    @measures("ms")
    def track_rest(self, name: str) -> float:
        """a shot, one worker: truth read, rotations, totals and status"""
        return self.ms["rest"]

    @measures("ms")
    def track_all(self, name: str) -> float:
        """a shot, one worker: all of it"""
        return self.ms["all"]


class Asleep:
    """An engine of photons that are there already, which takes a while for them without a processor."""

    def __init__(self, blocks: Sequence[Photons | Counts], seconds: float) -> None:
        self._blocks, self._seconds = blocks, seconds

    def draw(self, plan: object, shots: object, /) -> Iterator[Photons | Counts]:
        """Photons of the shots, in blocks."""
        for block in self._blocks:
            time.sleep(self._seconds * len(block))
            yield block

    def expected(self, plan: object, shots: object, /) -> Iterator[NDArray[np.float32]]:
        """Nothing is expected of photons that are there already."""
        raise NotImplementedError


class ManyThreads(Folder):
    """Many threads on few cores, drawing replaced by a sleep: what they wait for besides a processor."""

    params = (16,)
    param_names = ("threads",)
    timeout = 600

    def setup(self, threads: int) -> None:
        self.store = Store.make(self.make_folder() / "run.zarr", prepared("1ei7", n_shots=effort(16, 256)))
        simulate_shard(self.store.run, 0)
        shop = self.store.workshop
        self.layout, shots = shop.layout, np.arange(shop.layout.n_shots)
        self.plan = shop.plan(range(len(shots)))
        blocks = list(shop.engine.draw(*self.plan))
        assert all(isinstance(block, Photons) for block in blocks)
        self.shop = replace(shop, engine=Asleep(blocks, 1.5e-3))

    def _fill(self, _: int) -> None:
        sink = Shard(self.shop.arrays, self.store.run.path, self.layout, 0)
        self.shop.fill(sink, *self.plan)

    @measures("ms", "0.15 or less")
    def track_a_shot(self, threads: int) -> float:
        """a shot of many threads, drawing replaced by a sleep of 1.5 ms"""

        def go() -> None:
            with ThreadPoolExecutor(threads) as pool:
                list(pool.map(self._fill, range(threads)))

        seconds = in_turns({"it": go}, effort(1, 5))["it"]
        return float(np.median(seconds)) * 1e3 / (threads * self.layout.n_shots)
