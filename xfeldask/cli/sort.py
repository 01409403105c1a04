"""`xfeldask sort`."""

from __future__ import annotations

from typing import Any

import click

from xfeldask.cli.flags import QUIET, STORE, scheduler_options
from xfeldask.store.storage.urls import StorePath


@click.command()
@click.argument("store", type=STORE)
@click.option("--name", help="Name of the embedding.  [default: the only one]")
@click.option(
    "--max-singles-lost", type=float,
    help="Decide anew, and reject at most this fraction of the single hits.",
)  # fmt: skip
@click.option("--contamination", type=float, help="Decide anew, and reject this fraction of the shots.")
@click.option(
    "--max-contamination", type=float,
    help="Decide anew, and accept so few that at most this fraction of them is not single, by its interval.",
)  # fmt: skip
@click.option(
    "--like", type=STORE,
    help="Tell single hits by the species of an experiment (.toml) or a simulated store, and accept the wanted ones.",
)  # fmt: skip
@scheduler_options
@click.option("--quiet", is_flag=True, help=QUIET)
def sort(
    store: StorePath, name: str | None, like: StorePath | None, scheduler: str, workers: int | None, quiet: bool,
    **allowance: float | None,
) -> None:  # fmt: skip
    """Say which shots of STORE are single hits and how sure that is; embed it first if nobody has."""
    from xfeldask.report.printing import print_verdict
    from xfeldask.sorting.rules import DEFAULT, MODELS, rule_that_goes_by
    from xfeldask.store.run import open_run
    from xfeldask.verbs.embed import embed as build
    from xfeldask.verbs.particle_kinds import find_kinds
    from xfeldask.verbs.parts.named_species import beam_like
    from xfeldask.verbs.sort import sort as run
    from xfeldask.work.schedulers import scheduled

    opened = open_run(store)
    asked: dict[str, Any] = {field: value for field, value in allowance.items() if value is not None}
    if like is not None:
        beam_like(like)  # refused, if it must be, before anything is done
    with scheduled(scheduler, workers, quiet):
        if not opened.embeddings and name is None:
            rule, named = rule_that_goes_by(asked), None
            if like is not None and rule == DEFAULT:
                rule, named, like = MODELS, like, None
            found = build(store, sort=rule, like=named, progress=not quiet, **asked)
        elif asked:
            found = run(store, opened.embedding(name).name, **asked)
        else:
            found = opened.refuse_incomplete().embedding(name).dataset()
        if like is not None and found.is_single.any():
            found = find_kinds(store, name, like=like, progress=not quiet)
    if not quiet:
        print_verdict(opened, found)
