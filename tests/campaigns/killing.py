"""Runs a verb again and again, each time on a new copy of a folder, and kills it at another of its file operations.

    python -m tests.campaigns.killing VERB FOLDER OUT PLACES

PLACES are numbers of operations, counted from 1, or "count", which lets the verb end and prints them all, a line each.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import dask
import numpy as np

from tests.campaigns import faults
from xfeldask import embed, open_run, project, simulate, sort, verify
from xfeldask.store.results.selections import publish_selection
from xfeldask.store.storage import publish
from xfeldask.verbs.verify import reopen

ATOMS = (np.random.default_rng(1).normal(size=(30, 3)) * 5e-10, ["C", "N", "O"] * 10)
BRIGHT = {"photon_energy": 4600.0, "photons_per_pulse": 1e16, "focus_radius": 5e-7}
RUN: dict[str, Any] = {"particle": ATOMS, "detector": "square-16", "beam": BRIGHT, "n_shots": 40, "progress": False}
EMBED: dict[str, Any] = {"n_components": 2, "sort": "elliptic_envelope", "progress": False}
VERBS = {
    "simulate": lambda path: simulate(path.with_name("new.zarr"), **RUN, seed=3),
    "overwrite": lambda path: simulate(path, **RUN, seed=3, overwrite=True),
    "replace": lambda path: simulate(path, **RUN, seed=4, overwrite=True),
    "overwrite link": lambda path: simulate(linked(path), **RUN, seed=3, overwrite=True),
    "resume": lambda path: simulate(path, **RUN, resume=True),
    "embed": lambda path: embed(path, name="new", **EMBED),
    "embed again": lambda path: embed(path, overwrite=True, **{**EMBED, "n_components": 1}),
    "sort": lambda path: sort(path, "ipca", contamination=0.2),
    "project": lambda path: project(path, "ipca", path, as_name="new", progress=False),
    "select": lambda path: publish_selection(open_run(path), "mine", np.arange(40) < 3),
}
WRITING = os.O_WRONLY | os.O_RDWR
MOVE = "move"
"""A whole folder is moved or exchanged, the step between what was and what is to be."""


def reopened(path: Path) -> None:
    """Have all shots of a store to be drawn again."""
    file = path / "photons" / "c" / "0" / "0" / "0" / "0"
    file.write_bytes(file.read_bytes()[:-9])
    reopen(path, verify(path, progress=False))


def linked(path: Path) -> Path:
    """Make a symbolic link to a store, beside it, unless there is one."""
    link = path.with_name("link.zarr")
    with suppress(FileExistsError):
        link.symlink_to(path)
    return link


def strangers(store: Path, name: str) -> list[str]:
    """Name embeddings whose first coordinate is not that of one that was made of the shots that are there now.

    It is nearly the same for another number of components, and has nothing to do with that of other shots.
    """
    run = open_run(store)
    first = {other: embedding.stored().latent.values[:, 0] for other, embedding in run.embeddings.items()}
    return [other for other, values in first.items() if not abs(np.corrcoef(first[name], values)[0, 1]) > 0.9]


def make(folder: Path) -> None:
    """Make the store that verbs are tried on."""
    folder.mkdir()
    simulate(folder / "run.zarr", **RUN)
    embed(folder / "run.zarr", **EMBED)


def watched(last: int) -> list[str]:
    """Name operations on files from now on, and kill this process at one of them."""
    done: list[str] = []

    def operation(name: str) -> None:
        done.append(name)
        if len(done) == last:
            os.kill(os.getpid(), signal.SIGKILL)

    def audit(event: str, arguments: tuple[Any, ...]) -> None:
        writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & WRITING
        if event == "os.rename" and Path(arguments[0]).is_dir():
            operation(MOVE)
        elif writes or event in ("os.rename", "os.mkdir", "os.remove", "os.rmdir"):
            operation(event)

    exchanged = publish.exchanged

    def exchange(one: Path, other: Path) -> bool:
        operation(MOVE)
        done = exchanged(one, other)
        operation(MOVE)
        return done

    publish.exchanged = exchange
    sys.addaudithook(audit)
    return done


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
                done = watched(-1 if place == "count" else int(place))
                VERBS[verb](copy / "run.zarr")
            if place == "count":
                os.write(1, "\n".join(done).encode())
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if os.waitstatus_to_exitcode(status) not in (0, -signal.SIGKILL):
            sys.exit(1)


if __name__ == "__main__":
    faults.inherit()
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4:])
