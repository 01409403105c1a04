"""Commands that embed shots and sort them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from xfeldask.cli.flags import STORE, scheduler_options
from xfeldask.errors import InputError


@click.command()
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
@click.option("--history", is_flag=True, help="Keep the coordinates of all shots at each look at convergence.")
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


@click.command()
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


@click.command()
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
