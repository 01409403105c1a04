"""The numbers of docs/benchmarks.md in one command: ``python -m benchmarks.report [--full] [names]``.

Runs benchmark classes in this process, without asv, and prints what was measured beside what is asked. The load
of the machine when a number was taken stands beside it: above about 0.5 somebody else was at work.
"""

from __future__ import annotations

import argparse
import importlib
import os
import platform
import sys
from pathlib import Path

import psutil
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from xfeldask.machine import cores

MODULES = (
    "bench_accuracy",
    "bench_shot",
    "bench_store",
    "bench_simulate",
    "bench_ingest",
    "bench_open",
    "bench_sort",
    "bench_hard_beams",
    "bench_rare_hits",
    "bench_held_out",
    "bench_embed",
    "bench_follow",
    "bench_reconstruct",
    "bench_dragonfly",
    "bench_kinds",
    "bench_found_kinds",
    "bench_named_pairs",
    "bench_unseen",
    "bench_explorer",
    "bench_bucket",
    "bench_wire",
)


def classes() -> dict[str, type]:
    """Every benchmark class by name, in the order of `MODULES`."""
    modules = [importlib.import_module(f"benchmarks.{name}") for name in MODULES]
    return {
        name: value
        for module in modules
        for name, value in vars(module).items()
        if isinstance(value, type)
        and value.__module__ == module.__name__
        and any(method.startswith(("time_", "track_")) for method in dir(value))
    }


def machine() -> str:
    """Processor, cores and memory."""
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        models = [line.split(":")[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")]
        model = models[0] if models else model
    memory = psutil.virtual_memory().total / 2**30
    return f"{cores()} x {model}, {memory:.0f} GB, Python {platform.python_version()}"


def load() -> str:
    """What others do on the machine: work of the last minute that waited or ran, as a number of processes."""
    return f"load {os.getloadavg()[0]:.1f}"


def main(arguments: list[str]) -> int:
    """Run the chosen classes and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.report", description=__doc__)
    parser.add_argument("names", nargs="*", help="benchmark classes; all when none is named")
    parser.add_argument("--full", action="store_true", help="also 10K and 100K shots, and more repeats")
    parser.add_argument("--list", action="store_true", help="name the classes and stop")
    chosen = parser.parse_args(arguments)
    if chosen.full:
        # read when the benchmarks are imported
        os.environ["XFELDASK_BENCH"] = "full"
    known = classes()
    unknown = [name for name in chosen.names if name not in known]
    if unknown or chosen.list:
        print(*known, sep="\n")
        return 2 if unknown else 0
    from benchmarks.common import run

    table = Table("what", "measured", "asked", "machine", title=f"{machine()}; {load()} before")
    console = Console(markup=False, width=None if sys.stdout.isatty() else 160)
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        for name in chosen.names or known:
            task = progress.add_task(name)
            try:
                for result in run(known[name]):
                    table.add_row(result.what, f"{result.value:.4g} {result.unit}", result.asked, load())
                    progress.update(task, description=f"{name}: {result.what} {result.value:.4g} {result.unit}")
            except NotImplementedError as error:
                table.add_row(name, f"not run: {error}", "", "")
            progress.remove_task(task)
            table.add_section()
    console.print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
