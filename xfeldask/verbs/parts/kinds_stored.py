"""Kinds as they were found, by which shots are decided on anew: which are wanted, and what they are called."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xfeldask.sorting.decision import Decision
from xfeldask.sorting.kinds.names import Kind, Wanted, carried, renamed
from xfeldask.sorting.kinds.next_shots import next_to_label
from xfeldask.store.results.embedding import Embedding
from xfeldask.store.results.particle_kinds import FOUND_COLUMNS, KIND_COLUMNS, KINDS
from xfeldask.verbs.parts.kinds_decided import Known, decided_by_kinds

STAYS = ("kind_photons", "kind_radius", "kinds_background")
"""Fields of a Decision that tell of kinds, whichever are wanted."""
OF_WANTED = ("strangers_found", "strangers_tried")
"""Fields that tell of the wanted ones."""


@dataclass(frozen=True, eq=False)
class StoredKinds:
    """Kinds that were found beside an embedding.

    Attributes
    ----------
    found : Dataset, the embedding, with the kind of each shot, in memory
    described : Dataset, of each kind
    decision : Decision, by them
    """

    found: xr.Dataset
    described: xr.Dataset
    decision: Decision

    @classmethod
    def of(cls, embedding: Embedding) -> Self | None:
        """Return those of an embedding; None where it has none that tell how probable each is."""
        found = embedding.stored()
        if KINDS not in embedding.part_names() or not {*KIND_COLUMNS} <= {*found}:
            return None
        more = [name for name in FOUND_COLUMNS if name in found]
        return cls(found[[*KIND_COLUMNS, *more]].load(), embedding.parts()[KINDS], embedding.decision)

    def cover(self, before: xr.Dataset) -> bool:
        """Whether it is known of which kind every shot is that a rule takes for one particle."""
        return bool((self.found.kind.values >= 0)[before.is_single.values].all())

    def names_now(self, shots: NDArray[np.int64], kind: NDArray[Any], count: int) -> tuple[str, ...]:
        """Return the names of kinds that were found anew, those that a person gave, as of `carried`.

        Parameters
        ----------
        shots : int64 (some,)
        kind : int (some,), of each of them now
        count : int, kinds that there are now
        """
        names = self.decision.kind_names
        if not names or "tried" not in self.described.attrs:
            # names of species are no names of kinds that are found without knowing any
            return ()
        return carried(names, self.found.kind.values[shots], kind, count)

    def decided(
        self,
        before: xr.Dataset,
        parts: Mapping[str, xr.Dataset],
        wanted: Wanted | None = None,
        name_kinds: Mapping[Kind, str | None] | None = None,
        max_contamination: float | None = None,
    ) -> tuple[xr.Dataset, dict[str, xr.Dataset]]:
        """Return an embedding and its parts with verdicts by the kinds.

        Parameters
        ----------
        before : Dataset, the embedding as its rule decided, which `cover` takes
        parts : its parts, but for the kinds
        wanted : Wanted, optional; those that were wanted before by default
        name_kinds : names of some of them, as of `renamed`
        max_contamination : as of `Decision`

        Raises
        ------
        InputError
            There is no such kind, or a name cannot be.
        """
        old, count = self.decision, self.found.probability_kind.shape[1]
        names = renamed(name_kinds or {}, count, old.kind_names or ())
        mine = old.wanted_kinds or (0,) if wanted is None else wanted.among(count, names)
        same = mine == old.wanted_kinds
        shots = np.flatnonzero(before.is_single.values).astype(np.int64)
        columns = {str(name): values.values[shots] for name, values in self.found.data_vars.items()}
        if not same:
            # as wide as the probabilities that they replace; they sum to one but for what rounding makes of that
            each = columns["probability_kind"][:, mine].astype(np.float64)
            columns["probability_wanted"] = each.sum(axis=1).clip(max=1)
        known = Known(mine, names or None, old.rarest_kind, old.kinds_labels if same else None, old.doubtful_kind)
        found = decided_by_kinds(before, shots, columns, known, max_contamination)
        stays = {name: getattr(old, name) for name in (*STAYS, *(OF_WANTED if same else ()))}
        more: dict[str, Any] = {name: value for name, value in stays.items() if value is not None}
        if old.next_to_label is not None:
            alike = same and len(shots) == (self.found.kind.values >= 0).sum()
            ask = next_to_label(columns["probability_wanted"], columns["misfit"])
            more["next_to_label"] = old.next_to_label if alike else tuple(before.shot.values[shots[ask]].tolist())
        told = Decision.from_json(found.attrs["decision"]).model_copy(update=more)
        return found.assign_attrs(decision=told.to_json()), {**parts, KINDS: self._called(names, told.kinds or ())}

    def _called(self, names: tuple[str, ...], shots: tuple[int, ...]) -> xr.Dataset:
        """Return what is known of each kind, with their names and numbers of shots."""
        out = self.described.assign(shots=self.described.shots.copy(data=np.asarray(shots, np.int64)))
        out.attrs.pop("names", None)
        return out.assign_attrs({"names": list(names)} if names else {})
