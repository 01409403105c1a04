"""Shards: which are pending, and how one is committed. One task owns one shard, so there are no locks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from xfeldask.schema import DONE, named
from xfeldask.store.layout import Layout, shot_array

FAST_PIPELINE = "zarrs.ZarrsCodecPipeline"


@contextmanager
def fast_pipeline() -> Iterator[None]:
    """Arrays opened in this context encode and decode in Rust, without the GIL."""
    with zarr.config.set({"codec_pipeline.path": FAST_PIPELINE}):
        yield


class ShardWriter:
    """Writes whole shards of a store.

    Parameters
    ----------
    path : Path
    layout : Layout
    """

    def __init__(self, path: Path, layout: Layout) -> None:
        self.layout = layout
        group = zarr.open_group(path, mode="r+", use_consolidated=False)
        # the default pipeline renames a finished file into place, so a status is never half written
        self._totals = {v.name: shot_array(group, v.name) for v in named("total")}
        with fast_pipeline():
            fast = zarr.open_group(path, mode="r+", use_consolidated=False)
            self._raw = {v.name: shot_array(fast, v.name) for v in named("raw") if v.name in group}

    def commit(self, shard: int, values: Mapping[str, NDArray[Any]]) -> None:
        """Write a shard's arrays, then its totals, then its status: only the last makes it count.

        Parameters
        ----------
        shard : int
        values : every raw and total variable but `shot_status`, each of the shard's length
        """
        shots = self.layout.shots(shard)
        region = slice(shots.start, shots.stop)
        for name, array in {**self._raw, **self._totals}.items():
            if name == "shot_status":
                continue
            value = values[name]
            if value.shape != (len(shots), *array.shape[1:]):
                raise AssertionError(
                    f"{name} of shard {shard} has shape {value.shape}, not {len(shots)} shots of {array.shape[1:]}"
                )
            array[region] = value
        self._totals["shot_status"][region] = np.full(len(shots), DONE, np.uint8)


def pending_shards(group: zarr.Group, layout: Layout) -> list[int]:
    """Shards with a shot that is not done; a status that cannot be read counts as pending."""
    status = shot_array(group, "shot_status")
    pending = []
    for shard in range(layout.n_shards):
        shots = layout.shots(shard)
        try:
            done = np.asarray(status[shots.start : shots.stop])
        except (ValueError, OSError, RuntimeError):
            done = np.zeros(1)
        if (done != DONE).any():
            pending.append(shard)
    return pending


def sweep(path: Path) -> None:
    """Remove what killed writers left: unfinished files that were never renamed into place."""
    for orphan in path.rglob("*.partial"):
        orphan.unlink(missing_ok=True)
