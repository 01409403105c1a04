"""`xfeldask demo`."""

from __future__ import annotations

from pathlib import Path

import click

from xfeldask.cli.flags import FILE, scheduler_options


@click.command()
@click.argument("folder", type=FILE, default=Path("demo"))
@click.option("--n-shots", type=int, default=10_000, show_default=True, help="Number of shots to simulate.")
@scheduler_options
@click.option("--overwrite", is_flag=True, help="Replace an earlier demo in the folder.")
def demo(folder: Path, n_shots: int, scheduler: str, workers: int | None, overwrite: bool) -> None:
    """Simulate, embed and sort the built-in chaperonin into FOLDER, with pictures."""
    from xfeldask.report.demo import demonstrate
    from xfeldask.work.schedulers import scheduled

    with scheduled(scheduler, workers, quiet=False):
        demonstrate(folder, n_shots, overwrite)
