"""Embedding a store while it is being written."""

from __future__ import annotations

import time

import numpy as np

from xfeldask.errors import RunError
from xfeldask.sorting.protocol import Columns
from xfeldask.store.lock import shot_writers
from xfeldask.store.run import Run
from xfeldask.verbs.building import fit_model, publish
from xfeldask.verbs.options import Options
from xfeldask.work.projection import BLOCK, joined
from xfeldask.work.sources import StoreSource, project_blocks

ENOUGH_TO_FOLLOW = 12_000
"""Shots that must be there before a model is fitted to a store that is still being written."""
SECONDS_BETWEEN_LOOKS = 2.0
MOST_SECONDS_ALONE = 300.0
"""How long new shots are waited for where no process holds the lock of the store [s]."""


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


class Patience:
    """Waits for shots as long as somebody writes them, or not long after.

    Parameters
    ----------
    run : Run
    then : str, what is to be done once the store is complete
    """

    def __init__(self, run: Run, then: str = "embed it then") -> None:
        self._run, self._then, self._there, self._since = run, then, -1, time.monotonic()

    def wait(self, there: int, busy: bool = False) -> None:
        """Wait a little for more shots than are there, or for somebody who is busy with those that are.

        Raises
        ------
        RunError
            None came for long, and nobody writes any.
        """
        if busy or there != self._there or shot_writers(self._run.path):
            self._there, self._since = there, time.monotonic()
        elif time.monotonic() - self._since > MOST_SECONDS_ALONE:
            raise RunError(
                f"{there:,} of {self._run.n_shots:,} shots of {self._run.path} are there and nobody writes more; "
                f"finish it with --resume, and {self._then}"
            )
        time.sleep(SECONDS_BETWEEN_LOOKS)


def shots_there(run: Run) -> int:
    """Return the number of shots that are done without a gap from the first."""
    done = run.done()
    return len(done) if done.all() else int(np.argmin(done))
