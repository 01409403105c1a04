"""What a worker does with one shard, and what it keeps between shards."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from xfeldask.config import Experiment
from xfeldask.physics.atoms import Atoms, make_atoms
from xfeldask.physics.detectors import Geometry, make_geometry, wavelength
from xfeldask.physics.forward import bin_factor, make_forward_model
from xfeldask.physics.shots import ShotPlan, margins
from xfeldask.physics.volume import Volume
from xfeldask.pipeline.engines import Arrays, Engine, ForwardEngine, SkopiShots
from xfeldask.schema import named
from xfeldask.store.layout import Layout, layout_of, shot_array
from xfeldask.store.opening import stored_experiment
from xfeldask.store.shards import ShardWriter, fast_pipeline
from xfeldask.store.volumes import read_volume


@dataclass(frozen=True)
class Workshop:
    """What shards of one store share: read once a process, then kept."""

    layout: Layout
    engine: Engine
    truth: zarr.Group
    writer: ShardWriter


_workshops: OrderedDict[tuple[str, str], Workshop] = OrderedDict()
_lock = threading.Lock()
_buffers_of: dict[int, Arrays] = {}


def simulate_shard(path: str, digest: str, shard: int) -> None:
    """Compute one shard of a store and commit it; the task that Dask runs.

    Parameters
    ----------
    path : str
    digest : str, of the experiment; it tells a store from another that was at the same path
    shard : int
    """
    workshop = _workshop(path, digest)
    layout = workshop.layout
    shots = layout.shots(shard)
    arrays = _buffers(layout, len(shots))
    plan = read_plan(workshop.truth, shots)
    workshop.engine.fill(plan, np.arange(shots.start, shots.stop), arrays)
    workshop.writer.commit(shard, arrays)


def read_plan(root: zarr.Group, shots: range) -> ShotPlan:
    """Truth of some shots, as stored."""
    region = slice(shots.start, shots.stop)
    return ShotPlan(**{v.name: np.asarray(shot_array(root, v.name)[region]) for v in named("truth")})


def stored_geometry(root: zarr.Group) -> Geometry:
    """The detector of a store."""
    return make_geometry(
        np.asarray(shot_array(root, "pixel_position")[...]),
        float(str(root.attrs["pixel_size"])),
        np.asarray(shot_array(root, "mask")[...]),
    )


def stored_atoms(root: zarr.Group) -> Atoms:
    """The atoms of a store's particle."""
    position, element, occupancy = (
        np.asarray(shot_array(root, f"atom_{part}")[...]) for part in ("position", "element", "occupancy")
    )
    return make_atoms(position, element.tolist(), occupancy)


def make_engine(experiment: Experiment, geometry: Geometry, volume: Volume, atoms: Atoms) -> Engine:
    """The engine that an experiment asks for."""
    bin = bin_factor(geometry)
    if experiment.engine == "skopi":
        return SkopiShots(experiment, atoms, geometry, bin)
    model = make_forward_model(
        volume,
        geometry,
        wavelength(experiment.beam.photon_energy),
        margins(experiment.nuisance, geometry.pixel_size),
        bin,
    )
    return ForwardEngine(model, geometry, experiment.seed)


def keep(path: str, digest: str, workshop: Workshop) -> None:
    """Keep a workshop for the shards to come, and let the oldest of more than two go."""
    _workshops[path, digest] = workshop
    while len(_workshops) > 2:
        _workshops.popitem(last=False)


def forget() -> None:
    """Give the memory of buffers and models back."""
    _workshops.clear()
    _buffers_of.clear()


def _workshop(path: str, digest: str) -> Workshop:
    with _lock:
        if (path, digest) not in _workshops:
            with fast_pipeline():
                root = zarr.open_group(path, mode="r", use_consolidated=False)
            experiment = stored_experiment(root)
            geometry = stored_geometry(root)
            volume = read_volume(root, str(root.attrs["particle"]))
            engine = make_engine(experiment, geometry, volume, stored_atoms(root))
            layout = layout_of(root)
            keep(path, digest, Workshop(layout, engine, root, ShardWriter(Path(path), layout)))
        return _workshops[path, digest]


def _buffers(layout: Layout, length: int) -> Arrays:
    """Zeroed arrays of a shard, the same memory again for each shard of a thread: fresh pages cost more than physics."""
    mine = _buffers_of.setdefault(threading.get_ident(), {})
    out: Arrays = {}
    for name, (shape, dtype) in layout.shard_arrays().items():
        have = mine.get(name)
        if have is None or have.shape != (layout.shard, *shape) or have.dtype != dtype:
            have = mine[name] = np.empty((layout.shard, *shape), dtype)
        out[name] = have[:length]
        out[name][...] = 0
    return out
