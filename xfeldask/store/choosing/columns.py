"""The columns that a person can see the shots of a store by."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import copy
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any, Self

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xfeldask.errors import CorruptStoreError, InputError, UnknownNameError
from xfeldask.physics.angles import ANGLES, GROUPS, axis_angles, folded
from xfeldask.physics.orientations import symmetry_group
from xfeldask.physics.symmetry import fold
from xfeldask.schema import DONE, LATENT, OF_KINDS, SINGLE
from xfeldask.scores import OUTCOMES, confusion_class
from xfeldask.sorting.decision import Decision
from xfeldask.store.choosing.column import NO_YES as NO_YES
from xfeldask.store.choosing.column import Column as Column
from xfeldask.store.choosing.column import column_of
from xfeldask.store.choosing.truth import true_kinds
from xfeldask.store.results.embedding import Embedding
from xfeldask.store.results.known_background import background_columns
from xfeldask.store.results.labels import COLUMN
from xfeldask.store.run import Run
from xfeldask.store.storage.urls import StorePath
from xfeldask.units import PLAIN, Shown, shown

_NUMBERS = "biuf"


@dataclass(frozen=True, eq=False)
class Shots:
    """Shots of a run, and of one of its embeddings; made by `of`. What is read is kept.

    Attributes
    ----------
    run : Run
    n_shots : int, shots that columns tell of: those of the embedding, the first of the store while it is being written
    n_stored : int, shots of the store
    embeddings : list of str, all that the store has
    embedding : str or None, the one that is looked at
    done : bool (shot,), whether each shot had been written when this was made

    Examples
    --------
    >>> import tempfile, xfeldask
    >>> path = tempfile.mkdtemp() + "/run.zarr"
    >>> two = [[0, 0, 0], [2e-9, 0, 0]], ["C", "C"]
    >>> _ = xfeldask.simulate(path, particle=two, detector="square-32", n_shots=4, progress=False)
    >>> shots = Shots.of(xfeldask.open_run(path))
    >>> shots.names()[:4]
    ['hit', 'photon_count', 'lost_photons', 'shot_status']
    >>> shots.column("hit").values.tolist(), shots.column("hit").classes
    ([1, 1, 1, 1], ((0, 'blank'), (1, 'single'), (2, 'multiple')))
    """

    run: Run
    n_shots: int
    n_stored: int
    embeddings: list[str]
    embedding: str | None
    done: NDArray[np.bool_] = field(init=False, repr=False)
    _root: xr.Dataset = field(repr=False)
    _found: xr.Dataset = field(repr=False)
    _selections: dict[str, xr.DataArray] = field(repr=False)
    _labels: dict[str, xr.DataArray] = field(repr=False)
    _background: xr.Dataset = field(repr=False)
    _makers: dict[str, Callable[[], Column]] = field(init=False, repr=False, default_factory=dict)
    _unlisted: dict[str, Callable[[], Column]] = field(init=False, repr=False, default_factory=dict)
    _known: dict[str, Column] = field(init=False, repr=False, default_factory=dict)
    _kept: dict[tuple[Any, ...], Any] = field(init=False, repr=False, default_factory=dict)
    _added: dict[str, Column] = field(init=False, repr=False, default_factory=dict)

    def __post_init__(self) -> None:
        self._makers.update(self._quantities())
        # a selection that an older version let have the name of a verdict does not take its place
        for name in self._selections.keys() & self._makers.keys():
            del self._selections[name]
        self._makers.update(self._by_people())
        if "orientation" in self._root:
            for group in GROUPS:
                self._unlisted.update({folded(name, group): partial(self._turned, name, group) for name in ANGLES})
        # before any column: a shot that is written between the two would count as done with values of before
        object.__setattr__(self, "done", np.asarray(self._root["shot_status"].values == DONE))

    @classmethod
    def of(cls, run: Run, embedding: str | None = None) -> Self:
        """Read what there is of a run, which may still be being written.

        Parameters
        ----------
        run : Run
        embedding : str, optional; by default the first that was sorted, or the first where none was

        Raises
        ------
        CorruptStoreError
            The store cannot be read.
        UnknownNameError
            The store has no such embedding.
        """
        Embedding.refuse_unknown(run, embedding)
        root, embeddings, found = run.dataset(chunks=None), run.embeddings, xr.Dataset()
        chosen = embedding or Embedding.first_name(embeddings)
        if chosen is not None:
            found = embeddings[chosen].dataset()
        n_stored = root.sizes["shot"]
        n_shots = found.sizes.get("shot", n_stored)
        return cls(
            run,
            n_shots,
            n_stored,
            list(embeddings),
            chosen,
            root.isel(shot=slice(n_shots)),
            found,
            run.selections,
            run.labels,
            background_columns(run),
        )

    @property
    def path(self) -> StorePath:
        """Path of the store."""
        return self.run.path

    @property
    def complete(self) -> bool:
        """Whether all shots of the store have been written and the embedding is of all of them."""
        return bool(self._root.attrs.get("complete", True)) and self.n_shots == self.n_stored

    @cached_property
    def n_done(self) -> int:
        """Shots that have been written, of those that columns tell of."""
        return int(self.done.sum())

    def names(self) -> list[str]:
        """List the names of all quantities: components, classes, the embedding's, the store's, the index."""
        return list({**self._makers, **self._added})

    def column(self, name: str) -> Column:
        """Return a quantity of all shots, of those that `folded` names too.

        Raises
        ------
        UnknownNameError
            The shots have no such quantity.
        """
        if name in self._added:
            return self._added[name].along(self.n_shots)
        make = self._makers.get(name) or self._unlisted.get(name)
        if make is None:
            raise UnknownNameError("quantity", name, self.names())
        if name not in self._known:
            made = make()
            values = np.ascontiguousarray(made.values)
            values.flags.writeable = False
            self._known[name] = replace(made, name=name, values=values)
        return self._known[name]

    def shown(self, name: str) -> Column:
        """Return a quantity of all shots in the unit for people; expressions take it in that of the store, as `column`.

        Raises
        ------
        UnknownNameError
            The shots have no such quantity.
        """
        column = self.column(name)
        unit = shown(column.units, column.values)
        if unit in (PLAIN, Shown(1.0, column.units)):
            return column
        key = f"{name} ({unit.name})"
        if key not in self._known:
            self._known[key] = replace(column, units=unit.name, values=unit.of(column.values))
        return self._known[key]

    @cached_property
    def components(self) -> tuple[str, ...]:
        """Names of the components of the embedding, in order; none where there is no embedding."""
        return tuple(f"c{i}" for i in range(self._found.sizes.get("component", 0)))

    @property
    def latent(self) -> NDArray[Any]:
        """All components of all shots, (shot, component), read-only; read once for all who share these shots."""
        key = ("latent",)
        if key not in self._kept:
            values = self._found["latent"].values if self.components else np.zeros((self.n_shots, 0))
            values.flags.writeable = False
            self._kept[key] = values
        latent: NDArray[Any] = self._kept[key]
        return latent

    @property
    def threshold(self) -> float | None:
        """Score at or above which shots were accepted; None where no verdict was made by a threshold."""
        try:
            return Decision.from_json(str(self._found.attrs["decision"])).threshold
        except (KeyError, CorruptStoreError):
            return None

    @property
    def symmetry(self) -> str | None:
        """Point group of the particle; None where the store does not tell."""
        return self.run.symmetry

    @property
    def checkpoints(self) -> list[int]:
        """Shots that the space was fitted to at each checkpoint whose coordinates were stored."""
        return [int(n) for n in self._found["n_fitted"].values] if "latent_history" in self._found else []

    def past(self, name: str, checkpoint: int) -> Column:
        """Return a component as it was at a checkpoint, counted from 0; any other quantity as it is; as `shown`.

        Raises
        ------
        UnknownNameError
            The shots have no such quantity.
        """
        column = self.shown(name)
        if name not in self.components:
            return column
        key = f"{name}@{checkpoint}"
        if key not in self._known:
            values = self._found["latent_history"][:, checkpoint, self.components.index(name)].values
            self._known[key] = replace(column, values=values)
        return self._known[key]

    def add(self, column: Column) -> None:
        """Add a quantity that is not in the store, in place of one of the same name that was added before.

        Where shots come that it does not tell of, they are of the first of its classes.

        Raises
        ------
        InputError
            The store has a quantity of that name.
        """
        ours = self._selections.keys() | {COLUMN + name for name in self._labels}
        if column.name in (self._makers.keys() | self._unlisted.keys()) - ours:
            raise InputError(f"there is a quantity {column.name} already; choose another name")
        self._added[column.name] = column

    @property
    def selections(self) -> dict[str, bool]:
        """Names of all selections, those that were added too, and whether the store holds them."""
        added = {name: False for name, column in self._added.items() if column.classes == NO_YES}
        return added | dict.fromkeys(self._selections, True)

    def without(self, name: str) -> Self:
        """Return the same shots without a quantity that was added."""
        out = self.own()
        out._added.pop(name, None)
        return out

    def with_added(self, other: Self) -> Self:
        """Return the same shots with what was added to others, where nothing else has that name."""
        out = self.own()
        # labels as they are on a page, which may not be in the store, take the place of those of the store
        known = (out._makers.keys() | out._unlisted.keys()) - {COLUMN + name for name in out._labels}
        out._added.update({name: column for name, column in other._added.items() if name not in known})
        return out

    def own(self) -> Self:
        """Return the same shots for one more person: what is read is shared, what is added is not."""
        out = copy(self)
        object.__setattr__(out, "_added", dict(self._added))
        return out

    def kept(self, make: Callable[..., Any], *names: str) -> Any:
        """Return what `make` makes of the values of some quantities as `shown`, once for all who share these shots.

        Quantities that were added are not shared, and what is made of them is made anew.
        """
        if self._added.keys() & set(names):
            return make(*(self.shown(name).values for name in names))
        # functions of one name are not one function
        key = (make, *names)
        if key not in self._kept:
            self._kept[key] = make(*(self.shown(name).values for name in names))
        return self._kept[key]

    def _quantities(self) -> Iterator[tuple[str, Callable[[], Column]]]:
        for i, component in enumerate(self.components):
            yield component, partial(self._component, i)
        if "n_particles" in self._root:
            yield "hit", self._hit
            if "is_single" in self._found:
                yield "confusion", self._confusion
        known = [*self._found.data_vars.items(), *self._root.data_vars.items()]
        # what shots are known by is a coordinate, and still a quantity to look at
        known += [(name, variable) for name, variable in self._root.coords.items() if name != "shot"]
        for name, variable in known:
            if variable.dims == ("shot",) and variable.dtype.kind in _NUMBERS:
                yield str(name), partial(column_of, variable)
        for name, variable in self._root.data_vars.items():
            if variable.dims == ("shot", "particle") and variable.dtype.kind in _NUMBERS:
                yield str(name), partial(column_of, variable[:, 0], ", first particle")
        if "orientation" in self._root:
            for name in ANGLES:
                yield name, partial(self._turned, name)
        yield "shot", self._index
        for name, variable in self._background.data_vars.items():
            yield str(name), partial(column_of, variable[: self.n_shots])

    def _by_people(self) -> Iterator[tuple[str, Callable[[], Column]]]:
        for name, selected in self._selections.items():
            yield name, partial(column_of, selected[: self.n_shots])
        for name, label in self._labels.items():
            yield COLUMN + name, partial(column_of, label[: self.n_shots])

    def _component(self, i: int) -> Column:
        latent = self._found["latent"]
        return Column("", f"component {i}", str(latent.attrs.get("units", "1")), latent[:, i].values)

    def _hit(self) -> Column:
        flags = OF_KINDS.flags if "species" in self._root else LATENT["verdict"].flags
        return Column("", "what was simulated", "1", true_kinds(self.run)[: self.n_shots], flags)

    def _confusion(self) -> Column:
        kind = confusion_class(self.column("hit").values == SINGLE, self.column("is_single").values)
        classes = tuple((code, outcome.name) for code, outcome in enumerate(OUTCOMES))
        return Column("", "verdict against truth", "1", kind, classes)

    def _index(self) -> Column:
        return Column("", "shot", "1", np.asarray(self._root.indexes["shot"], np.int64))

    def _turned(self, name: str, group: str = "") -> Column:
        label = f"{ANGLES[name]}, folded by {group}" if group else ANGLES[name]
        return Column("", label, "degree", self._angles(group)[list(ANGLES).index(name)])

    def _angles(self, group: str) -> tuple[NDArray[np.float64], ...]:
        key = ("angles", group)
        if key not in self._kept:
            q = self._root["orientation"][:, 0].values
            self._kept[key] = axis_angles(fold(q, symmetry_group(group)) if group else q)
        angles: tuple[NDArray[np.float64], ...] = self._kept[key]
        return angles
