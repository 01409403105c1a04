"""Verbs killed at their file operations: the store is what it was, or what it was to be, and the next one finishes."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from random import Random

from tests.campaigns import killing
from tests.campaigns.attempt import Attempt, Outcome
from tests.campaigns.children import run_module
from xfeldask import embed, open_run, simulate
from xfeldask.errors import XfeldaskWarning
from xfeldask.verbs.verify import verify

VERBS = [verb for verb in killing.VERBS if verb != "replace"]
"""All but one that is another in all but its seed."""
AT_ONCE = 10
"""Places at which a verb is killed before another one is."""


def attempts(folder: Path, work: Path, dice: Random) -> Iterator[Attempt]:
    """Kill verbs in turn, at other places each time, without end."""
    operations: dict[str, list[str]] = {}
    while True:
        for verb in dice.sample(VERBS, len(VERBS)):
            if verb not in operations:
                operations[verb] = counted(folder, work, verb)
            yield from killed(folder, work, verb, places(operations[verb], AT_ONCE, dice))


def counted(folder: Path, work: Path, verb: str) -> list[str]:
    """Name the operations of a verb that nobody kills."""
    done = run_module("killing", verb, folder, work, "count")
    assert done.returncode == 0, done.stderr
    shutil.rmtree(work / "count")
    return done.stdout.split("\n")


def places(operations: list[str], count: int, dice: Random) -> list[int]:
    """Choose operations, counted from 1: one at the moves of folders or next to them, the others anywhere."""
    near, anywhere = moves(operations), range(1, len(operations) + 1)
    return sorted({*dice.sample(near, min(1, len(near))), *dice.sample(anywhere, min(count - 1, len(operations)))})


def moves(operations: list[str]) -> list[int]:
    """Give the operations that move a folder, and those after them, counted from 1."""
    found = {at + after for at, name in enumerate(operations, 1) if name == killing.MOVE for after in (0, 1)}
    return sorted(found & {*range(1, len(operations) + 1)})


def killed(folder: Path, work: Path, verb: str, places: Iterable[int]) -> Iterator[Attempt]:
    """Kill a verb at some operations, and judge what each leaves."""
    done = run_module("killing", verb, folder, work, *places)
    for place in places:
        what = f"{verb} killed at operation {place}"
        if done.returncode and not (work / str(place)).exists():
            yield Attempt(what, Outcome.DIED, done.stderr[-500:])
            continue
        try:
            yield Attempt(what, *judged(work / str(place), verb))
        except Exception as error:  # whatever keeps the next command from its work
            yield Attempt(what, Outcome.DIED, repr(error))
        shutil.rmtree(work / str(place))


def judged(folder: Path, verb: str) -> tuple[Outcome, str]:
    """Whether the next command works, and leaves a store without a fault and nothing beside it."""
    store = folder / ("new.zarr" if verb == "simulate" else "run.zarr")
    if verb != "simulate" and not store.exists():
        return Outcome.LOST, "neither the old store nor the new one is in place"
    if verb == "overwrite link" and not (folder / "link.zarr").is_symlink():
        return Outcome.LOST, "the link is none any more"
    seed = 3 if verb == "simulate" else 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", XfeldaskWarning)
        if verb.startswith("overwrite"):
            seed = open_run(store).experiment.seed
        simulate(store, **killing.RUN, seed=seed, resume=True)
        found = verify(store, recompute=4, progress=False).problems
        if wrong := [str(problem) for problem in found if not problem.variable.startswith(".run.zarr")]:
            return Outcome.SILENT, wrong[0]
        names = list(open_run(store).embeddings)
        if seed == 0 and "ipca" not in names:
            return Outcome.LOST, "the embedding is not there"
        if not all(open_run(store).embedding(name).is_current for name in names):
            return Outcome.SILENT, f"embeddings {names} of another run"
        embed(store, name="new", overwrite=True, **killing.EMBED)
        if others := killing.strangers(store, "new"):
            return Outcome.SILENT, f"coordinates of {others} are of other shots"
        if verb in ("embed again", "sort"):
            embed(store, overwrite=True, **killing.EMBED)
        if verb == "select":
            killing.VERBS["select"](store)
    if found := verify(store, progress=False).problems:
        return Outcome.SILENT, str(found[0])
    # the lock of the dead is taken over by whoever writes the same again
    left = [path.name for path in folder.iterdir() if path.name.startswith(".") and path.suffix != ".lock"]
    return (Outcome.DIED, f"left behind: {left}") if left else (Outcome.WHOLE, "")
