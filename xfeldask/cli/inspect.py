"""`xfeldask inspect`."""

from __future__ import annotations

import click

from xfeldask.cli.flags import STORE
from xfeldask.store.storage.urls import StorePath


@click.command()
@click.argument("store", type=STORE)
def inspect(store: StorePath) -> None:
    """Say what STORE holds."""
    from xfeldask.report.printing import print_store

    print_store(store)
