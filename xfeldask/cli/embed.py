"""`xfeldask embed`."""

from __future__ import annotations

from typing import Any

import click

from xfeldask.cli.flags import OVERWRITE_EMBEDDING, QUIET, SEED, STORE, device_option, processes_on, scheduler_options
from xfeldask.errors import InputError
from xfeldask.store.storage.urls import StorePath


@click.command()
@click.argument("store", type=STORE)
@click.option("--name", help="Name of the embedding.  [default: the method]")
@click.option(
    "--method", default="ipca", show_default=True, help="Method: ipca, pca, diffusion_map, ensemble_pca or orientation."
)
@click.option(
    "--features",
    default="counts",
    show_default=True,
    help="Features of the images: a name, with options as in fourier_crop:n=64,bin=1.",
)
@click.option("--n-components", type=int, default=3, show_default=True, help="Number of components.")
@click.option(
    "--batch-size", type=int, default=512, show_default=True, help="Number of shots that are fitted together."
)
@click.option(
    "--sort",
    default="pairs",
    show_default=True,
    help="Rule that tells single hits from the rest: pairs, models (pairs or the particle, then species of --like), "
    "elliptic_envelope, hits (all that are not blank) or none.",
)
@click.option(
    "--like",
    type=STORE,
    help="Experiment (.toml) or simulated store whose species the beam may hold, for --sort models.",
)
@click.option(
    "--wanted", help="Species of --like to accept: one, several, or 'all but NAME'.  [default: what it wants]"
)
@click.option(
    "--max-singles-lost",
    type=float,
    default=0.01,
    show_default=True,
    help="Largest fraction of the single hits that the rule pairs may reject.",
)
@click.option(
    "--contamination",
    type=float,
    default=0.1,
    show_default=True,
    help="Fraction of the shots that the elliptic envelope rejects.",
)
@click.option(
    "--max-contamination",
    type=float,
    help="Largest fraction of the accepted shots that may be other than single, by the interval that pairs tells.",
)
@click.option(
    "--labels",
    help="Labels that a person gave: the name given in the explorer, the .csv table from there, or a .npy file (shot,) "
    "with 1 for a single hit, 0 for anything else, -1 where not known; or a tag that came with the shots, true for a "
    "single hit.",
)
@click.option(
    "--stop/--no-stop", default=True, show_default=True, help="Fit no further once the latent space has converged."
)
@click.option("--history", is_flag=True, help="Store the coordinates of all shots at each checkpoint of the fit.")
@click.option("--follow", is_flag=True, help="Keep up with a store that is still being written, or not there yet.")
@click.option("--reconstruction", help="Reconstruction that the method orientation goes by.  [default: the only one]")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help=SEED)
@scheduler_options
@device_option("that the rule pairs measures on", "cpu")
@click.option("--overwrite", is_flag=True, help=OVERWRITE_EMBEDDING)
@click.option("--quiet", is_flag=True, help=QUIET)
def embed(
    store: StorePath, features: str, sort: str, scheduler: str, workers: int | None, quiet: bool,
    **options: Any,
) -> None:  # fmt: skip
    """Build a latent space of the shots of STORE and tell single hits from the rest."""
    from xfeldask.report.printing import print_verdict
    from xfeldask.store.run import open_run
    from xfeldask.verbs.embed import embed as run
    from xfeldask.work.schedulers import scheduled

    options |= {"features": features_flag(features), "sort": None if sort == "none" else sort}
    with scheduled(scheduler, workers, quiet, processes_on(scheduler, options["device"])):
        found = run(store, progress=not quiet, **options)
    if not quiet:
        print_verdict(open_run(store), found)


def features_flag(text: str) -> str | dict[str, Any]:
    """Read ``name`` or ``name:option=number,...``.

    Raises
    ------
    InputError
        An option without a number.

    Examples
    --------
    >>> features_flag("fourier_crop:n=64")
    {'name': 'fourier_crop', 'n': 64}
    """
    name, _, rest = text.partition(":")
    if not rest:
        return name
    pairs = [part.partition("=") for part in rest.split(",")]
    if not all(value.isdigit() for _, _, value in pairs):
        raise InputError(f"features {text!r}: write name:option=number,..., such as fourier_crop:n=64")
    return {"name": name, **{key: int(value) for key, _, value in pairs}}
