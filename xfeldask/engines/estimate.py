"""What a run will take, measured on its first shots."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from math import inf, prod
from pathlib import Path
from shutil import disk_usage

import numpy as np
from zarr.storage import MemoryStore

from xfeldask.engines.preparation import Prepared
from xfeldask.engines.workshop import Workshop, make_workshop
from xfeldask.errors import InputError
from xfeldask.physics.species import form_bytes
from xfeldask.store.layout import create_template
from xfeldask.store.shards import Shard
from xfeldask.store.storage.leftovers import real_path
from xfeldask.store.storage.urls import URL, StorePath

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
    """Draw and encode the first shots of a run as its tasks will, in memory, and extrapolate."""
    layout = prepared.layout
    n = min(SAMPLE, len(layout.shots(0)))
    root = create_template(MemoryStore(), replace(layout, n_shots=n), {}, {})
    shop = make_workshop(root, prepared.engine, prepared.inputs.geometry, prepared.readout)
    # the first shot may compile what the others need
    _rehearse(prepared, shop, 1)
    start = time.perf_counter()
    packed, held = _rehearse(prepared, shop, n)
    seconds = (time.perf_counter() - start) / n
    # truth and totals hardly compress
    rest = sum(prod(layout.inner(v)) * layout.dtype(v).itemsize for v in layout.stored() if v.role != "raw")
    shared = prepared.bytes_of_fixed + 2 * sum(map(form_bytes, prepared.forms))
    return Estimate(
        layout.n_shots,
        layout.n_shards,
        int(layout.n_shots * (packed / n + rest) + shared + FIXED_BYTES),
        layout.n_shots * prod(layout.pixels) * np.dtype(layout.photon_dtype).itemsize,
        prepared.bytes_of_model + held + int(layout.shard * packed / n),
        seconds * layout.n_shots,
    )


def _rehearse(prepared: Prepared, shop: Workshop, n: int) -> tuple[int, int]:
    """Bytes of the first `n` shots encoded, and of the memory that they are drawn into."""
    shots = np.arange(n)
    sink = Shard(shop.arrays, Path(), shop.layout, 0)
    shop.fill(sink, prepared.plan(shots), shots)
    return sink.encode(), sink.bytes_held


def most_bytes(prepared: Prepared) -> int:
    """Bytes of a run without compression, more than it takes on disk; nothing is drawn."""
    layout = prepared.layout
    shot = sum(prod(layout.inner(v)) * layout.dtype(v).itemsize for v in layout.stored())
    return layout.n_shots * shot + prepared.bytes_of_fixed + 2 * sum(map(form_bytes, prepared.forms)) + FIXED_BYTES


def free_bytes(path: StorePath) -> float:
    """Bytes that are free on the disk of a store; buckets do not tell what they hold.

    Examples
    --------
    >>> free_bytes(URL("s3", "beamtime", "run.zarr"))
    inf
    """
    return inf if isinstance(path, URL) else float(disk_usage(real_path(path).parent).free)


def refuse_full_disk(path: StorePath, needed: int) -> None:
    """Refuse a run that would not fit on its disk."""
    free = free_bytes(path)
    if needed > free:
        raise InputError(
            f"{path} will take about {needed / 1e9:.2f} GB and {free / 1e9:.2f} GB are free; "
            "choose another disk or fewer shots"
        )
