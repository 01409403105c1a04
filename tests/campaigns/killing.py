"""Runs a verb again and again, each time on a new copy of a folder, and kills it at another of its file operations.

    python -m tests.campaigns.killing VERB FOLDER OUT PLACES

PLACES are numbers of operations, counted from 1, or "count", which lets the verb end and prints how many there were.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
from pathlib import Path
from typing import Any

import dask
import numpy as np

from xfeldask import embed, open_run, project, simulate, sort, verify
from xfeldask.store import publish
from xfeldask.store.selections import publish_selection
from xfeldask.verbs.verify import reopen

ATOMS = (np.random.default_rng(1).normal(size=(30, 3)) * 5e-10, ["C", "N", "O"] * 10)
BRIGHT = {"photon_energy": 4600.0, "photons_per_pulse": 1e16, "focus_radius": 5e-7}
RUN: dict[str, Any] = {"particle": ATOMS, "detector": "square-16", "beam": BRIGHT, "n_shots": 40, "progress": False}
EMBED: dict[str, Any] = {"n_components": 2, "sort": "elliptic_envelope", "progress": False}
VERBS = {
    "simulate": lambda path: simulate(path.with_name("new.zarr"), **RUN, seed=3),
    "overwrite": lambda path: simulate(path, **RUN, seed=3, overwrite=True),
    "resume": lambda path: simulate(path, **RUN, resume=True),
    "embed": lambda path: embed(path, name="new", **EMBED),
    "embed again": lambda path: embed(path, overwrite=True, **{**EMBED, "n_components": 1}),
    "sort": lambda path: sort(path, "ipca", contamination=0.2),
    "project": lambda path: project(path, "ipca", path, as_name="new", progress=False),
    "select": lambda path: publish_selection(open_run(path), "mine", np.arange(40) < 3),
}
WRITING = os.O_WRONLY | os.O_RDWR


def reopened(path: Path) -> None:
    """Have all shots of a store to be drawn again."""
    file = path / "photons" / "c" / "0" / "0" / "0" / "0"
    file.write_bytes(file.read_bytes()[:-9])
    reopen(path, verify(path, progress=False))


def make(folder: Path) -> None:
    """Make the store that verbs are tried on."""
    folder.mkdir()
    simulate(folder / "run.zarr", **RUN)
    embed(folder / "run.zarr", **EMBED)


def watched(last: int) -> list[int]:
    """Count operations on files from now on, and kill this process at one of them."""
    count = [0]

    def operation() -> None:
        count[0] += 1
        if count[0] == last:
            os.kill(os.getpid(), signal.SIGKILL)

    def audit(event: str, arguments: tuple[Any, ...]) -> None:
        writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & WRITING
        if writes or event in ("os.rename", "os.mkdir", "os.remove", "os.rmdir"):
            operation()

    exchanged = publish.exchanged

    def exchange(one: Path, other: Path) -> bool:
        operation()
        done = exchanged(one, other)
        operation()
        return done

    publish.exchanged = exchange
    sys.addaudithook(audit)
    return count


def main(verb: str, folder: Path, out: Path, places: list[str]) -> None:
    """Try one verb."""
    for place in places:
        copy = out / place
        shutil.copytree(folder, copy)
        child = os.fork()
        if child == 0:
            with dask.config.set(scheduler="synchronous"):
                if verb == "resume":
                    reopened(copy / "run.zarr")
                count = watched(-1 if place == "count" else int(place))
                VERBS[verb](copy / "run.zarr")
            if place == "count":
                os.write(1, f"{count[0]}\n".encode())
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if os.waitstatus_to_exitcode(status) not in (0, -signal.SIGKILL):
            sys.exit(1)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4:])
