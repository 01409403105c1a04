"""`xfeldask reconstruct`."""

from __future__ import annotations

from typing import Any

import click

from xfeldask.cli.flags import QUIET, SEED, STORE, device_option, scheduler_options
from xfeldask.store.storage.urls import StorePath


@click.command()
@click.argument("store", type=STORE)
@click.option("--where", help="Expression that chooses shots, such as is_single.  [default: accepted shots, or all]")
@click.option("--name", default="emc", show_default=True, help="Name of the reconstruction.")
@click.option("--symmetry", help="Point group of the particle, such as D8.  [default: none]")
@click.option("--resolution", type=float, help="Resolution to reconstruct to, in m.  [default: 34 bins of image]")
@click.option("--rotations", type=int, help="Most rotations, before symmetry.  [default: by the resolution]")
@click.option("--n-iterations", type=int, help="Most iterations at each level of resolution.")
@click.option("--starts", type=int, default=8, show_default=True, help="Number of starts from noise.")
@click.option("--half-sets", is_flag=True, help="Reconstruct from each half of the shots too.")
@click.option("--images", default="image", show_default=True, help="Images to reconstruct from: image or low_q.")
@click.option("--embedding", help="Embedding whose verdicts are meant.  [default: the only one that was sorted]")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help=SEED)
@device_option()
@scheduler_options
@click.option("--follow", is_flag=True, help="Keep up with a store that is still being written, or not there yet.")
@click.option("--overwrite", is_flag=True, help="Replace a reconstruction of that name.")
@click.option("--quiet", is_flag=True, help=QUIET)
def reconstruct(store: StorePath, scheduler: str, workers: int | None, quiet: bool, name: str, **options: Any) -> None:
    """Reconstruct the intensity of the particle, and the orientations, from the shots of STORE."""
    from xfeldask.report.printing import print_reconstruction
    from xfeldask.verbs.reconstruct import reconstruct as run
    from xfeldask.work.schedulers import scheduled

    with scheduled(scheduler, workers, quiet):
        run(store, name=name, progress=not quiet, **options)
    if not quiet:
        print_reconstruction(store, name)
