"""`xfeldask sort`."""

from __future__ import annotations

from typing import Any

import click

from xfeldask.cli.flags import QUIET, STORE, scheduler_options
from xfeldask.errors import InputError
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
@click.option(
    "--wanted",
    help="Kinds to accept, by number or name: 0, '0,ice', all, 'all but ice'.  [default: those accepted before, "
    "or what --like wants]",
)
@click.option(
    "--name-kind", "names", multiple=True, metavar="KIND=NAME",
    help="Name a kind that was found, such as 0=capsid; repeat it for each. Nothing after the = takes a name back.",
)  # fmt: skip
@scheduler_options
@click.option("--quiet", is_flag=True, help=QUIET)
def sort(
    store: StorePath, name: str | None, like: StorePath | None, wanted: str | None, names: tuple[str, ...],
    scheduler: str, workers: int | None, quiet: bool, **allowance: float | None,
) -> None:  # fmt: skip
    """Say which shots of STORE are single hits and how sure that is; embed it first if nobody has."""
    from xfeldask.report.printing import print_verdict
    from xfeldask.sorting.rules import DEFAULT, MODELS, rule_that_goes_by
    from xfeldask.store.run import open_run
    from xfeldask.verbs.arguments.given_kinds import given_kinds
    from xfeldask.verbs.embed import embed as build
    from xfeldask.verbs.particle_kinds import find_kinds
    from xfeldask.verbs.parts.named_species import beam_like
    from xfeldask.verbs.sort import sort as run
    from xfeldask.work.schedulers import scheduled

    opened = open_run(store)
    asked: dict[str, Any] = {field: value for field, value in allowance.items() if value is not None}
    kinds: dict[str, Any] = {} if wanted is None else {"wanted": wanted}
    if names:
        kinds["name_kinds"] = kind_names(names)
    if like is not None:
        if names:
            raise InputError("species of --like have names; leave --name-kind out, and name them when they are found")
        given_kinds(wanted, beam_like(like))  # refused, if they must be, before anything is done
    elif kinds and not opened.embeddings:
        raise InputError(f"no kinds were found in {store}; embed it, then find them with xfeldask kinds")
    with scheduled(scheduler, workers, quiet):
        if not opened.embeddings and name is None:
            rule, named = rule_that_goes_by(asked), None
            if like is not None and rule == DEFAULT:
                rule, named, like = MODELS, like, None
            found = build(store, sort=rule, like=named, progress=not quiet, **asked, **(kinds if named else {}))
        elif asked or (kinds and like is None):
            found = run(store, opened.embedding(name).name, **asked, **({} if like else kinds))
        else:
            found = opened.refuse_incomplete().embedding(name).dataset()
        if like is not None and found.is_single.any():
            found = find_kinds(store, name, like=like, progress=not quiet, **kinds)
    if not quiet:
        print_verdict(opened, found)


def kind_names(texts: tuple[str, ...]) -> dict[str, str]:
    """Read ``KIND=NAME``, each a kind.

    Raises
    ------
    InputError
        One of them is no such thing, or a kind is named twice.

    Examples
    --------
    >>> kind_names(("0=capsid", "ice="))
    {'0': 'capsid', 'ice': ''}
    """
    out: dict[str, str] = {}
    for text in texts:
        kind, equals, name = (part.strip() for part in text.partition("="))
        if not kind or not equals or kind in out:
            raise InputError(f"--name-kind {text!r}: write KIND=NAME, such as 0=capsid, once for each kind")
        out[kind] = name
    return out
