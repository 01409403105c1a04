"""Runs several verbs at once on a copy of a folder, each in a process of its own.

    python -m tests.campaigns.racing FOLDER OUT VERB VERB...

Prints a line for each verb: "done", or what it said.
"""

from __future__ import annotations

import os
import random
import shutil
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import dask

from tests.campaigns import faults
from tests.campaigns.killing import VERBS
from xfeldask.errors import XfeldaskError, XfeldaskWarning
from xfeldask.store.results import made
from xfeldask.store.storage.publish import publish_group

LONGEST = 1.0
"""That a verb waits before it begins and before it moves a folder [s], so that others come between."""


def linger(event: str, arguments: tuple[Any, ...]) -> None:
    """Wait before a folder is moved."""
    if event == "os.rename" and Path(arguments[0]).is_dir():
        time.sleep(LONGEST * random.random())


def late(*words: Any) -> None:
    """Publish what was made, a while after it was."""
    time.sleep(3 * LONGEST * random.random())
    publish_group(*words)


def tried(verb: str, store: Path) -> str:
    """Run a verb and return what came of it."""
    warnings.simplefilter("ignore", XfeldaskWarning)
    random.seed()
    sys.addaudithook(linger)
    made.publish_group = late
    time.sleep(LONGEST * random.random())
    try:
        with dask.config.set(scheduler="synchronous"):
            VERBS[verb](store)
    except XfeldaskError as error:
        return f"{type(error).__name__}: {error}".replace("\n", "\\n")
    return "done"


def main(folder: Path, out: Path, verbs: list[str]) -> int:
    """Let the verbs begin together, and wait for all."""
    shutil.copytree(folder, out)
    begin, start = os.pipe()
    children = []
    for i, verb in enumerate(verbs):
        child = os.fork()
        if child == 0:
            os.close(start)
            os.read(begin, 1)  # returns when the last writer closes
            told = tried(verb, out / "run.zarr")
            out.with_name(f"{out.name}.{i}").write_text(told, "utf-8")
            os._exit(0)
        children.append(child)
    os.close(start)
    codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    for i, verb in enumerate(verbs):
        said = out.with_name(f"{out.name}.{i}")
        print(f"{verb}: {said.read_text('utf-8') if said.exists() else 'it died'}")
    return max(codes)


if __name__ == "__main__":
    faults.inherit()
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:]))
