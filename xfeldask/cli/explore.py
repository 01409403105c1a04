"""`xfeldask explore`."""

from __future__ import annotations

import socket
from pathlib import Path

import click

from xfeldask.cli.flags import STORE, scheduler_options
from xfeldask.errors import InputError


@click.command()
@click.argument("stores", type=STORE, nargs=-1, required=True)
@click.option("--embedding", help="Embedding to begin with.  [default: the first]")
@click.option("--port", type=click.IntRange(0, 65535), default=5006, show_default=True,
              help="Port to listen on; 0 takes a free one.")  # fmt: skip
@click.option("--address", default="127.0.0.1", show_default=True,
              help="Address to listen on; other computers can reach 0.0.0.0.")  # fmt: skip
@click.option("--show/--no-show", default=True, help="Open the page in a browser.")
@click.option("--allow-write", is_flag=True, help="Let the page write embeddings and selections into the store.")
@click.option(
    "--password",
    envvar="XFELDASK_PASSWORD",
    help="Password that visitors have to give; better set in XFELDASK_PASSWORD.",
)
@click.option("--allow-origin", multiple=True, help="Origin HOST:PORT that pages may come from, behind a proxy.")
@scheduler_options
def explore(
    stores: tuple[Path, ...],
    embedding: str | None,
    port: int,
    address: str,
    show: bool,
    allow_write: bool,
    password: str | None,
    allow_origin: tuple[str, ...],
    scheduler: str,
    workers: int | None,
) -> None:
    """Open STORES in a browser: the latent space, and both spaces of every shot."""
    try:
        from xfeldask.explorer.serving import Options, serve
    except ModuleNotFoundError as error:
        raise InputError(f"the explorer needs {error.name}: pip install 'xfeldask[explorer]'") from None
    from xfeldask.store.run import open_run
    from xfeldask.work.schedulers import scheduled

    for store in stores:
        open_run(store)
    host = socket.gethostname()
    click.echo(f"from another computer: ssh -L {port}:127.0.0.1:{port} {host}, then http://127.0.0.1:{port}", err=True)
    with scheduled(scheduler, workers, quiet=False):
        serve(Options(stores, embedding, allow_write), port, address, show, password, allow_origin)
