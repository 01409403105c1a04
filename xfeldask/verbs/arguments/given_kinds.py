"""Kinds that are wanted, checked as soon as it is known which there are."""

from __future__ import annotations

from collections.abc import Sequence

from xfeldask.config import Experiment
from xfeldask.physics.species import Mixture
from xfeldask.sorting.kinds.names import Kind, Wanted


def given_kinds(wanted: Kind | Sequence[Kind] | None, beam: tuple[Experiment, Mixture] | None = None) -> Wanted | None:
    """Understand which kinds are wanted, and refuse species that the beam does not hold before anything is done.

    Parameters
    ----------
    wanted : as of `find_kinds`
    beam : Experiment and Mixture, optional, that name the kinds, as of `beam_like`

    Raises
    ------
    InputError
        As of `Wanted`.

    Examples
    --------
    >>> given_kinds("all but ice"), given_kinds(None)
    (Wanted(kinds=('ice',), but=True), None)
    """
    if wanted is None:
        return None
    asked = Wanted.of(wanted)
    if beam is not None:
        names = [each.name for each in beam[1].species]
        asked.among(len(names), names)
    return asked
