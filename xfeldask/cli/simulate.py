"""`xfeldask simulate`."""

from __future__ import annotations

from typing import Any

import click

from xfeldask.cli.flags import STORE, device_option, experiment_options, keywords, processes_on, scheduler_options
from xfeldask.errors import InputError
from xfeldask.store.storage.urls import StorePath


@click.command()
@click.argument("store", type=STORE)
@experiment_options
@click.option("--like", type=STORE, help="Store whose detector, wavelength and number of photons to take.")
@scheduler_options
@click.option("--resume", is_flag=True, help="Finish a store that was interrupted.")
@click.option("--overwrite", is_flag=True, help="Replace a store that is there already.")
@click.option(
    "--shards",
    metavar="I/N",
    help="Make the I-th of N ranges of the shards alone; jobs that make the others may run beside it.",
)
@device_option("that photons are drawn on", "cpu")
@click.option("--dry-run", is_flag=True, help="Say what the run would take, and write nothing.")
@click.option("--quiet", is_flag=True, help="Print nothing but warnings and errors.")
def simulate(
    store: StorePath, scheduler: str, workers: int | None, resume: bool, overwrite: bool, shards: str | None,
    device: str, dry_run: bool, quiet: bool, **flags: Any,
) -> None:  # fmt: skip
    """Simulate shots into STORE."""
    from xfeldask.report.printing import print_estimate, print_range, print_run
    from xfeldask.verbs.simulate import estimate_run, simulate_run
    from xfeldask.work.schedulers import scheduled

    chosen = keywords(flags) | {"resume": resume, "overwrite": overwrite, "device": device}
    if dry_run:
        if shards is not None:
            raise InputError("a dry run tells what the whole store takes; leave out --shards")
        print_estimate(estimate_run(store, **chosen), workers)
        return
    gpus = processes_on(scheduler, device)
    with scheduled(scheduler, workers, quiet, gpus), print_run(store, quiet or shards is not None):
        simulate_run(store, shards=shards, progress=not quiet, **chosen)
    if shards is not None and not quiet:
        print_range(store)
