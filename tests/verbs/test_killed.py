"""Runs killed with SIGKILL, all processes of them at once, and finished afterwards."""

from __future__ import annotations

import contextlib
import hashlib
import os
import signal
import subprocess
import sys
import time
from logging import CRITICAL
from threading import Thread

import dask
import pytest
from distributed import Client, LocalCluster

from tests.rarely import rarely
from xfeldask import open_dataset, simulate
from xfeldask.errors import IncompleteStoreError, RunError, XfeldaskWarning
from xfeldask.verbs.verify import verify

SHARDS, SHOTS = 6, 4
ARGUMENTS = f"""
import numpy as np
RUN = dict(
    particle=(np.random.default_rng(1).normal(size=(30, 3)) * 5e-10, ["C", "N", "O"] * 10), detector="square-32",
    beam=dict(photon_energy=4600.0, photons_per_pulse=1e16, focus_radius=5e-7), n_shots={SHARDS * SHOTS - 1}, seed=5,
    hits={{0: 0.1, 1: 0.5, 2: 0.4}}, nuisance="jitter", progress=False,
)
"""
PREAMBLE = f"""
import os, signal, sys
from pathlib import Path
import dask
import xfeldask.store.layout
from xfeldask import simulate
xfeldask.store.layout.SHARD_BYTES = {SHOTS} * 32 * 32
{ARGUMENTS}
"""
KILL_INSIDE = """
def watch(kind, last, when):
    original = getattr(Path, kind)

    def moved(self, target):
        # every file that is written is moved into its place; the store itself is too
        global written
        written += 1
        if written == last and when == "before":
            os.killpg(0, signal.SIGKILL)
        original(self, target)
        if written == last:
            os.killpg(0, signal.SIGKILL)

    setattr(Path, kind, moved)

# each line of what is asked is a run in a child of this process, which has imported what the run needs
for line in sys.stdin:
    path, last, when = line.split("\\t")
    child = os.fork()
    if child == 0:
        os.setsid()
        written = 0
        watch("replace", int(last), when.strip())
        watch("rename", int(last), when.strip())
        with dask.config.set(scheduler="synchronous"):
            simulate(path, **RUN)
        print(written, flush=True)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status) or status:
        print(os.waitstatus_to_exitcode(status), flush=True)
"""
PROCESSES = """
if __name__ == "__main__":
    with dask.config.set(scheduler="processes", num_workers=2, chunksize=1):
        simulate(sys.argv[1], **RUN)
"""


@pytest.fixture(autouse=True)
def small_shards(monkeypatch):
    monkeypatch.setattr("xfeldask.store.layout.SHARD_BYTES", SHOTS * 32 * 32)


def arguments():
    space: dict = {}
    exec(ARGUMENTS, space)
    return space["RUN"]


def start(folder, script, *words):
    """Run a script in a process group of its own."""
    file = folder / "script.py"
    file.write_text(PREAMBLE + script)
    return subprocess.Popen(
        [sys.executable, str(file), *map(str, words)],
        start_new_session=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )


def files(path):
    return {
        str(f.relative_to(path)): (hashlib.sha256(f.read_bytes()).hexdigest(), f.stat().st_mtime_ns)
        for f in path.rglob("*") if f.is_file()
    }  # fmt: skip


def bytes_of(path):
    return {name: digest for name, (digest, _) in files(path).items()}


def assert_finishes(path, whole):
    """Resume, and compare every file with those of the uninterrupted run; what was committed is not touched."""
    before = files(path) if path.exists() else {}
    done = {f.name for f in path.glob("shot_status/c/*") if f.suffix != ".partial"}
    if path.exists() and len(done) < SHARDS:
        with pytest.raises(IncompleteStoreError):
            open_dataset(path)
    with pytest.warns(XfeldaskWarning, match="took over .* which is dead"):
        simulate(path, **arguments(), resume=True)
    after = files(path)
    assert {name: digest for name, (digest, _) in after.items()} == whole
    assert not [f for f in path.parent.iterdir() if f.name.startswith(".run.zarr")]
    shards = {name.rsplit("/c/")[1].split("/")[0]: name for name in after if name.startswith("photons/c/")}
    assert {shard for shard, name in shards.items() if before.get(name) == after[name]} >= done
    assert verify(path, progress=False).ok
    return len(done)


