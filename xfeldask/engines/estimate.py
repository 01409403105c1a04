"""What a run will take, measured on its first shots."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from shutil import disk_usage

import numpy as np
from numcodecs import zstd

from xfeldask.engines.preparation import Prepared
from xfeldask.errors import InputError
from xfeldask.physics.plan import plan_shots, shots_of_plan
from xfeldask.store.codecs import ZSTD_LEVEL
from xfeldask.store.layout import IMAGES_PER_CHUNK

SAMPLE = 8
FIXED_BYTES = 2**20
"""Metadata and indices of a store, roughly."""


@dataclass(frozen=True)
class Estimate:
    """What a run will take.

    Attributes
    ----------
    shots, tasks : int
    bytes_on_disk : int
    bytes_uncompressed : int, of photons alone
    bytes_of_memory : int, a worker, beyond what Python and its libraries take
    seconds : float, of one core, without start-up
    """

    shots: int
    tasks: int
    bytes_on_disk: int
    bytes_uncompressed: int
    bytes_of_memory: int
    seconds: float


def estimate(prepared: Prepared) -> Estimate:
    """Draw and encode the first shots of a run, in memory, and extrapolate."""
    layout, experiment = prepared.layout, prepared.inputs.experiment
    shots = np.arange(min(SAMPLE, layout.n_shots))
    geometry = prepared.inputs.geometry
    plan = plan_shots(experiment, geometry.pixel_size, shots, prepared.orientations, prepared.single_photons)
    arrays = {v.name: np.zeros(layout.inner(v), layout.dtype(v)) for v in layout.stored() if v.role == "raw"}
    ready = shots_of_plan(plan, experiment.seed, shots, geometry)
    prepared.engine.draw(ready[0], arrays["photons"], arrays["image"])
    packed, start = 0, time.perf_counter()
    for shot in ready:
        for array in arrays.values():
            array[...] = 0
        if "intensity" in arrays:
            arrays["intensity"][...] = prepared.engine.expected(shot)
        prepared.engine.draw(shot, arrays["photons"], arrays["image"])
        packed += sum(len(zstd.compress(array, ZSTD_LEVEL)) for array in arrays.values())
    seconds = (time.perf_counter() - start) / len(shots)
    truth = sum(value[0].nbytes for value in plan.arrays().values())
    shared = prepared.bytes_of_fixed + 2 * prepared.volume.values.nbytes
    buffers = sum(array.nbytes * (IMAGES_PER_CHUNK if name == "image" else 1) for name, array in arrays.items())
    return Estimate(
        layout.n_shots,
        layout.n_shards,
        int(layout.n_shots * (packed / len(shots) + truth) + shared + FIXED_BYTES),
        layout.n_shots * arrays["photons"].nbytes,
        prepared.bytes_of_model + buffers + int(layout.shard * packed / len(shots)),
        seconds * layout.n_shots,
    )


def refuse_full_disk(path: Path, needed: int) -> None:
    """Refuse a run that would not fit on its disk."""
    free = disk_usage(path.absolute().parent).free
    if needed > free:
        raise InputError(
            f"{path} will take about {needed / 1e9:.2f} GB and {free / 1e9:.2f} GB are free; "
            "choose another disk or fewer shots"
        )
