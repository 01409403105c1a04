"""Bits flipped in every file of a store: none is silent."""

from __future__ import annotations

import os
import random
import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.campaigns import killing
from tests.once import Once
from xfeldask.errors import XfeldaskError
from xfeldask.store.run import open_run
from xfeldask.store.selections import publish_selection
from xfeldask.verbs.verify import verify

EVERY_DAY = 2
"""Files of which one bit is flipped; in a campaign, several of each."""
SEED = os.environ.get("XFELDASK_CAMPAIGN_SEED", "7")
"""Of the places of the flips: a campaign that goes on for long takes another one each time."""


def noticed(store: Path) -> bool:
    try:
        return not verify(store, progress=False).ok
    except XfeldaskError:
        return True


def test_flips__of_any_file_are_noticed(once: Once, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    store = Path(shutil.copytree(once("to be killed", killing.make) / "run.zarr", tmp_path / "run.zarr"))
    publish_selection(open_run(store), "mine", np.arange(40) < 20)
    # those of the groups around embeddings and selections say nothing else
    untold = {store / name / "zarr.json" for name in ("latent", "selection")}
    files = sorted(path for path in store.rglob("*") if path.is_file() and path not in untold)
    dice, times, silent = random.Random(SEED), 5, []
    if "not campaign" in request.config.getoption("-m"):
        files, times = dice.sample(files, EVERY_DAY), 1
    for file in files:
        good = file.read_bytes()
        for _ in range(times):
            at, bit = dice.randrange(len(good)), dice.randrange(8)
            bad = bytearray(good)
            bad[at] ^= 1 << bit
            file.write_bytes(bad)
            # a space of JSON that became another one says the same
            if not noticed(store) and not (file.suffix == ".json" and bytes(bad).split() == good.split()):
                silent.append((file.relative_to(store).as_posix(), at, bit))
        file.write_bytes(good)
    assert silent == []
    assert verify(store, progress=False).ok
    print(f"{times * len(files)} flips in {len(files)} files, none silent")
