"""The verbs as commands. Flags are spelled as the keywords of the Python functions."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import click

from xfeldask.errors import InputError, MissingFileError, StoreExistsError, XfeldaskError

BAD_INPUT = (InputError, MissingFileError, StoreExistsError)
STORE = click.Path(path_type=Path)


def main() -> None:
    """Run the command line; exit code 2 for bad input, 1 for a failure, 130 for Ctrl-C."""
    try:
        code = commands.main(standalone_mode=False)
        sys.exit(code if isinstance(code, int) else 0)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        sys.exit(2)
    except click.ClickException as error:
        _fail(error.format_message(), 2)
    except (click.Abort, KeyboardInterrupt):
        _fail("stopped; what was committed is kept, --resume goes on with it", 130)
    except XfeldaskError as error:
        _fail(str(error), 2 if isinstance(error, BAD_INPUT) else 1)
    except Exception as error:
        if os.environ.get("XFELDASK_TRACEBACK"):
            raise
        what = f"{type(error).__name__}: {error}".split("\n")[0]
        _fail(f"unexpected failure ({what}); set XFELDASK_TRACEBACK=1 to see where, and report it", 1)


def _fail(message: str, code: int) -> None:
    click.echo(f"xfeldask: {message}", err=True)
    sys.exit(code)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="xfeldask")
def commands() -> None:
    """Simulate, embed and sort single-particle X-ray diffraction shots."""


def experiment_options(function: Any) -> Any:
    """The flags that make an experiment."""
    options = [
        click.option(
            "--experiment", "experiment_file", type=STORE, help="Experiment file (TOML); flags replace parts."
        ),
        click.option("--particle", help="Built-in name (chaperonin), structure file, or PDB id."),
        click.option("--assembly", help="Biological assembly, or asymmetric-unit.  [default: 1]"),
        click.option("--beam", help="Built-in name or .beam file.  [default: amo86615]"),
        click.option("--detector", help="Built-in name, square-N, or psana .data file.  [default: pnccd-amo86615]"),
        click.option("--mask", help=".npy file (panel, ss, fs), true where a pixel is good."),
        click.option("--n-shots", type=int, help="Number of shots."),
        click.option("--single-fraction", type=float, help="Part of shots with one particle; others hold two."),
        click.option("--hits", help="0.99, or 0:0.05,1:0.9,2:0.05, or poisson:0.1."),
        click.option("--nuisance", help="ideal, jitter or realistic.  [default: ideal]"),
        click.option("--orientations", help="random, uniform:COUNT, or a .npy file.  [default: random]"),
        click.option("--seed", type=int, help="Of all random numbers.  [default: 0]"),
        click.option("--engine", help="xfeldask or skopi.  [default: xfeldask]"),
        click.option("--intensity/--no-intensity", default=None, help="Store expected photons too."),
        click.option("--photon-dtype", help="uint8 or uint16.  [default: uint8]"),
    ]
    for option in reversed(options):
        function = option(function)
    return function


def scheduler_options(function: Any) -> Any:
    """The flags that choose who computes."""
    function = click.option("--workers", type=click.IntRange(min=1), help="Threads or processes.  [default: cores]")(
        function
    )
    return click.option(
        "--scheduler",
        default="local",
        show_default=True,
        help="local (threads, with dashboard), processes (with dashboard), threads, synchronous, or tcp://HOST:PORT.",
    )(function)


def keywords(flags: dict[str, Any]) -> dict[str, Any]:
    """Flags turned into keywords of `simulate`."""
    from xfeldask.config import Experiment

    given = {k: v for k, v in flags.items() if v is not None}
    file = given.pop("experiment_file", None)
    out: dict[str, Any] = {"experiment": None if file is None else Experiment.from_toml(file)}
    if "assembly" in given:
        out["particle"] = {"source": given.pop("particle", "chaperonin"), "assembly": given.pop("assembly")}
    if "mask" in given:
        out["detector"] = {"source": given.pop("detector", "pnccd-amo86615"), "mask": given.pop("mask")}
    if "orientations" in given:
        out["orientations"] = orientations_flag(given.pop("orientations"))
    return out | given


def orientations_flag(text: str) -> dict[str, Any]:
    """``random``, ``uniform:1000`` or a path."""
    if text == "random":
        return {"kind": "random"}
    kind, _, count = text.partition(":")
    if kind == "uniform":
        if not count.isdigit():
            raise InputError(f"orientations {text!r}: write uniform:COUNT, such as uniform:10000")
        return {"kind": "uniform", "count": int(count)}
    return {"kind": "list", "source": text}


@commands.command()
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


@commands.command()
@click.argument("store", type=STORE)
@click.option("--name", help="Of the embedding.  [default: the method]")
@click.option("--method", default="ipca", show_default=True, help="ipca, pca, diffusion_map or ensemble_pca.")
@click.option("--features", default="counts", show_default=True, help="Name, with options as fourier_crop:n=64,bin=1.")
@click.option("--n-components", type=int, default=3, show_default=True)
@click.option("--batch-size", type=int, default=512, show_default=True, help="Shots fitted together.")
@click.option("--sort", default="pairs", show_default=True, help="pairs, elliptic_envelope or none.")
@click.option("--max-singles-lost", type=float, default=0.01, show_default=True, help="Part of them; for pairs.")
@click.option("--contamination", type=float, default=0.1, show_default=True, help="Part to flag; for the envelope.")
@click.option("--labels", type=STORE, help=".npy file (shot,): 1 single, 0 anything else, -1 not known.")
@click.option("--stop/--no-stop", default=True, show_default=True, help="Fit no further once converged.")
@click.option("--follow", is_flag=True, help="Keep up with a store that is still being written.")
@click.option("--seed", type=int, default=0, show_default=True)
@scheduler_options
@click.option("--overwrite", is_flag=True, help="Replace an embedding of that name.")
@click.option("--quiet", is_flag=True, help="Print nothing but errors.")
def embed(
    store: Path, features: str, sort: str, labels: Path | None, scheduler: str, workers: int | None, quiet: bool,
    **options: Any,
) -> None:  # fmt: skip
    """Build a latent space of the shots of STORE and tell single hits from the rest."""
    from xfeldask.formats.text import load_array
    from xfeldask.pipeline.embedding import embed as run
    from xfeldask.pipeline.reports import print_verdict
    from xfeldask.pipeline.scheduling import scheduled
    from xfeldask.store.opening import open_dataset

    options |= {"features": features_flag(features), "sort": None if sort == "none" else sort}
    options["labels"] = None if labels is None else load_array(labels, "labels")
    with scheduled(scheduler, workers, quiet):
        found = run(store, progress=not quiet, **options)
    if not quiet:
        print_verdict(open_dataset(store, chunks=None), found)


def features_flag(text: str) -> str | dict[str, Any]:
    """``name`` or ``name:option=number,...``."""
    name, _, rest = text.partition(":")
    if not rest:
        return name
    pairs = [part.partition("=") for part in rest.split(",")]
    if not all(value.isdigit() for _, _, value in pairs):
        raise InputError(f"features {text!r}: write name:option=number,..., such as fourier_crop:n=64")
    return {"name": name, **{key: int(value) for key, _, value in pairs}}


@commands.command()
@click.argument("store", type=STORE)
@click.option("--name", help="Of the embedding.  [default: the only one]")
@click.option("--max-singles-lost", type=float, help="Decide anew with this allowance.")
@scheduler_options
@click.option("--quiet", is_flag=True, help="Print nothing but errors.")
def sort(
    store: Path, name: str | None, max_singles_lost: float | None, scheduler: str, workers: int | None, quiet: bool
) -> None:
    """Say which shots of STORE are single hits and how sure that is; embed it first if nobody has."""
    from xfeldask.pipeline.embedding import embed as build
    from xfeldask.pipeline.reports import print_verdict
    from xfeldask.pipeline.scheduling import scheduled
    from xfeldask.pipeline.sorting import embedding_named, known_embeddings
    from xfeldask.pipeline.sorting import sort as run
    from xfeldask.store.opening import open_dataset

    if not known_embeddings(store) and name is None:
        with scheduled(scheduler, workers, quiet):
            found = build(store, max_singles_lost=max_singles_lost or 0.01, progress=not quiet)
    elif max_singles_lost is not None:
        found = run(store, embedding_named(store, name), max_singles_lost=max_singles_lost)
    else:
        found = open_dataset(store, group=f"latent/{embedding_named(store, name)}", chunks=None)
    if not quiet:
        print_verdict(open_dataset(store, chunks=None), found)


@commands.command()
@click.argument("model_store", type=STORE)
@click.argument("name")
@click.argument("other_store", type=STORE)
@click.option("--as-name", help="Of the embedding to be written.  [default: NAME]")
@scheduler_options
@click.option("--overwrite", is_flag=True, help="Replace an embedding of that name.")
@click.option("--quiet", is_flag=True, help="Print nothing but errors.")
def project(
    model_store: Path, name: str, other_store: Path, scheduler: str, workers: int | None, quiet: bool, **options: Any
) -> None:
    """Apply the model of embedding NAME of MODEL_STORE to the shots of OTHER_STORE."""
    from xfeldask.pipeline.reports import print_verdict
    from xfeldask.pipeline.scheduling import scheduled
    from xfeldask.pipeline.transfer import project as run
    from xfeldask.store.opening import open_dataset

    with scheduled(scheduler, workers, quiet):
        found = run(model_store, name, other_store, progress=not quiet, **options)
    if not quiet:
        print_verdict(open_dataset(other_store, chunks=None), found)


@commands.command()
@click.argument("store", type=STORE)
def inspect(store: Path) -> None:
    """Say what STORE holds."""
    from xfeldask.pipeline.reports import print_store

    print_store(store)


@commands.command()
@click.argument("store", type=STORE)
@scheduler_options
@click.option("--reopen", is_flag=True, help="Mark damaged shards pending: simulate --resume draws them again.")
@click.option("--quiet", is_flag=True, help="Print nothing but problems.")
def verify(store: Path, scheduler: str, workers: int | None, reopen: bool, quiet: bool) -> None:
    """Read all of STORE against its checksums and totals; exit code 1 if anything is wrong."""
    from xfeldask.pipeline.scheduling import scheduled
    from xfeldask.pipeline.verification import reopen as mark
    from xfeldask.pipeline.verification import verify as run

    with scheduled(scheduler, workers, quiet):
        report = run(store, progress=not quiet)
    if not report.ok:
        told = f"\nshards to draw again with simulate --resume: {mark(store, report)}" if reopen else ""
        _fail(f"{report}{told}", 1)
    if not quiet:
        click.echo(report)


@commands.command()
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


@commands.command()
@click.argument("folder", type=STORE, default=Path("demo"))
@click.option("--n-shots", type=int, default=10_000, show_default=True)
@scheduler_options
@click.option("--overwrite", is_flag=True, help="Replace an earlier demo.")
def demo(folder: Path, n_shots: int, scheduler: str, workers: int | None, overwrite: bool) -> None:
    """Simulate, embed and sort the built-in chaperonin into FOLDER, with pictures."""
    from xfeldask.pipeline.demonstration import demonstrate
    from xfeldask.pipeline.scheduling import scheduled

    with scheduled(scheduler, workers, quiet=False):
        demonstrate(folder, n_shots, overwrite)


@commands.command()
@click.argument("folder", type=STORE)
@click.option("--sizes", default="10000,100000", show_default=True, help="Shots of the runs.")
@click.option("--mixtures", default="0.8,0.9,0.95,0.99", show_default=True, help="Parts of shots with one particle.")
@click.option("--conditions", default="ideal", show_default=True, help="Any of ideal,jitter,realistic.")
@click.option("--particle", default="chaperonin", show_default=True, help="Built-in name, structure file, or PDB id.")
@click.option("--detector", default="pnccd-amo86615", show_default=True, help="Built-in name, square-N or .data file.")
@click.option("--seed", type=int, default=7, show_default=True)
@scheduler_options
@click.option("--quiet", is_flag=True, help="Print nothing but errors.")
def reproduce(
    folder: Path, sizes: str, mixtures: str, conditions: str, scheduler: str, workers: int | None, quiet: bool,
    **made_of: Any,
) -> None:  # fmt: skip
    """Sort the mixtures of a 2020 poster by its rule and by ours, into FOLDER; what is there is not done again."""
    from xfeldask.pipeline.comparison import print_table
    from xfeldask.pipeline.reproduction import reproduce as run
    from xfeldask.pipeline.reproduction import series
    from xfeldask.pipeline.scheduling import scheduled

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
    """Values between commas."""
    try:
        return [kind(part.strip()) for part in text.split(",") if part.strip()]
    except ValueError:
        raise InputError(f"{name} {text!r}: write {'whole ' if kind is int else ''}numbers between commas") from None
