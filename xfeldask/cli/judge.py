"""`xfeldask judge`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from xfeldask.cli.flags import FILE, QUIET, SEED, STORE, device_option, scheduler_options
from xfeldask.store.storage.urls import StorePath


@click.command()
@click.argument("store", type=STORE)
@click.option("--symmetry", help="Point group of the particle, such as D8.  [default: none]")
@click.option("--resolution", type=float, help="Resolution to reconstruct to, in m.  [default: 34 bins of image]")
@click.option("--rotations", type=int, help="Most rotations, before symmetry.  [default: by the resolution]")
@click.option("--most-shots", type=int, default=5000, show_default=True, help="Most shots of each reconstruction.")
@click.option("--repeats", type=int, default=3, show_default=True, help="Number of reconstructions of each set.")
@click.option("--starts", type=int, default=8, show_default=True, help="Number of starts from noise of each.")
@click.option("--embedding", help="Embedding whose verdicts are judged.  [default: the only one that was sorted]")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help=SEED)
@click.option("--out", type=FILE, help="Picture to write, such as judged.png.")
@device_option()
@scheduler_options
@click.option("--quiet", is_flag=True, help=QUIET)
def judge(store: StorePath, out: Path | None, scheduler: str, workers: int | None, quiet: bool, **options: Any) -> None:
    """Say what contamination costs a reconstruction of STORE, and what sorting gives back."""
    from xfeldask.report.figure_files import refuse_no_picture, write_figure
    from xfeldask.report.judging import judgement_figure, judgement_table, sentence
    from xfeldask.report.printing import console
    from xfeldask.verbs.judge import judge as run
    from xfeldask.work.schedulers import scheduled

    if out is not None:
        refuse_no_picture(out)
    with scheduled(scheduler, workers, quiet):
        found = run(store, progress=not quiet, **options)
    if not quiet:
        console().print(judgement_table(found))
        console().print(sentence(found))
    if out is not None:
        write_figure(judgement_figure(found), out)
