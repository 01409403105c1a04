"""Commands that make shots, or say how they are to be made."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from xfeldask.cli.flags import STORE, experiment_options, keywords, scheduler_options
from xfeldask.errors import InputError, StoreExistsError


@click.command()
@click.argument("store", type=STORE)
@experiment_options
@scheduler_options
@click.option("--resume", is_flag=True, help="Finish a store that was interrupted.")
@click.option("--overwrite", is_flag=True, help="Replace a store that is there.")
@click.option("--dry-run", is_flag=True, help="Say what the run would take, and write nothing.")
@click.option("--quiet", is_flag=True, help="Print nothing but errors.")
def simulate(
    store: Path, scheduler: str, workers: int | None, resume: bool, overwrite: bool, dry_run: bool, quiet: bool,
    **flags: Any,
) -> None:  # fmt: skip
    """Simulate shots into STORE."""
    from xfeldask.pipeline.reports import print_estimate, print_run
    from xfeldask.pipeline.scheduling import scheduled
    from xfeldask.pipeline.simulation import estimate_run
    from xfeldask.pipeline.simulation import simulate as run

    chosen = keywords(flags)
    if dry_run:
        print_estimate(estimate_run(store, resume=resume, overwrite=overwrite, **chosen), workers)
        return
    with scheduled(scheduler, workers, quiet), print_run(store, quiet):
        run(store, resume=resume, overwrite=overwrite, progress=not quiet, **chosen)


@click.command()
@click.argument("path", type=STORE)
@experiment_options
@click.option("--check", is_flag=True, help="Check the file instead of writing it.")
@click.option("--overwrite", is_flag=True, help="Replace a file that is there.")
def config(path: Path, check: bool, overwrite: bool, **flags: Any) -> None:
    """Write an experiment file to PATH, or check one."""
    from xfeldask.config import Experiment
    from xfeldask.formats.inputs import resolve
    from xfeldask.pipeline.simulation import as_experiment

    if check:
        inputs = resolve(Experiment.from_toml(path))
        click.echo(f"{path} is good: {inputs.experiment.n_shots:,} shots, {len(inputs.atoms):,} atoms, "
                   f"{inputs.geometry.mask.size:,} pixels, digest {inputs.experiment.digest[:16]}")  # fmt: skip
        return
    chosen = keywords(flags)
    if chosen["experiment"] is None:
        defaults: dict[str, Any] = {"particle": "chaperonin", "n_shots": 10_000}
        if chosen.get("hits") is None and chosen.get("nuisance") != "realistic":
            defaults["single_fraction"] = 0.99
        chosen = defaults | chosen
    experiment, _, _ = as_experiment(
        chosen.pop("experiment"), chosen.pop("particle", None), chosen.pop("n_shots", None),
        chosen.pop("orientations", None), chosen,
    )  # fmt: skip
    if path.exists() and not overwrite:
        raise StoreExistsError(f"{path} exists; pass --overwrite or another path")
    try:
        path.write_text(experiment.to_toml(), "utf-8")
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror}") from error
    click.echo(f"wrote {path}; run it with: xfeldask simulate run.zarr --experiment {path}")
