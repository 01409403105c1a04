"""What tests of the command line share."""

import shutil
from pathlib import Path

import pytest

from tests.once import Once
from xfeldask import simulate


@pytest.fixture
def store(once: Once, tmp_path: Path) -> Path:
    """A copy of what `SMALL` makes."""

    def make(path: Path) -> None:
        simulate(path, particle="chaperonin", detector="square-64", n_shots=12, progress=False)

    return Path(shutil.copytree(once("small.zarr", make), tmp_path / "a.zarr"))
