"""Waiting for a store, and for shots, that are still to be written."""

from __future__ import annotations

import time

import xarray as xr

from xfeldask.errors import RunError
from xfeldask.store.run import Run
from xfeldask.store.storage.lock import shot_writers
from xfeldask.store.storage.places import place_of
from xfeldask.store.storage.urls import store_path
from xfeldask.store.store_given import Store, opened
from xfeldask.work.progress import Tell, say

SECONDS_BETWEEN_LOOKS = 2.0
MOST_SECONDS_ALONE = 300.0
"""How long new shots are waited for where no process holds the lock of the store [s]."""


def awaited(store: Store, progress: bool | Tell) -> Run:
    """Open the store that is meant; one that is not there yet is waited for.

    Raises
    ------
    InputError, CorruptStoreError
        As of `opened`.
    """
    if not isinstance(store, xr.Dataset):
        path = store_path(store)
        place, told = place_of(path), False
        while place.size("zarr.json") is None:
            if not told:
                say(f"{path} is not there yet; waiting for it (Ctrl+C to stop)", progress)
            told = True
            time.sleep(SECONDS_BETWEEN_LOOKS)
    return opened(store)


class Patience:
    """Waits for shots as long as somebody writes them, or not long after.

    Parameters
    ----------
    run : Run
    then : str, what is to be done once the store is complete
    pause : float, optional, between two looks [s]; `SECONDS_BETWEEN_LOOKS` by default
    """

    def __init__(self, run: Run, then: str = "embed it then", pause: float | None = None) -> None:
        self._run, self._then, self._there, self._since = run, then, -1, time.monotonic()
        self._pause = SECONDS_BETWEEN_LOOKS if pause is None else pause

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
        time.sleep(self._pause)
