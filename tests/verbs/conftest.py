"""A store that tests of several verbs share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.once import Once
from tests.small_stores import TAUGHT
from xfeldask import embed, simulate


@pytest.fixture(scope="session")
def sorted_run(once: Once) -> Path:
    """A store as `TAUGHT` says, whose embedding named sorted was made with all defaults; not to be changed."""

    def make(path: Path) -> None:
        simulate(path, **TAUGHT, progress=False)
        embed(path, name="sorted", progress=False)

    return once("sorted.zarr", make)
