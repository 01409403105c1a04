"""Embedding a store while it is being written."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from xfeldask.sorting.protocol import Columns
from xfeldask.store.run import Run
from xfeldask.verbs.arguments.options import Options
from xfeldask.verbs.parts.building import fit_model, publish
from xfeldask.verbs.parts.patience import Patience
from xfeldask.work.progress import reporter
from xfeldask.work.projection import BATCH, joined
from xfeldask.work.sources import StoreSource, project_blocks

ENOUGH_TO_FOLLOW = 12_000
"""Shots that must be there before a model is fitted to a store that is still being written."""
SECONDS_BETWEEN_LOOKS = 0.1
"""Between two looks into a folder; a bucket is asked as seldom as `Patience` asks [s]."""
LOOKED_AT = 16_384
"""Shots whose status is read at a time."""
AT_ONCE = 16_384
"""Shots that are sorted before verdicts are published, where more have come meanwhile."""


def follow_store(run: Run, name: str, options: Options) -> None:
    """Embed a store while it is being written, and publish what is there again and again until it is complete.

    The model is fitted once, to the first `ENOUGH_TO_FOLLOW` shots or more; later ones are projected and sorted as
    they come.
    """
    source = StoreSource(run)
    model, fitted = fit_model(source, options, _wait_for(run, ENOUGH_TO_FOLLOW))
    whole: list[Columns] = []  # of blocks that no more shots come to
    embedded, patience = 0, _patience(run)
    with reporter("following", run.n_shots, "shots", options.progress) as told:
        while True:
            complete, written = run.reopened().complete, shots_there(run, embedded)
            there = min(written, embedded + AT_ONCE)
            if there > embedded:
                blocks = range(len(whole), -(-there // BATCH))
                found = project_blocks(source, model, there, blocks, False, BATCH)
                publish(run, name, options, model, fitted, joined(whole + found), again=embedded > 0)
                whole += found[: there // BATCH - len(whole)]
                told.advance(there - embedded)
                embedded = there
                if isinstance(run.path, Path) and not complete:
                    continue  # a bucket is asked seldom, even while there is something new
            if complete and embedded == written:
                return
            if not complete:
                patience.wait(there)


def _wait_for(run: Run, shots: int) -> int:
    """Wait until so many shots are there, or all; return how many there are then."""
    patience, there = _patience(run), 0
    while True:
        complete, there = run.reopened().complete, shots_there(run, there)
        if there >= shots or complete:
            return there
        patience.wait(there)


def _patience(run: Run) -> Patience:
    return Patience(run, pause=SECONDS_BETWEEN_LOOKS if isinstance(run.path, Path) else None)


def shots_there(run: Run, known: int = 0) -> int:
    """Return the number of shots that are done without a gap from the first.

    Parameters
    ----------
    run : Run
    known : int, shots that were there before, whose status is not read again
    """
    there = known
    while there < run.n_shots:
        done = run.done(slice(there, there + LOOKED_AT))
        if not done.all():
            return there + int(np.argmin(done))
        there += len(done)
    return there
