"""`xfeldask phase`."""

from __future__ import annotations

from typing import Any

import click

from xfeldask.cli.flags import FILE, QUIET, SEED, STORE
from xfeldask.store.urls import StorePath


@click.command()
@click.argument("store", type=STORE)
@click.option("--name", help="Name of the reconstruction.  [default: the only one]")
@click.option("--starts", type=int, default=8, show_default=True, help="Number of starts from random phases.")
@click.option("--iterations", type=int, default=200, show_default=True, help="Iterations of each start.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help=SEED)
@click.option("--density", type=FILE, help="CCP4 map to write the density to, .mrc, .map or .ccp4.")
@click.option("--intensity", type=FILE, help="HDF5 file to write the intensity to.")
@click.option("--quiet", is_flag=True, help=QUIET)
def phase(store: StorePath, quiet: bool, **options: Any) -> None:
    """Phase a reconstruction of STORE: the density of the particle."""
    from xfeldask.report.printing import console
    from xfeldask.verbs.phase import phase as run

    found = run(store, **options)
    if not quiet:
        transfer, s = found["phase_transfer"].values, found["s"].values
        agreed = int((transfer < 0.5).argmax()) if (transfer < 0.5).any() else len(transfer)
        step = float(s[-1] - s[-2])
        told = f"starts agree to {1e9 / (max(agreed, 1) * step):.2f} nm" if agreed else "starts do not agree"
        if "density_correlation" in found:
            alike = found["density_correlation"].values < 0.5
            last = int(alike.argmax()) if alike.any() else len(alike)
            told += (
                f", half sets to {1e9 / (last * step):.2f} nm (unrelated ones agree in the first shells, too)"
                if last
                else ", half sets do not"
            )
        console().print(f"density of {found.sizes['x']}^3 voxels; {told} (phase transfer above 0.5)")
