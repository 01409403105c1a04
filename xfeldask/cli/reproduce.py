"""`xfeldask reproduce`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from xfeldask.cli.flags import FILE, QUIET, SEED, scheduler_options
from xfeldask.errors import InputError


@click.command()
@click.argument("folder", type=FILE)
@click.option("--sizes", default="10000,100000", show_default=True, help="Numbers of shots, one run each.")
@click.option("--mixtures", default="0.8,0.9,0.95,0.99", show_default=True,
              help="Fractions of the shots that hold one particle, one run each.")  # fmt: skip
@click.option(
    "--conditions", default="ideal", show_default=True, help="Experimental conditions: any of ideal,jitter,realistic."
)
@click.option("--particle", default="chaperonin", show_default=True,
              help="Particle: built-in name, structure file, or PDB id.")  # fmt: skip
@click.option("--detector", default="pnccd-amo86615", show_default=True,
              help="Detector: as for simulate.")  # fmt: skip
@click.option("--seed", type=click.IntRange(min=0), default=7, show_default=True, help=SEED)
@scheduler_options
@click.option("--quiet", is_flag=True, help=QUIET)
def reproduce(
    folder: Path, sizes: str, mixtures: str, conditions: str, scheduler: str, workers: int | None, quiet: bool,
    **made_of: Any,
) -> None:  # fmt: skip
    """Sort the mixtures of a 2020 poster by its rule and by ours, into FOLDER; what is there is not done again."""
    from xfeldask.report.poster.series import reproduce as run
    from xfeldask.report.poster.series import series
    from xfeldask.report.poster.table import print_table
    from xfeldask.work.schedulers import scheduled

    asked: dict[str, Any] = {
        "sizes": listed("sizes", sizes, int),
        "mixtures": listed("mixtures", mixtures, float),
        "conditions": listed("conditions", conditions, str),
    }
    series(**asked)  # refuses before a scheduler is started
    with scheduled(scheduler, workers, quiet):
        rows = run(folder, progress=not quiet, **asked, **made_of)
    if not quiet:
        print_table(rows, folder)


def listed(name: str, text: str, kind: type[Any]) -> list[Any]:
    """Read values between commas.

    Raises
    ------
    InputError
        A text that is no such value.

    Examples
    --------
    >>> listed("sizes", "1000, 2000", int)
    [1000, 2000]
    """
    try:
        return [kind(part.strip()) for part in text.split(",") if part.strip()]
    except ValueError:
        raise InputError(f"{name} {text!r}: write {'whole ' if kind is int else ''}numbers between commas") from None
