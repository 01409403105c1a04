"""`xfeldask process`."""

from __future__ import annotations

import json
from typing import Any

import click

from xfeldask.cli.flags import STORE, scheduler_options
from xfeldask.cli.ingest import frames_keywords, frames_options
from xfeldask.store.storage.urls import StorePath


@click.command()
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE...")
@click.argument("store", type=STORE)
@frames_options
@click.option("--model", type=STORE, help="Store whose model is applied.  [default: the run is embedded by itself]")
@click.option("--embedding", help="Name of the embedding.  [default: that of the model, or ipca]")
@click.option("--sort", default="pairs", show_default=True, help="Rule, without a model: pairs or elliptic_envelope.")
@click.option("--n-components", type=int, default=3, show_default=True, help="Number of components, without a model.")
@click.option(
    "--max-contamination",
    type=float,
    help="Largest fraction of the accepted shots that may be other than single, by the interval of the purity.",
)
@click.option("--write-back", is_flag=True, help="Write the verdicts into the CXI files that were ingested.")
@scheduler_options
@click.option("--again", is_flag=True, help="Replace the store, and do all of it anew.")
@click.option("--quiet", is_flag=True, help="Print nothing but the summary, warnings and errors.")
def process(
    sources: tuple[str, ...], store: StorePath, model: StorePath | None, embedding: str | None, sort: str,
    n_components: int, max_contamination: float | None, write_back: bool, scheduler: str, workers: int | None,
    again: bool, quiet: bool,
    **flags: Any,
) -> None:  # fmt: skip
    """Take a run from SOURCE... through STORE to its report: ingest, embed or apply a model, report, write back.

    What is done already is not done again. The last line on standard output is a summary as JSON.
    """
    from xfeldask.report.processing import process as run
    from xfeldask.work.schedulers import scheduled

    with scheduled(scheduler, workers, quiet):
        summary = run(
            sources, store, model=model, embedding=embedding, sort=sort, n_components=n_components,
            max_contamination=max_contamination, write_back=write_back, again=again, progress=not quiet,
            **frames_keywords(flags),
        )  # fmt: skip
    click.echo(json.dumps(summary))
