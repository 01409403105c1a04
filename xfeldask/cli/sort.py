"""`xfeldask sort`."""

from __future__ import annotations

from pathlib import Path

import click

from xfeldask.cli.flags import QUIET, STORE, scheduler_options


@click.command()
@click.argument("store", type=STORE)
@click.option("--name", help="Name of the embedding.  [default: the only one]")
@click.option(
    "--max-singles-lost", type=float,
    help="Decide anew, and reject at most this fraction of the single hits.",
)  # fmt: skip
@click.option("--contamination", type=float, help="Decide anew, and reject this fraction of the shots.")
@scheduler_options
@click.option("--quiet", is_flag=True, help=QUIET)
def sort(
    store: Path, name: str | None, max_singles_lost: float | None, contamination: float | None, scheduler: str,
    workers: int | None, quiet: bool,
) -> None:  # fmt: skip
    """Say which shots of STORE are single hits and how sure that is; embed it first if nobody has."""
    from xfeldask.report.printing import print_verdict
    from xfeldask.store.run import open_run
    from xfeldask.verbs.embed import embed as build
    from xfeldask.verbs.sort import sort as run
    from xfeldask.work.schedulers import scheduled

    opened = open_run(store)
    if not opened.embeddings and name is None:
        with scheduled(scheduler, workers, quiet):
            found = build(store, max_singles_lost=max_singles_lost or 0.01, progress=not quiet)
    elif max_singles_lost is not None or contamination is not None:
        chosen = opened.embedding(name).name
        found = run(store, chosen, max_singles_lost=max_singles_lost, contamination=contamination)
    else:
        found = opened.refuse_incomplete().embedding(name).dataset()
    if not quiet:
        print_verdict(opened.dataset(chunks=None), found)
