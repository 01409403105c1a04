"""Verbs killed at their file operations: the store is what it was, or what it was to be, and the next one finishes."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

from tests.campaigns import killing
from tests.once import Once
from xfeldask import embed, open_run, simulate
from xfeldask.errors import XfeldaskWarning
from xfeldask.verbs.verify import verify

ROOT = Path(__file__).resolve().parents[2]
EVERY_DAY = {"embed again": [301]}
"""Verbs that are killed every day, and at which operations; all of them are in a campaign."""
MANY = int(os.environ.get("XFELDASK_KILLS", "40"))
"""Places at which each verb is killed in a campaign."""
SEED = os.environ.get("XFELDASK_CAMPAIGN_SEED", "7")
"""Of the choice of places: a campaign that goes on for long takes another one each time."""


def tried(verb: str, folder: Path, out: Path, *places: object) -> str:
    command = [sys.executable, "-m", "tests.campaigns.killing", verb, folder, out, *map(str, places)]
    done = subprocess.run(command, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True,
                          check=False)  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def assert_sound(folder: Path, verb: str) -> None:
    """The next command works, and leaves a store without a fault and nothing beside it."""
    store = folder / ("new.zarr" if verb == "simulate" else "run.zarr")
    seed = 3 if verb in ("simulate", "overwrite") else 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", XfeldaskWarning)
        if store.exists() and verb == "overwrite" and open_run(store).experiment.seed == 0:
            seed = 0
        simulate(store, **killing.RUN, seed=seed, resume=True)
        found = verify(store, recompute=4, progress=False).problems
        assert [problem for problem in found if not problem.variable.startswith(".run.zarr")] == []
        names = list(open_run(store).embeddings)
        assert seed or "ipca" in names
        for name in names:
            assert open_run(store).embedding(name).is_current
        embed(store, name="new", overwrite=True, **killing.EMBED)
        if verb in ("embed again", "sort"):
            embed(store, overwrite=True, **killing.EMBED)
        if verb == "select":
            killing.VERBS["select"](store)
    assert verify(store, progress=False).problems == ()
    # the lock of the dead is taken over by whoever writes the same again
    assert [path.name for path in folder.iterdir() if path.name.startswith(".") and path.suffix != ".lock"] == []


@pytest.mark.parametrize(
    "verb", [pytest.param(verb, marks=() if verb in EVERY_DAY else pytest.mark.campaign) for verb in killing.VERBS]
)
def test_verb__killed_at_a_file_operation_leaves_a_store_that_goes_on(
    once: Once, tmp_path: Path, verb: str, request: pytest.FixtureRequest
) -> None:
    folder = once("to be killed", killing.make)
    if "not campaign" in request.config.getoption("-m"):
        places = EVERY_DAY[verb]
    else:
        operations = int(tried(verb, folder, tmp_path, "count"))
        shutil.rmtree(tmp_path / "count")
        places = sorted(random.Random(f"{verb} {SEED}").sample(range(1, operations + 1), min(MANY, operations)))
        print(f"{verb}: killed at {len(places)} of {operations} operations")
    tried(verb, folder, tmp_path, *places)
    for place in places:
        assert_sound(tmp_path / str(place), verb)
        shutil.rmtree(tmp_path / str(place))
