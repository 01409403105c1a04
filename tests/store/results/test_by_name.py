"""What lies beside the shots of a run and lacks an array is named, whoever asks for it."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.tiny import frames, tiny_run
from xfeldask import select
from xfeldask.errors import CorruptStoreError
from xfeldask.store.results.known_background import CellBackgrounds, KnownBackground, publish_known_background
from xfeldask.store.results.labels import write_labels
from xfeldask.store.results.selections import publish_selection
from xfeldask.store.run import Run

N = 6


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tiny_run(tmp_path_factory.mktemp("beside") / "run.zarr", frames(N))
    publish_selection(run, "mine", np.arange(N) > 2)
    write_labels(run, "anna", {0: "single"})
    flat, low = (np.ones(run.read(name, 0).shape, np.float32) for name in ("image", "low_q"))
    cells = CellBackgrounds("cell", np.arange(2), np.stack([flat] * 2), np.stack([low] * 2), np.zeros(N, np.int32))
    found = KnownBackground(flat, low, np.ones(N, np.float32), np.zeros(N, bool), "a file", cells)
    publish_known_background(run, found)
    assert run.reopened().known_background is not None
    return Path(str(run.path))


@pytest.mark.parametrize(
    ("group", "array"),
    [("labels/anna", "label"), ("selection/mine", "selected"), ("known_background/run", "background_weight"),
     ("known_background/run", "image"), ("known_background/run", "background_cell")],
)  # fmt: skip
def test_missing_array__is_named(made: Path, tmp_path: Path, group: str, array: str) -> None:
    path = Path(shutil.copytree(made, tmp_path / "run.zarr"))
    shutil.rmtree(path / group / array)
    told = f"{group} has no {array}; xfeldask verify names what is broken"
    with pytest.raises(CorruptStoreError, match=told):
        select(path, "shot < 3")
    if group != "labels/anna":
        with pytest.raises(CorruptStoreError, match=told):
            repr(Run.open(path))
