"""Which paths a verb that writes shots takes, and how it finishes shards that are pending."""

from __future__ import annotations

import json
from pathlib import Path

import dask
import numpy as np
import pytest

from xfeldask.errors import CorruptStoreError, InputError, RunError, StoreExistsError
from xfeldask.schema import DONE
from xfeldask.store.layout import Layout, create_template
from xfeldask.store.run import Run
from xfeldask.store.storage.manifest import seal
from xfeldask.verbs.parts.pending import refuse_broken, refuse_existing, run_pending


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A store of five shots in three shards, none of which is written."""
    layout = Layout(5, (1, 4, 4), (2, 2), (4, 4), 1, "uint8", False, 2)
    create_template(tmp_path / "run.zarr", layout, {"shot": np.arange(5)}, {"title": "a run"})
    return tmp_path / "run.zarr"


@pytest.fixture(autouse=True)
def one_thread():
    """Tasks that add to a list do it one after another."""
    with dask.config.set(scheduler="synchronous"):
        yield


def write(run: Run, shard: int) -> None:
    """Mark the shots of a shard as written."""
    shots = run.layout.shots(shard)
    run.group["shot_status"][shots.start : shots.stop] = DONE


def test_run_pending__works_on_what_is_pending_alone_and_marks_the_store_complete(path: Path) -> None:
    run, asked = Run.open(path, "r+"), []
    write(run, 1)

    def task(run: Run, shard: int) -> None:
        asked.append(shard)
        write(run, shard)

    assert not run.complete
    run_pending(run, "simulate", task, progress=False)
    assert sorted(asked) == [0, 2]
    assert Run.open(path).complete


def test_run_pending__says_how_many_shards_a_task_left(path: Path) -> None:
    run = Run.open(path, "r+")
    with pytest.raises(RunError, match=r"2 of 3 shards of .*run\.zarr are still pending; what was committed is kept"):
        run_pending(run, "ingest", lambda run, shard: write(run, 0), progress=False)
    assert not Run.open(path).complete


def test_run_pending__raises_what_a_task_returned_when_all_have_ended(path: Path) -> None:
    run, asked = Run.open(path, "r+"), []

    def task(run: Run, shard: int) -> InputError | None:
        asked.append(shard)
        write(run, shard)
        return InputError("frame 0 is torn") if shard == 0 else None

    with pytest.raises(InputError, match="frame 0 is torn"):
        run_pending(run, "ingest", task, progress=False)
    assert sorted(asked) == [0, 1, 2]
    assert not Run.open(path).complete


def test_run_pending__sweeps_what_a_killed_writer_left(path: Path) -> None:
    half = path / "photons" / "0.99.partial"
    half.parent.mkdir(exist_ok=True)
    half.write_bytes(b"half")
    run_pending(Run.open(path, "r+"), "simulate", write, progress=False)
    assert not half.exists()


def test_refuse_existing__takes_new_paths_and_stores_that_are_to_be_resumed_or_replaced(path: Path) -> None:
    refuse_existing(path.with_name("new.zarr"), resume=False, overwrite=False)
    for resume, overwrite in ((True, False), (False, True)):
        refuse_existing(path, resume, overwrite)
    with pytest.raises(StoreExistsError, match=r"run\.zarr exists; pass resume=True \(--resume\), overwrite=True"):
        refuse_existing(path, resume=False, overwrite=False)


def test_refuse_existing__neither_replaces_what_is_no_store_nor_makes_folders(tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    with pytest.raises(InputError):
        refuse_existing(tmp_path / "notes", resume=False, overwrite=True)
    with pytest.raises(InputError, match=r"there is no folder .*nowhere to write run\.zarr into; make it first"):
        refuse_existing(tmp_path / "nowhere" / "run.zarr", resume=False, overwrite=False)


def test_refuse_broken__names_what_differs(path: Path) -> None:
    seal(path)
    refuse_broken(Run.open(path))
    array = path / "shot_status" / "zarr.json"
    changed = json.loads(array.read_text())
    changed["attributes"]["units"] = "furlongs"
    array.write_text(json.dumps(changed))
    with pytest.raises(CorruptStoreError, match=r"shot_status: .*; xfeldask verify names all that differs"):
        refuse_broken(Run.open(path))
