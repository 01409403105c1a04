"""`xfeldask select`."""

from __future__ import annotations

from pathlib import Path

import click

from xfeldask.cli.flags import FILE, STORE
from xfeldask.store.storage.urls import StorePath


@click.command()
@click.argument("store", type=STORE)
@click.option("--where", required=True,
              help="Expression that selects, in the units that inspect prints, such as: "
              "'probability_single > 0.99 and separation > 2e-8'.")  # fmt: skip
@click.option("--embedding", help="Embedding whose quantities are meant.  [default: the first that was sorted]")
@click.option(
    "--out",
    type=FILE,
    help="File for the indices of the shots, .npy or .csv; they are printed unless given.",
)
def select(store: StorePath, where: str, embedding: str | None, out: Path | None) -> None:
    """Select shots of STORE by an expression, in the explorer's language."""
    from xfeldask.store.choosing import selecting

    shots = selecting.select(store, where, embedding)
    if out is not None:
        selecting.write_shots(out, shots)
    else:
        click.echo("\n".join(map(str, shots.tolist())))
    click.echo(f"{len(shots):,} shots selected", err=True)
