"""`xfeldask explore`."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from functools import partial
from importlib.util import find_spec
from urllib.parse import urlsplit

import click

from xfeldask.cli.flags import STORE, scheduler_options
from xfeldask.errors import InputError
from xfeldask.store.storage.urls import StorePath

LOOPBACK = ("127.0.0.1", "localhost", "::1")
"""Addresses that only this computer reaches."""
NEEDED = ("bokeh", "holoviews", "panel", "panel_material_ui", "param", "shapely", "tornado")
"""Packages of the explorer, some of which are imported when a page is made and not before."""


@click.command()
@click.argument("stores", type=STORE, nargs=-1, required=True)
@click.option("--embedding", help="Embedding to begin with.  [default: the first that was sorted]")
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
@click.option("--wait", is_flag=True, help="Wait for stores that are not there yet.")
@scheduler_options
def explore(
    stores: tuple[StorePath, ...],
    embedding: str | None,
    port: int,
    address: str,
    show: bool,
    allow_write: bool,
    password: str | None,
    allow_origin: tuple[str, ...],
    wait: bool,
    scheduler: str,
    workers: int | None,
) -> None:
    """Open STORES in a browser: the latent space, and both spaces of every shot."""
    from xfeldask.explorer.garbage import lasting

    if wait:
        from xfeldask.verbs.parts.patience import awaited

        for store in stores:
            awaited(store, progress=True)
    with lasting():
        # what cannot be shown is told before the explorer is imported, which takes seconds
        refuse_unknown(stores, None if wait else embedding)
        refuse_missing()
        from xfeldask.explorer.serving import serve
        from xfeldask.explorer.serving_options import Options
        from xfeldask.work.schedulers import scheduled

        host = socket.gethostname()
        with scheduled(scheduler, workers, quiet=False, started=partial(tell_of_dashboard, host)):
            options = Options(stores, embedding, allow_write)
            serve(options, port, address, show, password, allow_origin, partial(tell_of_tunnel, host, address))


def refuse_unknown(stores: Sequence[StorePath], embedding: str | None) -> None:
    """Refuse stores that cannot be opened, and an embedding that none of them has."""
    from xfeldask.store.results.embedding import Embedding
    from xfeldask.store.run import open_run

    runs = [open_run(store) for store in stores]
    if not any(embedding in run.embeddings for run in runs):
        Embedding.refuse_unknown(runs[0], embedding)


def refuse_missing() -> None:
    """Refuse to serve pages that will lack a package when a visitor comes."""
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise InputError(f"the explorer needs {', '.join(missing)}: pip install 'xfeldask[explorer]'")


def tell_of_tunnel(host: str, address: str, port: int) -> None:
    """Say how another computer reaches the page, where only this one can."""
    if address in LOOPBACK:
        told = f"from another computer: ssh -L {port}:127.0.0.1:{port} {host}, then http://127.0.0.1:{port}"
        click.echo(told, err=True)


def tell_of_dashboard(host: str, address: str | None) -> None:
    """Say how another computer reaches Dask's dashboard, which the page links to, where only this one can."""
    link = urlsplit(address or "")
    if link.hostname in LOOPBACK:
        click.echo(f"for the Dask dashboard too: ssh -L {link.port}:127.0.0.1:{link.port} {host}", err=True)
