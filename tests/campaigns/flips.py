"""Bits flipped in every file of a store, and shots of another seed put into it: none is silent."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from random import Random

import numpy as np

from tests.campaigns import killing
from tests.campaigns.attempt import Attempt, Outcome
from xfeldask import simulate
from xfeldask.errors import XfeldaskError
from xfeldask.store.results.selections import publish_selection
from xfeldask.store.run import open_run
from xfeldask.store.storage import manifest
from xfeldask.verbs.verify import verify

UNTOLD = ("latent/zarr.json", "selection/zarr.json")
"""Of groups around embeddings and selections, which say nothing else."""


def attempts(folder: Path, work: Path, dice: Random) -> Iterator[Attempt]:
    """Flip one bit at a time in a copy of a store, in files in turn, then take shots of another, without end."""
    store = Path(shutil.copytree(folder / "run.zarr", work / "run.zarr"))
    publish_selection(open_run(store), "mine", np.arange(40) < 20)
    names = [path.relative_to(store).as_posix() for path in sorted(store.rglob("*")) if path.is_file()]
    files = [store / name for name in names if name not in UNTOLD]
    mixtures = mixtures_of(folder, work / "mixed", dice)
    while True:
        for file in dice.sample(files, len(files)):
            yield flipped(store, file, dice.randrange(file.stat().st_size), dice.randrange(8))
        yield next(mixtures)


def mixtures_of(folder: Path, work: Path, dice: Random) -> Iterator[Attempt]:
    """Put shots of another seed into a copy of a store, without end."""
    store = Path(shutil.copytree(folder / "run.zarr", work / "run.zarr"))
    simulate(work / "other.zarr", **killing.RUN, seed=1)
    while True:
        yield mixed(store, work / "other.zarr", dice)


def mixed(store: Path, other: Path, dice: Random) -> Attempt:
    """Take a shard of another seed, whose checksums and totals are right, look whether that is noticed, and undo it."""
    layout = open_run(store).layout
    shard = dice.randrange(layout.n_shards)
    written = [store / v.name / "c" / str(shard) for v in layout.stored() if v.role in ("raw", "total")]
    good = {file: file.read_bytes() for top in written for file in [top, *top.rglob("*")] if file.is_file()}
    for file in good:
        file.write_bytes((other / file.relative_to(store)).read_bytes())
    try:
        found = verify(store, recompute=layout.n_shots, progress=False).problems
    finally:
        for file, data in good.items():
            file.write_bytes(data)
    what = f"shard {shard} of another seed"
    return Attempt(what, Outcome.TOLD, str(found[0])) if found else Attempt(what, Outcome.SILENT)


def flipped(store: Path, file: Path, at: int, bit: int) -> Attempt:
    """Flip a bit of a file, look whether that is noticed, and put it back."""
    good = file.read_bytes()
    bad = bytearray(good)
    bad[at] ^= 1 << bit
    what = f"bit {bit} of byte {at} of {file.relative_to(store).as_posix()}"
    file.write_bytes(bad)
    try:
        found = verify(store, progress=False).problems
        if found:
            return Attempt(what, Outcome.TOLD, str(found[0]))
    except XfeldaskError as error:
        return Attempt(what, Outcome.TOLD, str(error))
    except Exception as error:  # whatever it is, it is no sentence
        return Attempt(what, Outcome.DIED, repr(error))
    finally:
        file.write_bytes(good)
    says_the_same = file.suffix == ".json" and (bytes(bad).split() == good.split() or not has_manifest(bytes(bad)))
    return Attempt(what, Outcome.WHOLE if says_the_same else Outcome.SILENT)


def has_manifest(metadata: bytes) -> bool:
    """Whether metadata are not those of an older version, which promises nothing."""
    return manifest.KEY in json.loads(metadata).get("attributes", {})
