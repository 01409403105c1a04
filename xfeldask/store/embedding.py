"""An embedding of a run: its coordinates and verdicts, what it was made with, and the model that made it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self, TypeVar

import xarray as xr

from xfeldask.errors import CorruptStoreError, InputError, MissingFileError, RunError
from xfeldask.records import Record
from xfeldask.sorting.decision import Decision
from xfeldask.store.html import run_html
from xfeldask.store.layout import RUN
from xfeldask.store.leftovers import remove
from xfeldask.store.older import is_transposed
from xfeldask.store.opening import child_groups, open_lazily
from xfeldask.store.parameters import Parameters
from xfeldask.store.publish import publish_group

if TYPE_CHECKING:
    from xfeldask.store.run import Run

R = TypeVar("R", bound=Record)


@dataclass(frozen=True, eq=False, repr=False)
class Embedding:
    """An embedding in a store, ``/latent/<name>``.

    Attributes
    ----------
    run : Run
    name : str

    Examples
    --------
    >>> import tempfile, xfeldask
    >>> path = tempfile.mkdtemp() + "/run.zarr"
    >>> _ = xfeldask.simulate(path, particle="chaperonin", detector="square-64", n_shots=40, progress=False)
    >>> _ = xfeldask.embed(path, sort=None, progress=False)
    >>> embedding = xfeldask.open_run(path).embeddings["ipca"]
    >>> embedding.dataset().latent.shape, embedding.is_current
    ((40, 3), True)
    """

    run: Run
    name: str

    @classmethod
    def chosen(cls, run: Run, name: str | None) -> Embedding:
        """Return the embedding that is meant: the one asked for, or the only one.

        Raises
        ------
        MissingFileError
            The run has no embedding, or none of that name.
        InputError
            The run has several, and no name was given.
        CorruptStoreError
            It is of another run.
        """
        have = list(run.embeddings)
        if not have:
            raise MissingFileError(f"{run.path} has no embedding; make one with xfeldask embed {run.path}")
        if name is None and len(have) > 1:
            raise InputError(f"{run.path} has the embeddings {', '.join(have)}; say which with --name")
        if name is not None and name not in have:
            raise MissingFileError(f"{run.path} has no group latent/{name}; it has {', '.join(have)}")
        return cls(run, name or have[0]).refuse_other()

    @property
    def place(self) -> str:
        """The group in the store."""
        return f"latent/{self.name}"

    def dataset(self, chunks: Any = None) -> xr.Dataset:
        """Return ``/latent/<name>`` as a lazy Dataset.

        Raises
        ------
        CorruptStoreError
            It tells of shots of another run, or of more than there are.
        """
        return self.refuse_other().run.dataset(self.place, chunks)

    def refuse_other(self) -> Self:
        """Return the embedding itself if it tells of shots of this run.

        Raises
        ------
        CorruptStoreError
        """
        if not self.fits:
            raise CorruptStoreError(
                f"{self.run.path}: the embedding {self.name} was made from the shots of another run; embed again with "
                "overwrite=True (--overwrite)"
            )
        return self

    def stored(self) -> xr.Dataset:
        """Return ``/latent/<name>`` as it is stored, to be published again."""
        return open_lazily(self.run.group, self.place)

    def refuse_older(self) -> Self:
        """Return the embedding itself if its model knows images as they are read now.

        Raises
        ------
        InputError
        """
        if is_transposed(self.attributes):
            raise InputError(
                f"the model of {self.name} was made by an older version, whose images lay on their side; embed "
                f"{self.run.path} again with overwrite=True"
            )
        return self

    @cached_property
    def attributes(self) -> Mapping[str, Any]:
        """Attributes of the group as they were when first asked for."""
        return dict(self.stored().attrs)

    @property
    def parameters(self) -> Parameters:
        """Everything that the embedding depends on.

        Raises
        ------
        CorruptStoreError
            They cannot be read.
        """
        return self._record(Parameters, "parameters")

    @property
    def decision(self) -> Decision:
        """What the rule decided and expects; nothing of it is given where shots were not sorted.

        Raises
        ------
        CorruptStoreError
            It cannot be read.
        """
        return self._record(Decision, "decision")

    def parts(self) -> dict[str, xr.Dataset]:
        """Return the groups of arrays that the model is made of, in memory."""
        names = child_groups(self.run.group, self.place)
        return {part: open_lazily(self.run.group, f"{self.place}/{part}").load() for part in names}

    @property
    def fits(self) -> bool:
        """Whether the embedding tells of shots of this run; of all of them or, while it was being written, of some."""
        same = self.attributes.get(RUN, self.run.identity) == self.run.identity
        return same and int(self.attributes.get("n_shots", 0)) <= self.run.n_shots

    @property
    def is_current(self) -> bool:
        """Whether the embedding tells of all shots that are in the store now, and of no others."""
        return self.fits and int(self.attributes["n_shots"]) == int(self.run.done().sum())

    def publish(self, found: xr.Dataset, parts: Mapping[str, xr.Dataset]) -> None:
        """Write the embedding in one step; an older one of the same name stays if that fails.

        Parameters
        ----------
        found : xarray.Dataset
        parts : Dataset by name, what the model is made of

        Raises
        ------
        InputError
            The disk is full or read-only.
        RunError
            The store holds another run by now.
        """
        if self.run.identity is not None:
            found = found.assign_attrs({RUN: self.run.identity})
        self.run.refuse_replaced()
        publish_group(self.run.path, self.place, found, parts)
        try:
            self.run.refuse_replaced()
        except RunError:
            # the run was replaced between the two looks; what tells of the old one is not to lie in the new
            remove(self.run.path / self.place)
            raise

    def __repr__(self) -> str:
        rows = [f"  {name:<12}{value}" for name, value in self.facts().items()]
        return "\n".join([f"<xfeldask.Embedding {self.name} of {self.run.path}>", *rows])

    def _repr_html_(self) -> str:
        return run_html(f"xfeldask.Embedding {self.name} of {self.run.path}", self.facts())

    def facts(self) -> dict[str, str]:
        """Return what a person wants to know first, by name."""
        parameters, decision = self.parameters, self.decision
        out = {
            "shots": f"{int(self.attributes['n_shots']):,}{'' if self.is_current else ', not those there now'}",
            "method": f"{parameters.method} of {parameters.features['name']}, "
            f"{self.dataset().sizes['component']} components",
            "sorted by": parameters.sort or "nobody",
        }
        if decision.threshold is not None:
            out["threshold"] = f"{decision.threshold:.2f}"
        return out

    def _record(self, kind: type[R], name: str) -> R:
        try:
            return kind.from_json(str(self.attributes[name]))
        except (KeyError, CorruptStoreError) as error:
            raise CorruptStoreError(f"{self.run.path}: the {name} of {self.name} cannot be read ({error})") from None
