"""`xfeldask verify`."""

from __future__ import annotations

import sys

import click

from xfeldask.cli.flags import STORE, scheduler_options
from xfeldask.store.storage.urls import StorePath


@click.command()
@click.argument("store", type=STORE)
@scheduler_options
@click.option(
    "--reopen",
    is_flag=True,
    help="Mark damaged shards as pending, so that simulate --resume, or ingest --resume, makes them again.",
)
@click.option(
    "--recompute",
    type=click.IntRange(0),
    default=0,
    metavar="N",
    help="Draw N shots again from seed and index, and compare every byte of them.",
)
@click.option("--quiet", is_flag=True, help="Print nothing but problems.")
def verify(store: StorePath, scheduler: str, workers: int | None, reopen: bool, recompute: int, quiet: bool) -> None:
    """Read all of STORE against its checksums and totals; exit code 1 if anything is wrong."""
    from xfeldask.store.run import open_run
    from xfeldask.verbs.verify import reopen as mark
    from xfeldask.verbs.verify import verify as run
    from xfeldask.work.schedulers import scheduled

    with scheduled(scheduler, workers, quiet):
        report = run(store, recompute=recompute, progress=not quiet)
    if not report.ok:
        click.echo(f"xfeldask: {report}", err=True)
        if reopen:
            marked, drawn = mark(store, report), "experiment" in open_run(store).attributes
            how = "draw again with simulate" if drawn else "read again with ingest"
            click.echo(f"shards to {how} --resume: {marked}", err=True)
        sys.exit(1)
    if not quiet:
        click.echo(report)
