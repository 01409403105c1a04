"""`xfeldask kinds`."""

from __future__ import annotations

import click

from xfeldask.cli.flags import QUIET, SEED, STORE, device_option, scheduler_options
from xfeldask.store.storage.urls import StorePath


@click.command("kinds")
@click.argument("store", type=STORE)
@click.option("--name", help="Name of the embedding.  [default: the only one]")
@click.option("--like", type=STORE, help="Experiment (.toml) or simulated store whose species the beam may hold.")
@click.option(
    "--labels",
    help="Labels of some shots, as of embed: 1 for a single hit of the wanted kind, 0 for anything else.",
)
@click.option(
    "--wanted",
    help="Kinds to accept, by number or name in --like: 0, '0,2', all, or 'all but 1'.  [default: the most frequent, "
    "or what --labels or --like want]",
)
@click.option(
    "--max-contamination", type=float,
    help="Reject shots until at most this fraction of the accepted is anything else, by its interval.",
)  # fmt: skip
@click.option("--most", type=int, default=4, show_default=True, help="Number of kinds to seek without --like.")
@click.option(
    "--strangers", type=STORE,
    help="Experiment (.toml) or simulated store whose species are put among the hits, to tell from which fraction on "
    "each would be found.",
)  # fmt: skip
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help=SEED)
@device_option()
@scheduler_options
@click.option("--quiet", is_flag=True, help=QUIET)
def kinds(
    store: StorePath, name: str | None, like: StorePath | None, labels: str | None, wanted: str | None,
    max_contamination: float | None, most: int, strangers: StorePath | None, seed: int, device: str, scheduler: str,
    workers: int | None, quiet: bool,
) -> None:  # fmt: skip
    """Find the kinds of particles that the single hits of STORE are of, and accept those of the wanted one.

    Then sort --wanted accepts others of them, and sort --name-kind names them.
    """
    from xfeldask.report.printing import print_verdict
    from xfeldask.store.run import open_run
    from xfeldask.verbs.particle_kinds import find_kinds
    from xfeldask.work.schedulers import scheduled

    with scheduled(scheduler, workers, quiet):
        found = find_kinds(
            store, name, like=like, labels=labels, wanted=wanted, max_contamination=max_contamination, most=most,
            strangers=strangers, seed=seed, device=device, progress=not quiet,
        )  # fmt: skip
    if not quiet:
        print_verdict(open_run(store), found)
