"""`xfeldask inspect`."""

from __future__ import annotations

from pathlib import Path

import click

from xfeldask.cli.flags import STORE


@click.command()
@click.argument("store", type=STORE)
def inspect(store: Path) -> None:
    """Say what STORE holds."""
    from xfeldask.report.printing import print_store

    print_store(store)
