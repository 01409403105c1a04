"""One writer at a time, the dead ones replaced, and everybody named."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
import warnings

import pytest

from xfeldask.errors import InputError, StoreBusyError, XfeldaskWarning
from xfeldask.store.storage import lock
from xfeldask.store.storage.lock import STALE, Holder, held

WAITING = """
import sys
from pathlib import Path
from xfeldask.store.storage.lock import held

with held(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def files(folder):
    return sorted(path.name for path in folder.iterdir())


def written(path, **changes):
    """A lock that somebody else left, as old as told."""
    age = changes.pop("age", 0.0)
    path.write_text(json.dumps(Holder.me()._asdict() | changes))
    os.utime(path, (time.time() - age,) * 2)


def test_held__is_one_file_beside_the_store_that_goes(tmp_path):
    with held(tmp_path / "run.zarr"):
        assert files(tmp_path) == [".run.zarr.lock"]
        assert Holder.of(tmp_path / ".run.zarr.lock").process == os.getpid()
        with held(tmp_path / "run.zarr", "latent/ipca"), held(tmp_path / "run.zarr"):
            assert files(tmp_path) == [".run.zarr.latent.ipca.lock", ".run.zarr.lock"]
        assert files(tmp_path) == [".run.zarr.lock"]
    assert files(tmp_path) == []


def test_held__by_another_thread_or_process_is_refused_and_the_holder_named(tmp_path):
    store, refused = tmp_path / "run.zarr", []

    def other():
        with pytest.raises(StoreBusyError) as error, held(store):
            raise AssertionError
        refused.append(str(error.value))

    with held(store):
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
    process = subprocess.Popen([sys.executable, "-c", WAITING, store], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"held\n"
    other()
    process.communicate()
    assert files(tmp_path) == []
    for told, number in zip(refused, (os.getpid(), process.pid), strict=True):
        assert told.startswith(f"{store} is being written by process {number} on {lock.HOST}, since ")
        assert told.endswith("last seen 0 s ago; wait for it, or choose another")


def test_held__by_a_killed_process_is_taken_over_with_a_sentence(tmp_path):
    store = tmp_path / "run.zarr"
    process = subprocess.Popen([sys.executable, "-c", WAITING, store], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"held\n"
    process.kill()
    process.communicate()
    assert files(tmp_path) == [".run.zarr.lock"]
    told = rf"took over .*run.zarr from process {process.pid} on .*, which is dead"
    with pytest.warns(XfeldaskWarning, match=told), held(store):
        assert Holder.of(tmp_path / ".run.zarr.lock").process == os.getpid()
    assert files(tmp_path) == []


@pytest.mark.parametrize(
    ("changes", "dead"),
    [
        ({"host": "elsewhere", "age": STALE / 2}, False),
        ({"host": "elsewhere", "age": STALE + 5}, True),
        ({"began": 1.0}, True),  # another process has its number by now
        ({"age": 10 * STALE}, False),  # on this computer the process itself is asked
    ],
)
def test_held__by_the_living_only(tmp_path, changes, dead):
    path = tmp_path / ".run.zarr.lock"
    written(path, **changes)
    if dead:
        with pytest.warns(XfeldaskWarning, match="which is dead"), held(tmp_path / "run.zarr"):
            pass
        assert files(tmp_path) == []
    else:
        with pytest.raises(StoreBusyError), held(tmp_path / "run.zarr"):
            pass
        assert files(tmp_path) == [".run.zarr.lock"]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"host": 3}'])
def test_held__by_nobody_who_tells_is_waited_for_and_then_taken_over(tmp_path, text):
    path = tmp_path / ".run.zarr.lock"
    path.write_text(text)
    with pytest.raises(StoreBusyError, match="a process that does not tell its name"), held(tmp_path / "run.zarr"):
        pass
    os.utime(path, (1e9, 1e9))
    with pytest.warns(XfeldaskWarning), held(tmp_path / "run.zarr"):
        pass


def test_held__gives_signs_of_life_until_it_ends(tmp_path, monkeypatch):
    monkeypatch.setattr(lock, "BEAT", 0.01)
    path = tmp_path / ".run.zarr.lock"
    with held(tmp_path / "run.zarr"):
        os.utime(path, (1e9, 1e9))
        while path.stat().st_mtime < 1.1e9:
            time.sleep(0.01)
    assert not path.exists()


def test_held__that_another_took_over_stays_theirs(tmp_path):
    path = tmp_path / ".run.zarr.lock"
    with held(tmp_path / "run.zarr"):
        written(path, host="elsewhere")
    assert Holder.of(path).host == "elsewhere"


def test_held__works_where_there_are_no_hard_links(tmp_path, monkeypatch):
    def link(*_):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", link)
    with held(tmp_path / "run.zarr"):
        assert files(tmp_path) == [".run.zarr.lock"]
    written(tmp_path / ".run.zarr.lock", host="elsewhere")
    with pytest.raises(StoreBusyError), held(tmp_path / "run.zarr"):
        pass


def test_held__removes_what_was_left_by_those_killed_while_they_took_it(tmp_path):
    left, dead, alive = (tmp_path / f".run.zarr.lock.{token}" for token in ("0123", "4567", "89ab"))
    left.touch()
    # another process has the number of this one by now
    written(dead, began=1.0)
    written(alive)
    with held(tmp_path / "run.zarr"):
        assert (left.exists(), dead.exists(), alive.exists()) == (True, False, True)
    os.utime(left, (1e9, 1e9))
    with held(tmp_path / "run.zarr"):
        assert not left.exists()


def test_held__where_nothing_can_be_written_is_one_sentence(tmp_path):
    with (
        pytest.raises(InputError, match=r"^cannot write .*run.zarr: .*; choose a disk"),
        held(tmp_path / "no" / "run.zarr"),
    ):
        pass


def test_held__is_won_by_one_of_many(tmp_path):
    inside, most, lost = [], [], []
    gate = threading.Barrier(8)

    def race():
        gate.wait()
        try:
            with held(tmp_path / "run.zarr"):
                inside.append(1)
                most.append(len(inside))
                time.sleep(0.02)
                inside.pop()
        except StoreBusyError:
            lost.append(1)

    written(tmp_path / ".run.zarr.lock", began=1.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        threads = [threading.Thread(target=race) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert set(most) == {1}
    assert len(most) + len(lost) == 8


@pytest.mark.parametrize("name", ["a**b.zarr", "run[1].zarr", "?.zarr"])
def test_held__is_of_a_store_of_any_name(tmp_path, name):
    left = tmp_path / f".{name}.lock.4567"
    written(left, began=1.0)
    with held(tmp_path / name):
        assert files(tmp_path) == [f".{name}.lock"]
