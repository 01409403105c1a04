"""A store that grows, so many shots a second: ``python -m benchmarks.beamline store rate name``.

Shots lie there already and are marked as written, a shard after the other, as a writer marks them. Meanwhile it looks
how many of them the embedding of that name tells of. Prints a JSON list of the shards that it marked: number of shots
written then, the time [s], and the time at which their verdicts could be read.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import numpy as np
import zarr

from xfeldask.schema import DONE
from xfeldask.store.layout import shot_array

SECONDS_BETWEEN_LOOKS = 0.01


def hide(store: Path, there: int) -> None:
    """Have only the first shots written."""
    group = zarr.open_group(store, mode="r+")
    status = shot_array(group, "shot_status")
    status[:] = np.where(np.arange(status.shape[0]) < there, DONE, 0)
    group.attrs["complete"] = False


def verdicts(store: Path, name: str) -> int:
    """Return of how many shots an embedding tells."""
    try:
        return int(json.loads((store / "latent" / name / "zarr.json").read_bytes())["attributes"]["n_shots"])
    except FileNotFoundError:
        return 0


def grow(store: Path, rate: float, name: str) -> list[tuple[int, float, float]]:
    """Mark shots as written at a rate, and return when each shard was marked, and told of."""
    group = zarr.open_group(store, mode="r+")
    status = shot_array(group, "shot_status")
    first, length = int(np.sum(status[:] == DONE)), status.chunks[0]
    cuts = [*range(first, status.shape[0], length), status.shape[0]]
    marked: list[tuple[int, float]] = []
    found: list[tuple[int, float, float]] = []
    start = time.time()
    while len(found) < len(cuts) - 1:
        now, told = time.time(), verdicts(store, name)
        while len(found) < len(marked) and marked[len(found)][0] <= told:
            found.append((*marked[len(found)], now))
        if len(marked) < len(cuts) - 1 and now >= start + (cuts[len(marked) + 1] - first) / rate:
            begin, end = cuts[len(marked)], cuts[len(marked) + 1]
            status[begin:end] = DONE
            marked.append((end, time.time()))
            if end == status.shape[0]:
                group.attrs["complete"] = True
        else:
            time.sleep(SECONDS_BETWEEN_LOOKS)
    return found


if __name__ == "__main__":
    print(json.dumps(grow(Path(sys.argv[1]), float(sys.argv[2]), sys.argv[3])))
