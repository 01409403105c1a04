"""`xfeldask background`."""

from __future__ import annotations

import click

from xfeldask.cli.flags import QUIET, STORE, scheduler_options
from xfeldask.store.urls import StorePath


@click.command()
@click.argument("store", type=STORE)
@click.argument("source", default="blanks")
@click.option(
    "--where", help="Expression of the shots that are blank, such as: 'hit_score < 5'.  [default: the shots tell]"
)
@click.option("--embedding", help="Embedding whose verdicts --where means.  [default: the first]")
@scheduler_options
@click.option("--overwrite", is_flag=True, help="Replace the background that the store has.")
@click.option("--quiet", is_flag=True, help=QUIET)
def background(
    store: StorePath, source: str, where: str | None, embedding: str | None, scheduler: str, workers: int | None,
    overwrite: bool, quiet: bool,
) -> None:  # fmt: skip
    """Measure the background of STORE on its blanks, or take it from the file SOURCE.

    SOURCE holds the photons of a shot: an image of the detector or a profile (n, 2) of radius in m and photons of a
    pixel; .npy, FILE.npz:/NAME or FILE.h5:/NAME.
    """
    from xfeldask.store.run import open_run
    from xfeldask.verbs.known_background import find_background
    from xfeldask.work.schedulers import scheduled

    with scheduled(scheduler, workers, quiet):
        find_background(store, source, where=where, embedding=embedding, overwrite=overwrite, progress=not quiet)
    if not quiet:
        click.echo(open_run(store).facts()["background"])
