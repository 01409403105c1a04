"""What a worker does with one shard, and what it keeps between shards."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import zarr

from xfeldask.engines.engine import Engine, make_engine
from xfeldask.errors import InputError
from xfeldask.physics.binning import FrameBinner, low_q_index
from xfeldask.physics.detectors import Geometry
from xfeldask.physics.plan import ShotPlan, shots_of_plan
from xfeldask.physics.sampling import Shot
from xfeldask.schema import named
from xfeldask.store.layout import Layout, shot_array
from xfeldask.store.run import Run
from xfeldask.store.shards import Shard


@dataclass(frozen=True)
class Workshop:
    """What shards of one store share: read once a process, then kept."""

    layout: Layout
    engine: Engine
    geometry: Geometry
    seed: int
    root: zarr.Group

    @cached_property
    def low_q(self) -> FrameBinner:
        """What sums the pixels around the beam."""
        return FrameBinner(low_q_index(self.geometry), np.dtype(self.layout.photon_dtype))


_workshops: OrderedDict[tuple[str, str], Workshop] = OrderedDict()
_lock = threading.Lock()


def simulate_shard(path: str, digest: str, shard: int) -> None:
    """Compute one shard of a store and commit it; the task that Dask runs.

    Parameters
    ----------
    path : str
    digest : str, of the experiment; it tells a store from another that was at the same path
    shard : int
    """
    shop = workshop(path, digest)
    sink = Shard(shop.root, Path(path), shop.layout, shard)
    for shot in ready_shots(shop, sink.shots):
        arrays = sink.next_shot()
        if "intensity" in arrays:
            arrays["intensity"][...] = shop.engine.expected(shot)
        counted, lost = shop.engine.draw(shot, arrays["photons"], arrays["image"])
        shop.low_q(arrays["photons"], arrays["low_q"])
        sink.advance({"photon_count": counted, "lost_photons": lost})
    sink.commit()


def ready_shots(shop: Workshop, shots: range) -> list[Shot]:
    """Shots as the engine takes them, from the truth that is stored."""
    indices = np.arange(shots.start, shots.stop)
    return shots_of_plan(read_plan(shop.root, shots), shop.seed, indices, shop.geometry)


def read_plan(root: zarr.Group, shots: range) -> ShotPlan:
    """Truth of some shots, as stored."""
    region = slice(shots.start, shots.stop)
    return ShotPlan(**{v.name: np.asarray(shot_array(root, v.name)[region]) for v in named("truth")})


def keep(path: str, digest: str, shop: Workshop) -> None:
    """Keep a workshop for the shards to come, and let the oldest of more than two go."""
    _workshops[path, digest] = shop
    while len(_workshops) > 2:
        _workshops.popitem(last=False)


def forget() -> None:
    """Give the memory of models back."""
    _workshops.clear()


def workshop(path: str, digest: str) -> Workshop:
    """The workshop of the store at `path`, made if it is not kept."""
    with _lock:
        if (path, digest) not in _workshops:
            run = Run.open(path, "r+")
            if run.experiment is None or run.atoms is None:
                raise InputError(f"{path} was not simulated: nothing tells how its shots are to be drawn")
            engine = make_engine(run.experiment, run.geometry, run.volume, run.atoms)
            keep(path, digest, Workshop(run.layout, engine, run.geometry, run.experiment.seed, run.group))
        return _workshops[path, digest]
