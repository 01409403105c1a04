"""Commands that look at what a store holds."""

from __future__ import annotations

import socket
from pathlib import Path

import click

from xfeldask.cli.flags import STORE, scheduler_options
from xfeldask.errors import CorruptStoreError, InputError


@click.command()
@click.argument("store", type=STORE)
def inspect(store: Path) -> None:
    """Say what STORE holds."""
    from xfeldask.pipeline.reports import print_store

    print_store(store)


@click.command()
@click.argument("store", type=STORE)
@scheduler_options
@click.option("--reopen", is_flag=True, help="Mark damaged shards pending: simulate --resume draws them again.")
@click.option("--quiet", is_flag=True, help="Print nothing but problems.")
def verify(store: Path, scheduler: str, workers: int | None, reopen: bool, quiet: bool) -> None:
    """Read all of STORE against its checksums and totals; exit code 1 if anything is wrong."""
    from xfeldask.pipeline.scheduling import scheduled
    from xfeldask.pipeline.verification import reopen as mark
    from xfeldask.pipeline.verification import verify as run

    with scheduled(scheduler, workers, quiet):
        report = run(store, progress=not quiet)
    if not report.ok:
        told = f"\nshards to draw again with simulate --resume: {mark(store, report)}" if reopen else ""
        raise CorruptStoreError(f"{report}{told}")
    if not quiet:
        click.echo(report)


@click.command()
@click.argument("stores", type=STORE, nargs=-1, required=True)
@click.option("--embedding", help="The embedding to begin with; the store's first unless given.")
@click.option("--port", type=click.IntRange(0, 65535), default=5006, show_default=True, help="0 takes a free one.")
@click.option("--address", default="127.0.0.1", show_default=True, help="Where to listen; others can reach 0.0.0.0.")
@click.option("--show/--no-show", default=True, help="Open a browser.")
@click.option("--allow-write", is_flag=True, help="Let the page write embeddings and selections into the store.")
@click.option("--password", envvar="XFELDASK_PASSWORD", help="That visitors have to give; better in XFELDASK_PASSWORD.")
@click.option("--allow-origin", multiple=True, help="HOST:PORT that pages may come from, behind a proxy.")
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
    from xfeldask.pipeline.scheduling import scheduled
    from xfeldask.store.opening import open_root

    for store in stores:
        open_root(store)
    host = socket.gethostname()
    click.echo(f"from another computer: ssh -L {port}:127.0.0.1:{port} {host}, then http://127.0.0.1:{port}", err=True)
    with scheduled(scheduler, workers, quiet=False):
        serve(Options(stores, embedding, allow_write), port, address, show, password, allow_origin)


@click.command()
@click.argument("store", type=STORE)
@click.option("--where", required=True, help="Such as: 'probability_single > 0.99 and photon_count > 500'.")
@click.option("--embedding", help="The embedding whose quantities are meant; the store's first unless given.")
@click.option(
    "--out", type=click.Path(path_type=Path), help="A .npy or .csv file for the shots; else they are printed."
)
def select(store: Path, where: str, embedding: str | None, out: Path | None) -> None:
    """Select shots of STORE by an expression, in the explorer's language."""
    from xfeldask.explorer.selecting import select_shots, write_shots

    shots = select_shots(store, where, embedding)
    if out is not None:
        write_shots(out, shots)
    else:
        click.echo("\n".join(map(str, shots.tolist())))
    click.echo(f"{len(shots):,} shots selected", err=True)
