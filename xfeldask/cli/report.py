"""`xfeldask report`."""

from __future__ import annotations

from pathlib import Path

import click

from xfeldask.cli.flags import QUIET, STORE


@click.command()
@click.argument("store", type=STORE)
@click.option("--out", type=STORE, help="HTML file to write.  [default: STORE_report.html beside the store]")
@click.option("--embedding", help="Embedding whose verdicts are told.  [default: the first]")
@click.option("--quiet", is_flag=True, help=QUIET)
def report(store: Path, out: Path | None, embedding: str | None, quiet: bool) -> None:
    """Write a report of STORE: one HTML file with figures, and the figures as pictures."""
    from xfeldask.report.run_report import report as run

    path = run(store, out, embedding=embedding)
    if not quiet:
        click.echo(f"written: {path}")
