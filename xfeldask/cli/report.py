"""`xfeldask report`."""

from __future__ import annotations

from pathlib import Path

import click

from xfeldask.cli.flags import FILE, QUIET, STORE
from xfeldask.store.storage.urls import StorePath


@click.command()
@click.argument("store", type=STORE)
@click.option("--out", type=FILE, help="HTML file to write.  [default: STORE_report.html beside the store]")
@click.option("--embedding", help="Embedding whose verdicts are told.  [default: the first that was sorted]")
@click.option("--quiet", is_flag=True, help=QUIET)
def report(store: StorePath, out: Path | None, embedding: str | None, quiet: bool) -> None:
    """Write a report of STORE: one HTML file with figures, and the figures as pictures."""
    from xfeldask.report.run_report import report as run

    path = run(store, out, embedding=embedding)
    if not quiet:
        click.echo(f"written: {path}")
