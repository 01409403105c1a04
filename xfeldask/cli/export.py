"""`xfeldask export`."""

from __future__ import annotations

from pathlib import Path

import click

from xfeldask.cli.flags import FILE, QUIET, STORE
from xfeldask.errors import InputError
from xfeldask.store.storage.urls import StorePath


@click.command()
@click.argument("store", type=STORE)
@click.argument("out", type=FILE, required=False)
@click.option(
    "--where", help="Expression that selects shots, such as 'is_single and photon_count > 1000'.  [default: all]"
)
@click.option("--format", help="Format of OUT: emc, emc_hdf5, cxi, cspi or png.  [default: by the ending of OUT]")
@click.option(
    "--embedding",
    help="Embedding whose quantities and verdicts are meant.  [default: the only one that was sorted]",
)
@click.option("--write-back", is_flag=True, help="Write the verdicts into the CXI files that STORE was ingested from.")
@click.option("--overwrite", is_flag=True, help="Replace what is at OUT already.")
@click.option("--quiet", is_flag=True, help=QUIET)
def export(
    store: StorePath, out: Path | None, where: str | None, format: str | None, embedding: str | None, write_back: bool,
    overwrite: bool, quiet: bool,
) -> None:  # fmt: skip
    """Write shots of STORE into OUT: Dragonfly's .emc or .h5, .cxi, or a folder of pictures."""
    from xfeldask.verbs.export import export as run
    from xfeldask.verbs.export import write_back as back

    if out is None and not write_back:
        raise InputError("name a file to write to, or pass --write-back")
    if out is None and (where is not None or format is not None or overwrite):
        raise InputError(
            "--where, --format and --overwrite are of OUT, which is missing; verdicts are written back on all shots"
        )
    if out is not None:
        path = run(store, out, where=where, format=format, embedding=embedding, overwrite=overwrite, progress=not quiet)
        if not quiet:
            click.echo(f"written: {path}")
    if write_back:
        for place in back(store, embedding=embedding):
            if not quiet:
                click.echo(f"written back: {place}")
