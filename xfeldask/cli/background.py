"""`xfeldask background`."""

from __future__ import annotations

import click

from xfeldask.cli.flags import QUIET, STORE, scheduler_options
from xfeldask.store.storage.urls import StorePath


@click.command()
@click.argument("store", type=STORE)
@click.argument("source", default="blanks")
@click.option("--by", help="Column that tells which background is a shot's, such as: cell.  [default: one for all]")
@click.option(
    "--weights", help="Background of each shot over that of others: a column or a file.  [default: the shots tell]"
)
@click.option(
    "--where", help="Expression of the shots to measure it on, such as: 'hit_score < 5'.  [default: the shots tell]"
)
@click.option("--embedding", help="Embedding whose verdicts are meant.  [default: the only one that was sorted]")
@scheduler_options
@click.option("--overwrite", is_flag=True, help="Replace the background that the store has.")
@click.option("--quiet", is_flag=True, help=QUIET)
def background(
    store: StorePath, source: str, by: str | None, weights: str | None, where: str | None, embedding: str | None,
    scheduler: str, workers: int | None, overwrite: bool, quiet: bool,
) -> None:  # fmt: skip
    """Measure the background of STORE on its blanks or its hits, or take it from a file.

    SOURCE is "blanks", or "hits": what the single hits of a store that was sorted hold whatever their brightness. A
    file holds the photons of a shot: an image of the detector or a profile (n, 2) of radius in m and photons of a
    pixel; .npy, FILE.npz:/NAME or FILE.h5:/NAME. With --by it holds one after the other, by the values of the column.
    """
    from xfeldask.store.run import open_run
    from xfeldask.verbs.known_background import find_background
    from xfeldask.work.schedulers import scheduled

    with scheduled(scheduler, workers, quiet):
        find_background(
            store, source, by=by, weights=weights, where=where, embedding=embedding, overwrite=overwrite,
            progress=not quiet,
        )  # fmt: skip
    if not quiet:
        click.echo(open_run(store).facts()["background"])
