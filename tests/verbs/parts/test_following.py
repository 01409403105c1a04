from __future__ import annotations

import shutil
from collections import deque
from dataclasses import replace

import dask
import numpy as np
import pytest

from tests.tiny import frames, tiny_run
from tests.verbs.arguments.test_options import USUAL
from xfeldask.errors import RunError
from xfeldask.store.packing.codecs import EXACT
from xfeldask.store.run import Run
from xfeldask.store.storage.lock import held
from xfeldask.verbs.parts import following
from xfeldask.verbs.parts import patience as waiting
from xfeldask.verbs.parts.following import follow_store, shots_there
from xfeldask.verbs.parts.patience import Patience


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """All shots are written; a test takes their status away and gives it back."""
    return tiny_run(tmp_path_factory.mktemp("following") / "run.zarr", frames(24))


@pytest.fixture
def run(made, tmp_path):
    return Run.open(shutil.copytree(made.path, tmp_path / "run.zarr"))


@pytest.fixture
def clock(monkeypatch):
    """Time that passes by waiting alone."""
    now = [0.0]
    monkeypatch.setattr(waiting.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(waiting.time, "sleep", lambda seconds: now.__setitem__(0, now[0] + seconds))
    return now


def mark(run, done):
    """Have the first shots done, and the run complete if all are."""
    writable = run.reopened("r+")
    writable.array("shot_status", EXACT)[:] = (np.arange(24) < done).astype(np.uint8)
    writable.group.attrs["complete"] = done == 24


@pytest.mark.parametrize(("status", "there"), [([1, 1, 1], 3), ([0, 1, 1], 0), ([1, 0, 1], 1), ([1, 1, 0], 2)])
def test_shots_there__are_those_without_a_gap(status, there, monkeypatch):
    class Written:
        n_shots = len(status)

        def done(self, shots):
            return np.array(status, bool)[shots]

    monkeypatch.setattr(following, "LOOKED_AT", 2)
    assert shots_there(Written()) == there


def test_shots_there__are_not_asked_again_for_what_was_there(run):
    mark(run, 8)
    read = []

    class Watched:
        n_shots = 24

        def done(self, shots):
            read.append(shots.start)
            return run.reopened().done(shots)

    assert (shots_there(Watched()), shots_there(Watched(), 8), read) == (8, 8, [0, 8])


def test_patience__ends_when_nothing_comes_and_nobody_writes(run, clock):
    patience = Patience(run)
    told = "4 of 24 shots of .*run.zarr are there and nobody writes more; finish it with --resume"
    waits = range(10 * int(waiting.MOST_SECONDS_ALONE / waiting.SECONDS_BETWEEN_LOOKS))
    with pytest.raises(RunError, match=told):
        deque((patience.wait(4) for _ in waits), maxlen=0)
    assert clock[0] == pytest.approx(waiting.MOST_SECONDS_ALONE, abs=2 * waiting.SECONDS_BETWEEN_LOOKS)


def test_patience__does_not_end_while_shots_come_or_somebody_writes(run, clock):
    patience = Patience(run)
    for there in range(200):
        patience.wait(there)
    with held(run.path):
        for _ in range(200):
            patience.wait(200)
    for _ in range(200):
        patience.wait(200, busy=True)
    assert clock[0] == 600 * waiting.SECONDS_BETWEEN_LOOKS


def test_follow__publishes_what_is_there_until_it_is_complete(run, monkeypatch):
    mark(run, 8)
    for name, value in (("ENOUGH_TO_FOLLOW", 8), ("BATCH", 8), ("AT_ONCE", 9)):
        monkeypatch.setattr(following, name, value)
    published, projected, steps = [], [], iter((8, 12, 24))
    plain, project = following.publish, following.project_blocks

    def publish(*words, **more):
        published.append(len(words[-1]["latent"]))
        plain(*words, **more)

    def project_blocks(source, model, there, blocks, *more):
        projected.append([*blocks])
        return project(source, model, there, blocks, *more)

    monkeypatch.setattr(following, "publish", publish)
    monkeypatch.setattr(following, "project_blocks", project_blocks)
    monkeypatch.setattr(Patience, "wait", lambda *_: mark(run, next(steps)))
    with dask.config.set(scheduler="synchronous"):
        follow_store(run.reopened(), "mine", replace(USUAL, sort=None))
    assert published == [8, 12, 21, 24]
    assert projected == [[0], [1], [1, 2], [2]], "a block is projected again as long as shots come to it"
    found = run.reopened().embedding("mine").dataset()
    np.testing.assert_array_equal(found.fitted, np.arange(24) < 8)
    assert found.latent.shape == (24, 2)
