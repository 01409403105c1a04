"""What a person makes of the kinds that were found, and what the verdict would be by that."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import xarray as xr

from xfeldask.errors import InputError
from xfeldask.report.decision_facts import decision_told
from xfeldask.sorting.decision import Decision
from xfeldask.sorting.kinds.names import Kind, Wanted
from xfeldask.store.results.embedding import Embedding
from xfeldask.verbs.parts.kinds_stored import StoredKinds
from xfeldask.verbs.sort import decided_anew, own_allowance

TOLD = ("expected", "costs", "beware")
"""What is told of a verdict, as `sort` tells it."""


@dataclass(frozen=True, eq=False)
class Choice:
    """Kinds that a person keeps, and names for some of them.

    Attributes
    ----------
    wanted : tuple of int
    names : name by kind, of those that get another; empty to take one back

    Examples
    --------
    >>> Choice((0, 2), {1: "ice"}).arguments
    {'wanted': [0, 2], 'name_kinds': {1: 'ice'}}
    >>> Choice((0, 2), {1: "ice"}).command("run.zarr", "ipca")
    'xfeldask sort run.zarr --name ipca --wanted 0,2 --name-kind 1=ice'
    """

    wanted: tuple[int, ...]
    names: Mapping[Kind, str | None]

    @property
    def arguments(self) -> dict[str, object]:
        """What `sort` is told."""
        return {"wanted": list(self.wanted), "name_kinds": dict(self.names)}

    def command(self, store: object, embedding: str) -> str:
        """Return the command that does the same."""
        words = ["xfeldask", "sort", str(store), "--name", embedding, "--wanted", ",".join(map(str, self.wanted))]
        words += [word for kind, name in self.names.items() for word in ("--name-kind", f"{kind}={name or ''}")]
        return shlex.join(words)


class KindsOf:
    """The kinds beside an embedding, and what verdicts by some of them would be.

    Parameters
    ----------
    embedding : Embedding, beside which kinds were found
    """

    def __init__(self, embedding: Embedding) -> None:
        self._embedding = embedding
        self._stored = StoredKinds.of(embedding)
        self.decision = embedding.decision

    @cached_property
    def _before(self) -> tuple[xr.Dataset, dict[str, xr.Dataset]]:
        """The embedding as its rule decides, and its parts; that takes a moment where shots are many."""
        return decided_anew(self._embedding, own_allowance(self._embedding))

    def refuse_other(self) -> None:
        """Refuse to go by what was chosen among kinds that are not those in the store any more.

        Raises
        ------
        InputError
        """
        now = self._embedding.run.reopened().embedding(self._embedding.name).decision
        if now != self.decision:
            raise InputError("kinds were found, named or chosen anew since this page read them; reload it")

    def chosen(self, keep: Sequence[bool], names: Sequence[str]) -> Choice | None:
        """Return what a person chose, by kind; None where that is what is stored.

        Parameters
        ----------
        keep : whether each kind is wanted
        names : of each kind, empty where it goes by its number
        """
        given = self.given_names
        wanted = tuple(kind for kind, on in enumerate(keep) if on)
        new: dict[Kind, str | None] = {kind: name for kind, name in enumerate(names) if name != given[kind]}
        return None if wanted == self.decision.wanted_kinds and not new else Choice(wanted, new)

    @property
    def given_names(self) -> tuple[str, ...]:
        """The name that each kind was given; empty where it goes by its number."""
        names = self.decision.kind_names or [""] * len(self.decision.kinds or ())
        return tuple("" if name == f"kind_{kind}" else name for kind, name in enumerate(names))

    def told(self, choice: Choice | None) -> list[tuple[str, str]]:
        """Tell of the verdict by a choice what `sort` would tell; of the stored one where there is none.

        Raises
        ------
        InputError
            No kind is kept, a name that cannot be, or an older version found the kinds.
        """
        decision, accepted = self.decision, None
        if choice is not None:
            if self._stored is None:
                raise InputError("an older version found these kinds; find them again with xfeldask kinds")
            # a contamination that was asked for stays, as in `sort`
            found, _ = self._stored.decided(
                *self._before, Wanted.of(choice.wanted), choice.names, decision.max_contamination
            )
            decision, accepted = Decision.from_json(found.attrs["decision"]), int(found.is_single.sum())
        if accepted is None:
            accepted = int(self._embedding.dataset().is_single.sum())
        told = decision_told(decision)
        hits = sum(decision.kinds or ())
        first = ("accepted", f"{accepted:,} of {hits:,} single hits, of {decision.wanted_called}")
        return [first, *((name, told[name]) for name in TOLD if name in told)]
