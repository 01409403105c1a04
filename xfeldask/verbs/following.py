"""Embedding a store while it is being written."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

from xfeldask.schema import DONE
from xfeldask.store.layout import shot_array
from xfeldask.store.opening import open_root
from xfeldask.verbs.building import fit_model, publish
from xfeldask.verbs.options import Options
from xfeldask.verbs.sort import Columns
from xfeldask.work.projection import BLOCK, joined, project_blocks

ENOUGH_TO_FOLLOW = 12_000
"""Shots that must be there before a model is fitted to a store that is still being written."""
SECONDS_BETWEEN_LOOKS = 2.0


def follow_store(path: Path, options: Options) -> None:
    """Embed a store while it is being written, and publish what is there again and again until it is complete.

    The model is fitted once, to the first `ENOUGH_TO_FOLLOW` shots or more; later ones are projected and flagged as
    they come.
    """
    model, fitted = fit_model(path, options, _wait_for(path, ENOUGH_TO_FOLLOW))
    parts: list[Columns] = []
    embedded = 0
    while True:
        complete, there = bool(open_root(path).attrs["complete"]), shots_there(path)
        whole = there if complete else there // BLOCK * BLOCK
        blocks = range(len(parts), -(-whole // BLOCK))
        if blocks:
            parts += project_blocks(path, model, whole, blocks, options.progress)
            embedded = whole
            publish(path, options, model, fitted, joined(parts))
        if complete and embedded == there:
            return
        time.sleep(SECONDS_BETWEEN_LOOKS)


def _wait_for(path: Path, shots: int) -> int:
    """Wait until so many shots are there, or all; how many there are then."""
    while True:
        complete, there = open_root(path).attrs["complete"], shots_there(path)
        if there >= shots or complete:
            return there
        time.sleep(SECONDS_BETWEEN_LOOKS)


def shots_there(path: Path) -> int:
    """Shots that are done without a gap from the first."""
    done = np.asarray(shot_array(open_root(path), "shot_status")[...]) == DONE
    return len(done) if done.all() else int(np.argmin(done))
