"""`xfeldask ingest`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from xfeldask.cli.flags import STORE, scheduler_options


@click.command()
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE...")
@click.argument("store", type=STORE)
@click.option("--format", help="Kind of frames, where the files themselves do not tell.")
@click.option(
    "--detector",
    help="Where the pixels are: built-in name, square-N, flat-ROWSxCOLUMNS, or a file of psana, Dragonfly or CrystFEL.",
)
@click.option("--pixel-size", type=float, help="Edge of a pixel in m, where the detector does not tell.")
@click.option("--distance", type=float, help="Distance of the detector in m, where it does not tell.")
@click.option("--wavelength", type=float, help="Wavelength in m, where the files do not tell.")
@click.option(
    "--mask", help="Mask of the detector, true where a pixel is good: .npy, FILE.npz:/NAME, FILE.h5:/NAME or .byt; "
    "write bad: before a file that marks bad pixels."
)  # fmt: skip
@click.option("--photon-dtype", help="Type of the photon counts: uint8, uint16 or uint32.  [default: as the files ask]")
@scheduler_options
@click.option("--resume", is_flag=True, help="Finish a store that was interrupted.")
@click.option("--overwrite", is_flag=True, help="Replace a store that is there already.")
@click.option("--dry-run", is_flag=True, help="Say what the run would take, and write nothing.")
@click.option("--quiet", is_flag=True, help="Print nothing but warnings and errors.")
def ingest(
    sources: tuple[str, ...], store: Path, scheduler: str, workers: int | None, dry_run: bool, quiet: bool,
    detector: str | None, pixel_size: float | None, distance: float | None, **flags: Any,
) -> None:  # fmt: skip
    """Read the frames of SOURCE... into STORE."""
    from xfeldask.errors import InputError
    from xfeldask.report.printing import print_estimate, print_run
    from xfeldask.verbs.ingest import estimate_ingest
    from xfeldask.verbs.ingest import ingest as run
    from xfeldask.work.schedulers import scheduled

    parts = {"source": detector, "pixel_size": pixel_size, "distance": distance}
    geometry = {name: value for name, value in parts.items() if value is not None} or None
    if geometry is not None and detector is None:
        raise InputError("pixel_size and distance are of a detector; name one with --detector")
    if dry_run:
        print_estimate(estimate_ingest(sources, store, geometry=geometry, **flags), workers)
        return
    with scheduled(scheduler, workers, quiet), print_run(store, quiet):
        run(sources, store, geometry=geometry, progress=not quiet, **flags)
