"""Commands that look at what a store holds."""

from __future__ import annotations

from pathlib import Path

import click

from xfeldask.cli.flags import STORE, scheduler_options
from xfeldask.errors import CorruptStoreError


@click.command()
@click.argument("store", type=STORE)
def inspect(store: Path) -> None:
    """Say what STORE holds."""
    from xfeldask.pipeline.reports import print_store

    print_store(store)


@click.command()
@click.argument("store", type=STORE)
@scheduler_options
@click.option("--reopen", is_flag=True, help="Mark damaged shards pending: simulate --resume draws them again.")
@click.option("--quiet", is_flag=True, help="Print nothing but problems.")
def verify(store: Path, scheduler: str, workers: int | None, reopen: bool, quiet: bool) -> None:
    """Read all of STORE against its checksums and totals; exit code 1 if anything is wrong."""
    from xfeldask.pipeline.scheduling import scheduled
    from xfeldask.pipeline.verification import reopen as mark
    from xfeldask.pipeline.verification import verify as run

    with scheduled(scheduler, workers, quiet):
        report = run(store, progress=not quiet)
    if not report.ok:
        told = f"\nshards to draw again with simulate --resume: {mark(store, report)}" if reopen else ""
        raise CorruptStoreError(f"{report}{told}")
    if not quiet:
        click.echo(report)
