"""`xfeldask phase`."""

from __future__ import annotations

from typing import Any

import click

from xfeldask.cli.flags import FILE, QUIET, SEED, STORE, device_option
from xfeldask.store.storage.urls import StorePath


@click.command()
@click.argument("store", type=STORE)
@click.option("--name", help="Name of the reconstruction.  [default: the only one]")
@click.option("--starts", type=int, default=8, show_default=True, help="Number of starts from random phases.")
@click.option("--iterations", type=int, default=200, show_default=True, help="Iterations of each start.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help=SEED)
@click.option("--density", type=FILE, help="CCP4 map to write the density to, .mrc, .map or .ccp4.")
@click.option("--intensity", type=FILE, help="HDF5 file to write the intensity to.")
@device_option()
@click.option("--quiet", is_flag=True, help=QUIET)
def phase(store: StorePath, quiet: bool, **options: Any) -> None:
    """Phase a reconstruction of STORE: the density of the particle."""
    from xfeldask.report.printing import print_density
    from xfeldask.verbs.phase import phase as run

    found = run(store, **options)
    if not quiet:
        print_density(found)
