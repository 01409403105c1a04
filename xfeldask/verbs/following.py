"""Embedding a store while it is being written."""

from __future__ import annotations

import numpy as np

from xfeldask.sorting.protocol import Columns
from xfeldask.store.run import Run
from xfeldask.verbs.building import fit_model, publish
from xfeldask.verbs.options import Options
from xfeldask.verbs.patience import Patience
from xfeldask.work.projection import BLOCK, joined
from xfeldask.work.sources import StoreSource, project_blocks

ENOUGH_TO_FOLLOW = 12_000
"""Shots that must be there before a model is fitted to a store that is still being written."""


def follow_store(run: Run, name: str, options: Options) -> None:
    """Embed a store while it is being written, and publish what is there again and again until it is complete.

    The model is fitted once, to the first `ENOUGH_TO_FOLLOW` shots or more; later ones are projected and sorted as
    they come.
    """
    source = StoreSource(run)
    model, fitted = fit_model(source, options, _wait_for(run, ENOUGH_TO_FOLLOW))
    parts: list[Columns] = []
    embedded, patience = 0, Patience(run)
    while True:
        complete, there = run.reopened().complete, shots_there(run)
        whole = there if complete else there // BLOCK * BLOCK
        blocks = range(len(parts), -(-whole // BLOCK))
        if blocks:
            parts += project_blocks(source, model, whole, blocks, options.progress)
            embedded = whole
            publish(run, name, options, model, fitted, joined(parts))
        if complete and embedded == there:
            return
        patience.wait(there)


def _wait_for(run: Run, shots: int) -> int:
    """Wait until so many shots are there, or all; return how many there are then."""
    patience = Patience(run)
    while True:
        complete, there = run.reopened().complete, shots_there(run)
        if there >= shots or complete:
            return there
        patience.wait(there)


def shots_there(run: Run) -> int:
    """Return the number of shots that are done without a gap from the first."""
    done = run.done()
    return len(done) if done.all() else int(np.argmin(done))
