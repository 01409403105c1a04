"""Quantities as lists show them: by groups, each with the name that expressions take; constants left out."""

from __future__ import annotations

from collections.abc import Iterable

from xfeldask.explorer.model.clusters import CLUSTER
from xfeldask.explorer.model.session import Session, is_constant
from xfeldask.explorer.model.words import called
from xfeldask.schema import LATENT, VARIABLES, WORKED_OUT
from xfeldask.store.results.labels import COLUMN

COMPONENTS, SORTING, TRUTH, SHOT, OWN = "latent space", "sorting", "simulated truth", "shot", "yours"
"""Groups, in the order in which they are listed."""
JUDGED = "confusion"
"""Of what is worked out, the one that tells of the rule."""


def listed(session: Session, keep: Iterable[str] = ()) -> dict[str, dict[str, str]]:
    """List quantities by groups, each by what is shown of it; what is the same in every shot only where it is kept.

    Parameters
    ----------
    session : Session
    keep : names that are listed even so, as they are chosen
    """
    kept = set(keep)
    out: dict[str, dict[str, str]] = {group: {} for group in (COMPONENTS, SORTING, TRUTH, SHOT, OWN)}
    for name in session.quantities:
        group = group_of(session, name)
        if name in kept or group == OWN or not session.shots.kept(is_constant, name):
            out[group][told(name, called(session.shots.column(name)))] = name
    return {group: names for group, names in out.items() if names}


def told(name: str, label: str) -> str:
    """Write a quantity as lists show it.

    Examples
    --------
    >>> told("photon_count", "photons counted in the shot"), told("shot", "shot")
    ('photon_count · photons counted in the shot', 'shot')
    """
    return name if name == label else f"{name} · {label}"


def group_of(session: Session, name: str) -> str:
    """Return the group of a quantity."""
    if name in session.shots.components:
        return COMPONENTS
    if name in session.shots.selections or name.startswith((COLUMN, CLUSTER)):
        return OWN
    if name in LATENT or name == JUDGED:
        return SORTING
    of_truth = name in WORKED_OUT or (name in VARIABLES and VARIABLES[name].role in ("truth", "species"))
    return TRUTH if of_truth else SHOT
