"""What a worker does with one shard, and what it keeps between shards."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from xfeldask.engines.engine import Engine, drawn, make_engine, one_by_one
from xfeldask.engines.kept import Kept, key_of
from xfeldask.engines.recording import ShotRecorder, readout_of
from xfeldask.engines.thinning import Thinning
from xfeldask.errors import InputError
from xfeldask.physics.detectors import Geometry
from xfeldask.physics.images import Photons
from xfeldask.physics.plan import ShotPlan
from xfeldask.physics.readout import Readout
from xfeldask.store.layout import TRUTH_PER_CHUNK, Layout, layout_of, shot_array
from xfeldask.store.run import Run
from xfeldask.store.shards import Shard

CHUNKS = 4
"""Chunks of truth that a workshop keeps, a megabyte or less each."""


class Truth:
    """Truth of a store, whole chunks of it at a time, of which the last few are kept.

    A chunk holds several shards, and all threads of a process read through one of zarr's.

    Parameters
    ----------
    arrays : zarr.Array by name, along `shot`

    Examples
    --------
    >>> energy = zarr.array(np.arange(5000.0), chunks=TRUTH_PER_CHUNK)
    >>> Truth({"photon_energy": energy}).of(range(2047, 2050))
    {'photon_energy': array([2047., 2048., 2049.])}
    """

    def __init__(self, arrays: Mapping[str, zarr.Array[Any]]) -> None:
        self._arrays = arrays
        self._lock = threading.Lock()
        self._kept: OrderedDict[int, dict[str, NDArray[Any]]] = OrderedDict()

    def of(self, shots: range) -> dict[str, NDArray[Any]]:
        """Return the values of some shots, by name."""
        chunks = range(shots.start // TRUTH_PER_CHUNK, -(-shots.stop // TRUTH_PER_CHUNK))
        found = [self._chunk(chunk) for chunk in chunks]
        first = chunks.start * TRUTH_PER_CHUNK
        mine = slice(shots.start - first, shots.stop - first)
        return {
            name: (found[0][name] if len(found) == 1 else np.concatenate([part[name] for part in found]))[mine]
            for name in self._arrays
        }

    def _chunk(self, chunk: int) -> dict[str, NDArray[Any]]:
        with self._lock:
            if chunk not in self._kept:
                region = slice(chunk * TRUTH_PER_CHUNK, (chunk + 1) * TRUTH_PER_CHUNK)
                self._kept[chunk] = {name: np.asarray(array[region]) for name, array in self._arrays.items()}
            self._kept.move_to_end(chunk)
            while len(self._kept) > CHUNKS:
                self._kept.popitem(last=False)
            return self._kept[chunk]


@dataclass(frozen=True)
class Workshop:
    """What the shards of one store share: made once a process, then kept.

    Attributes
    ----------
    layout : Layout
    engine : Engine
    shot_recorder : ShotRecorder
    arrays : zarr.Array by name, those along `shot`; opening one takes a lock that all threads share
    truth : Truth
    """

    layout: Layout
    engine: Engine
    shot_recorder: ShotRecorder
    arrays: Mapping[str, zarr.Array[Any]]
    truth: Truth

    def plan(self, shots: range) -> tuple[ShotPlan, NDArray[np.int64]]:
        """Truth of some shots as stored, and their indices."""
        return ShotPlan(**self.truth.of(shots)), np.arange(shots.start, shots.stop)

    def fill(self, sink: Shard, plan: ShotPlan, shots: NDArray[np.int64]) -> None:
        """Draw shots into a shard."""
        blocks: Iterable[Photons] = drawn(self.engine, plan, shots, self.layout.pixels)
        means = iter(self.engine.expected(plan, shots)) if self.layout.intensity else None
        if means is not None or self.shot_recorder.readout is not None:
            blocks = one_by_one(blocks)  # frames of every pixel, of four bytes and more
        begun = 0
        for photons in blocks:
            mine = slice(begun, begun + len(photons))
            raw, totals = self.shot_recorder.record(shots[mine], plan.photon_energy[mine], photons)
            if means is not None:
                raw["intensity"] = next(means)[None]
            sink.extend(raw, totals)
            begun = mine.stop


def make_workshop(group: zarr.Group, engine: Engine, geometry: Geometry, readout: Readout | None = None) -> Workshop:
    """Make the workshop of a store from what has been worked out already."""
    layout = layout_of(group)
    arrays = {v.name: shot_array(group, v.name) for v in layout.stored()}
    truth = Truth({name: arrays[name] for name in layout.truth})
    return Workshop(layout, engine, ShotRecorder(geometry, layout.photon_dtype, readout), arrays, truth)


def simulate_shard(run: Run, shard: int, *, device: str = "cpu") -> None:
    """Compute one shard of a store and commit it; the task that Dask runs.

    Parameters
    ----------
    run : Run, to be written
    shard : int
    device : "auto", "cpu" or "cuda", on which photons are drawn where the engine can
    """
    shop = workshop(run)
    if isinstance(shop.engine, Thinning):
        shop.engine.draw_on(device)
    sink = Shard(shop.arrays, run.path, shop.layout, shard)
    shop.fill(sink, *shop.plan(sink.shots))
    run.refuse_replaced()
    sink.commit()


_workshops: Kept[Workshop] = Kept()


def keep(run: Run, shop: Workshop) -> None:
    """Keep the workshop of a run for the shards to come; see `Kept`."""
    _workshops.keep(key_of(run), shop)


def forget(run: Run) -> None:
    """Give the memory of a run's workshop back; those of other runs stay."""
    _workshops.drop(key_of(run))


def workshop(run: Run) -> Workshop:
    """Return the workshop of a run, made if it is not kept."""
    return _workshops.get(key_of(run), lambda: _read_workshop(run))


def _read_workshop(run: Run) -> Workshop:
    run.refuse_replaced()
    if run.experiment is None or run.mixture is None:
        raise InputError(f"{run.path} was not simulated: nothing tells how its shots are to be drawn")
    engine = make_engine(run.experiment, run.geometry, run.forms, run.mixture, run.background_shape)
    return make_workshop(run.group, engine, run.geometry, readout_of(run.experiment, run.geometry))
