"""`xfeldask config`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from xfeldask.cli.flags import STORE, experiment_options, keywords
from xfeldask.errors import InputError, StoreExistsError, command, printable
from xfeldask.store.storage.urls import local


@click.command()
@click.argument("path", type=STORE)
@experiment_options
@click.option("--check", is_flag=True, help="Check an experiment file instead of writing it.")
@click.option("--overwrite", is_flag=True, help="Replace a file that is there already.")
def config(path: Path, check: bool, overwrite: bool, **flags: Any) -> None:
    """Write an experiment file to PATH, or check one."""
    from xfeldask.config import Experiment
    from xfeldask.formats.inputs import resolve
    from xfeldask.machine import exists
    from xfeldask.physics.atoms import Atoms
    from xfeldask.verbs.arguments.asked import as_experiment

    local(path, "an experiment file")
    if check:
        if given := [name for name, value in flags.items() if value not in (None, ())]:
            told = ", ".join(f"--{name.removesuffix('_file').replace('_', '-')}" for name in given)
            raise InputError(f"--check looks at {printable(path)} as it is; leave out {told}")
        inputs = resolve(Experiment.from_toml(path))
        atoms = sum(len(body.matter) for body in inputs.mixture.bodies if isinstance(body.matter, Atoms))
        click.echo(f"{printable(path)} is good: {inputs.experiment.n_shots:,} shots, {atoms:,} atoms, "
                   f"{inputs.geometry.mask.size:,} pixels, digest {inputs.experiment.digest[:16]}")  # fmt: skip
        return
    chosen = keywords(flags)
    if chosen["experiment"] is None:
        defaults: dict[str, Any] = {"n_shots": 10_000}
        if "species" not in chosen:
            defaults["particle"] = "chaperonin"
        if chosen.get("hits") is None and chosen.get("nuisance") != "realistic":
            defaults["single_fraction"] = 0.99
        chosen = defaults | chosen
    experiment, _, _ = as_experiment(
        chosen.pop("experiment"), chosen.pop("particle", None), chosen.pop("n_shots", None),
        chosen.pop("orientations", None), chosen,
    )  # fmt: skip
    if exists(path) and not overwrite:
        raise StoreExistsError(f"{path} exists; pass --overwrite or another path")
    try:
        path.write_text(experiment.to_toml(), "utf-8")
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror}") from error
    then = command("xfeldask", "simulate", "run.zarr", "--experiment", path)
    click.echo(f"wrote {printable(path)}; run it with: {then}")