@pytest.fixture(scope="module")
def kill(tmp_path_factory):
    """Run with a path and kill it before or after a move of a file: how it ended, or how many moves there were."""
    process = start(tmp_path_factory.mktemp("killer"), KILL_INSIDE)

    def killed(path, last, when):
        process.stdin.write(f"{path}\t{last}\t{when}\n".encode())
        process.stdin.flush()
        return int(process.stdout.readline())

    yield killed
    process.communicate()
    assert process.returncode == 0


@pytest.fixture(scope="module")
def uninterrupted(kill, tmp_path_factory):
    """Hashes of the files of a run that nobody stopped, and how many moves of files it took."""
    folder = tmp_path_factory.mktemp("killed")
    moves = kill(folder / "run.zarr", -1, "never")
    assert moves > 0
    return bytes_of(folder / "run.zarr"), moves


@pytest.mark.parametrize(
    ("place", "when", "kept"),
    [
        rarely("template", "before", None),
        rarely("published", "after", 0),
        ("shard", "before", 2),
        rarely("status", "before", 2),
        rarely("status", "after", 3),
        ("last", "before", SHARDS),
    ],
)
def test_simulate__killed_at_a_file_is_finished_to_the_same_bytes(kill, uninterrupted, tmp_path, place, when, kept):
    whole, moves = uninterrupted
    # photons, two images, three totals for each shard, then the mark of a complete store; before them its first mark
    run = SHARDS * 6 + 2
    at = {
        "template": 20,
        "published": moves - run,
        "shard": moves - run + 15,
        "status": moves - run + 19,
        "last": moves,
    }
    assert kill(tmp_path / "run.zarr", at[place], when) == -signal.SIGKILL
    assert (tmp_path / "run.zarr").exists() == (kept is not None)
    assert assert_finishes(tmp_path / "run.zarr", whole) == (kept or 0)


@pytest.mark.campaign
def test_simulate__killed_with_its_processes_is_finished_to_the_same_bytes(uninterrupted, tmp_path):
    path = tmp_path / "run.zarr"
    process = start(tmp_path, PROCESSES, path)
    while process.poll() is None and not list(path.glob("shot_status/c/[0-9]")):
        time.sleep(0.001)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert 1 <= assert_finishes(path, uninterrupted[0]) <= SHARDS


@pytest.fixture(scope="module")
def client():
    """Of a cluster of two processes, whose workers are started again when they die."""
    shape = {"n_workers": 2, "threads_per_worker": 1, "processes": True, "dashboard_address": "127.0.0.1:0"}
    with LocalCluster(**shape, silence_logs=CRITICAL) as cluster, Client(cluster) as client:
        yield client


@pytest.mark.usefixtures("client")
def test_simulate__writes_the_same_files_on_a_cluster(uninterrupted, tmp_path):
    simulate(tmp_path / "run.zarr", **arguments())
    assert bytes_of(tmp_path / "run.zarr") == uninterrupted[0]
    assert verify(tmp_path / "run.zarr", progress=False).ok


def test_simulate__survives_a_killed_worker_or_says_so(client, tmp_path):
    path, many = tmp_path / "run.zarr", arguments() | {"n_shots": 32 * SHOTS}
    done_when_killed = []

    def kill(worker):
        while not list(path.glob("shot_status/c/[0-9]*")):
            time.sleep(0.01)
        os.kill(worker, signal.SIGKILL)
        done_when_killed.append(len(list(path.glob("shot_status/c/*"))))

    killer = Thread(target=kill, args=[next(iter(client.run(os.getpid).values()))])
    killer.start()
    failed = None
    try:
        simulate(path, **many)
    except RunError as error:
        failed = str(error)
    killer.join()
    if failed is not None:
        assert "\n" not in failed
        simulate(path, **many, resume=True)
    assert done_when_killed[0] < 32
    with dask.config.set(scheduler="threads"):
        simulate(tmp_path / "other.zarr", **many)
    assert bytes_of(path) == bytes_of(tmp_path / "other.zarr")
