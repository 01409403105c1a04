"""Two and three verbs at once on one store: each ends, or says why it did not, and what is left is whole."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Iterator
from itertools import combinations_with_replacement
from pathlib import Path
from random import Random

from tests.campaigns import killing
from tests.campaigns.attempt import Attempt, Outcome
from tests.campaigns.children import run_module
from xfeldask import embed, open_run, simulate
from xfeldask.errors import XfeldaskWarning
from xfeldask.verbs.verify import verify

PAIRS = list(combinations_with_replacement(killing.VERBS, 2))
TRIPLES = list(combinations_with_replacement(killing.VERBS, 3))
REFUSALS = ("StoreBusyError", "StoreExistsError", "RunError", "CorruptStoreError", "MissingFileError",
            "ExperimentMismatchError", "IncompleteStoreError")  # fmt: skip
"""By which a verb says that another was there first."""


def attempts(folder: Path, work: Path, dice: Random) -> Iterator[Attempt]:
    """Race all pairs in turn, each beside one of three, without end."""
    while True:
        for pair in dice.sample(PAIRS, len(PAIRS)):
            yield raced(folder, work / "race", pair)
            yield raced(folder, work / "race", dice.choice(TRIPLES))


def raced(folder: Path, out: Path, verbs: tuple[str, ...]) -> Attempt:
    """Let verbs run at once on a copy of a folder, and judge what they say and leave."""
    what = " and ".join(verbs)
    done = run_module("racing", folder, out, *verbs)
    told = done.stdout.strip().splitlines()
    try:
        if done.returncode or len(told) != len(verbs):
            return Attempt(what, Outcome.DIED, done.stdout + done.stderr[-500:])
        return Attempt(what, *judged(out / "run.zarr", [line.split(": ", 1)[1] for line in told]))
    except Exception as error:  # whatever keeps the next command from its work
        return Attempt(what, Outcome.DIED, f"{error!r} after {told}")
    finally:
        shutil.rmtree(out, ignore_errors=True)
        for said in out.parent.glob(f"{out.name}.*"):
            said.unlink()


def judged(store: Path, told: list[str]) -> tuple[Outcome, str]:
    """Whether at least one verb did its work, the others said why not, and the store is of one run."""
    refused = [line for line in told if line != "done"]
    if len(refused) == len(told):
        return Outcome.LOST, f"nobody did it: {told}"
    if strange := [line for line in refused if not line.startswith(REFUSALS) or "[Errno" in line]:
        return Outcome.DIED, strange[0]
    if not store.exists():
        return Outcome.LOST, f"no store: {told}"
    seed = open_run(store).experiment.seed
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", XfeldaskWarning)
        simulate(store, **killing.RUN, seed=seed, resume=True)
        if found := verify(store, recompute=8, progress=False).problems:
            return Outcome.SILENT, f"{found[0]}: {told}"
        embeddings = open_run(store).embeddings
        if not all(embedding.is_current for embedding in embeddings.values()):
            return Outcome.SILENT, f"embeddings {list(embeddings)} of another run: {told}"
        if seed == 0 and "ipca" not in embeddings:
            return Outcome.LOST, f"the embedding is not there: {told}"
        embed(store, name="after", **killing.EMBED)
        if others := killing.strangers(store, "after"):
            return Outcome.SILENT, f"coordinates of {others} are of other shots: {told}"
    if found := verify(store, progress=False).problems:
        return Outcome.SILENT, f"{found[0]}: {told}"
    return (Outcome.TOLD, refused[0]) if refused else (Outcome.WHOLE, "")
