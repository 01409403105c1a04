"""`xfeldask project`."""

from __future__ import annotations

from typing import Any

import click

from xfeldask.cli.flags import OVERWRITE_EMBEDDING, QUIET, STORE, device_option, processes_on, scheduler_options
from xfeldask.store.storage.urls import StorePath


@click.command()
@click.argument("model_store", type=STORE)
@click.argument("name")
@click.argument("other_store", type=STORE)
@click.option("--as-name", help="Name of the embedding to be written.  [default: NAME]")
@scheduler_options
@device_option("that the rule pairs measures on", "cpu")
@click.option("--overwrite", is_flag=True, help=OVERWRITE_EMBEDDING)
@click.option("--quiet", is_flag=True, help=QUIET)
def project(
    model_store: StorePath,
    name: str,
    other_store: StorePath,
    scheduler: str,
    workers: int | None,
    device: str,
    quiet: bool,
    **options: Any,
) -> None:
    """Apply the model of embedding NAME of MODEL_STORE to the shots of OTHER_STORE."""
    from xfeldask.report.printing import print_verdict
    from xfeldask.store.run import open_run
    from xfeldask.verbs.project import project as run
    from xfeldask.work.schedulers import scheduled

    with scheduled(scheduler, workers, quiet, processes_on(scheduler, device)):
        found = run(model_store, name, other_store, device=device, progress=not quiet, **options)
    if not quiet:
        print_verdict(open_run(other_store), found)
