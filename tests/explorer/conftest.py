"""A store, and the same store lacking this or that."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.hasty import unhurried
from tests.once import Once
from xfeldask import embed, simulate
from xfeldask.schema import named
from xfeldask.store.choosing.columns import Shots
from xfeldask.store.run import open_run

N = 400
HITS = {0: 0.1, 1: 0.7, 2: 0.2}
HOSTILE = "<img src=x onerror=alert(1)>.zarr"
"""Lacks the truth as well, so that one page shows both."""
KINDS = ("whole", "no truth", "no embedding", "missing", "empty", HOSTILE)
"""What is served, in the order in which addresses count stores."""
TELL_THE_NAME = ("labels", "provenance", "export")
"""Tabs that hold the name of the store."""


@pytest.fixture(scope="session")
def stores(once: Once) -> dict[str, Path]:
    """Stores of a few hundred shots by what they are; not to be changed, as all tests of a session share them."""
    folder = once("explorer", _make)
    return {kind: folder / kind for kind in KINDS}


def _make(folder: Path) -> None:
    folder.mkdir()
    found = {kind: folder / kind for kind in KINDS}
    whole = found["whole"]
    simulate(whole, particle="chaperonin", detector="square-64", n_shots=N, hits=HITS, seed=5, progress=False)
    shutil.copytree(whole, found["no embedding"])
    with unhurried():
        embed(whole, name="pairs", progress=False)
    embed(whole, name="second", features={"name": "unit_root"}, sort=None, progress=False)
    shutil.copytree(whole, found["no truth"])
    for variable in named("truth"):
        shutil.rmtree(found["no truth"] / variable.name)
    shutil.copytree(found["no truth"], found[HOSTILE])
    found["empty"].mkdir()


@pytest.fixture(scope="session")
def shots(stores: dict[str, Path]) -> Shots:
    """What the library reads from the whole store."""
    return Shots.of(open_run(stores["whole"]), "pairs")
