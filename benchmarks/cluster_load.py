"""What a client, a scheduler and a worker have to carry for many shots: processor, memory, tasks and bytes of graph.

Each is a process of its own. Shots are tiny and blank, so that next to nothing is drawn: what is measured is the rest.

    python -m benchmarks.cluster_load 1000000 --folder /scratch
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import cloudpickle
import psutil
from distributed import Client

from xfeldask import embed, project, simulate

PAIR = ([[0, 0, 0], [2e-9, 0, 0]], ["C", "C"])
"""Two atoms, which scatter nothing that a detector of a few pixels sees."""


@contextmanager
def cluster(folder: Path) -> Iterator[tuple[Client, dict[str, psutil.Process]]]:
    """Start a scheduler and a worker of two threads; give a client of theirs, and all three processes."""
    file = folder / "scheduler.json"
    with ExitStack() as stack:
        found = {"client": psutil.Process()}
        for name, more in {"scheduler": ["--port", "0"], "worker": ["--nthreads", "2", "--no-nanny"]}.items():
            command = f"from distributed.cli.dask_{name} import main; main()"
            words = [sys.executable, "-c", command, "--scheduler-file", str(file), "--no-dashboard"]
            process = subprocess.Popen([*words, *more], stderr=subprocess.DEVNULL)
            stack.callback(process.wait)
            stack.callback(process.terminate)
            found[name] = psutil.Process(process.pid)
        client = stack.enter_context(Client(scheduler_file=str(file), timeout="60s"))
        client.wait_for_workers(1)
        yield client, found


def state(processes: dict[str, psutil.Process]) -> dict[str, tuple[float, float]]:
    """Processor time [s] and the largest resident memory so far [MB] of each process."""
    return {name: (sum(one.cpu_times()[:2]), _peak(one.pid)) for name, one in processes.items()}


def _peak(process: int) -> float:
    told = Path(f"/proc/{process}/status").read_text()
    return int(told.partition("VmHWM:")[2].split()[0]) / 1000


def measured(name: str, processes: dict[str, psutil.Process], run: Callable[[], object]) -> None:
    """Run a verb and print what it took."""
    sent: list[tuple[int, int]] = []
    compute: Any = Client.compute

    def counted(client: Client, tasks: Any, *args: Any, **options: Any) -> Any:
        sent.append((len(tasks) if isinstance(tasks, list) else 1, len(cloudpickle.dumps(tasks))))
        return compute(client, tasks, *args, **options)

    before, began = state(processes), time.perf_counter()
    with patch.object(Client, "compute", counted):
        run()
    took, after = time.perf_counter() - began, state(processes)
    tasks, size = (sum(each) for each in zip(*sent, strict=True))
    print(f"{name}: {took:.0f} s, {tasks:,} tasks, {size / 1e6:.2f} MB of graph")
    for one, (seconds, peak) in after.items():
        was, least = before[one]
        print(f"  {one}: {seconds - was:.1f} s of processor, {peak:.0f} MB at most, {least:.0f} before")


def main() -> None:
    """Simulate, embed and project."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shots", type=int)
    parser.add_argument("--folder", type=Path, default=None)
    asked = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    with TemporaryDirectory(dir=asked.folder) as name, cluster(Path(name)) as (_, processes):
        store = Path(name) / "run.zarr"
        few: dict[str, Any] = {"particle": PAIR, "detector": "square-16", "progress": False}
        # what a first call imports and compiles is not of the shots
        simulate(Path(name) / "few.zarr", n_shots=100, **few)
        embed(Path(name) / "few.zarr", sort=None, progress=False)
        measured("simulate", processes, lambda: simulate(store, n_shots=asked.shots, **few))
        measured("embed", processes, lambda: embed(store, sort=None, progress=False))
        measured("project", processes, lambda: project(store, "ipca", store, as_name="again", progress=False))


if __name__ == "__main__":
    main()
