"""What one person looks at: shots, axes, colours, a selection, one shot. Views watch it, and it knows none of them."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import param
from numpy.typing import NDArray

from xfeldask.errors import InputError
from xfeldask.explorer.model.labels import Labels
from xfeldask.explorer.model.masks import COMBINATIONS, Mask, combine
from xfeldask.explorer.model.palette import class_colours
from xfeldask.explorer.model.pictures import PHOTONS, ZOOMS
from xfeldask.explorer.model.shared import shared_shots
from xfeldask.store.by_name import check_name
from xfeldask.store.columns import NO_YES, Column
from xfeldask.store.expression import select
from xfeldask.store.selections import WHAT, publish_selection, remove_selection
from xfeldask.units import shown, with_unit

DENSITY, HEXAGONS = "density", "hexagons"
COUNTS = (DENSITY, HEXAGONS)
"""What colours tell besides quantities: how many shots are in a pixel, or in a hexagon."""
MOST_CLASSES = 12
"""Different whole numbers up to which a quantity is shown as classes."""


class Session(param.Parameterized):
    """One person's view of a store.

    Parameters
    ----------
    path : str or Path, of the store

    Examples
    --------
    >>> import tempfile, xfeldask
    >>> path, two = tempfile.mkdtemp() + "/run.zarr", ([[0, 0, 0], [2e-9, 0, 0]], ["C", "C"])
    >>> _ = xfeldask.simulate(path, particle=two, detector="square-32", n_shots=4, progress=False)
    >>> session = Session(path)
    >>> session.choose_where("shot < 2")
    >>> session.selected.tolist()
    [True, True, False, False]
    """

    embedding = param.String(None, allow_None=True, doc="the latent space that is looked at")
    x = param.String("", doc="quantity along x")
    y = param.String("", doc="quantity along y")
    colour = param.String("", doc="quantity that colours tell, or one of `COUNTS`")
    hidden = param.List([], item_type=str, doc="classes of `colour` that are left out")
    where = param.String("", doc="expression whose shots are selected; empty where the pointer selected them")
    combination = param.String("replace", regex="|".join(COMBINATIONS), doc="what a gesture does")
    checkpoint = param.Integer(-1, bounds=(-1, None), doc="checkpoint of the fit, -1 for the latent space itself")
    saved = param.List([], item_type=str, doc="names of selections that were saved")
    zoom = param.String(PHOTONS, doc="part of the detector that pictures of patterns show, one of `ZOOMS`")
    shot = param.Integer(None, allow_None=True, doc="the shot that is pinned")
    selected = param.Parameter(None, doc="bool (shot,)")
    may_write = param.Boolean(False, doc="whether the store may be written")

    def __init__(self, path: str | Path, embedding: str | None = None, **params: Any) -> None:
        super().__init__(**params)  # type: ignore[no-untyped-call]
        self.shots = shared_shots(path, embedding)
        self._settle()

    @cached_property
    def labels(self) -> Labels:
        """Labels that this person gives."""
        return Labels(self)

    def reopen(self, embedding: str | None = None) -> None:
        """Read the store anew: another of its embeddings, or what has come since."""
        self.shots = shared_shots(self.shots.path, embedding).with_added(self.shots)
        if self.embedding is None and self.shots.embedding is not None:
            # the first one is what somebody was waiting for
            with param.parameterized.discard_events(self):
                self.param.update(x="", y="", colour="")
        self._settle()

    def look_again(self) -> None:
        """Read the store anew if there is more in it than before."""
        now = shared_shots(self.shots.path, self.embedding)
        if (now.n_done, now.complete) != (self.shots.n_done, self.complete):
            self.reopen(self.embedding)

    @property
    def complete(self) -> bool:
        """Whether the store is complete."""
        return self.shots.complete

    @property
    def quantities(self) -> list[str]:
        """Names that axes can have."""
        return self.shots.names()

    @property
    def visible(self) -> Mask:
        """Shots that have been written and whose class is not hidden, bool (shot,)."""
        out = self.shots.done.copy()
        if self.hidden and self.colour not in COUNTS:
            column = self.shots.column(self.colour)
            for value, meaning in self.classes(self.colour):
                if meaning in self.hidden:
                    out &= column.values != value
        return out

    def column(self, name: str) -> Column:
        """Return a quantity along an axis, as of the checkpoint that is chosen, in the unit for people."""
        shots = self.shots
        here = 0 <= self.checkpoint < len(shots.checkpoints)
        return shots.past(name, self.checkpoint) if here else shots.shown(name)

    def classes(self, name: str) -> tuple[tuple[int, str], ...]:
        """Return values and meanings of a quantity that has few, else nothing."""
        column = self.shots.column(name)
        if column.classes or column.values.dtype.kind not in "biu":
            return column.classes
        found: tuple[tuple[int, str], ...] = self.shots.kept(few_values, name)
        return found

    def colours(self, name: str) -> dict[str, str]:
        """Return the colours of the classes of a quantity by meaning."""
        return class_colours(tuple(meaning for _, meaning in self.classes(name)))

    def counts(self, name: str) -> dict[str, int]:
        """Count the shots of each class of a quantity by meaning."""
        values = self.shots.column(name).values
        return {meaning: int((values == value).sum()) for value, meaning in self.classes(name)}

    @property
    def typed_units(self) -> dict[str, str]:
        """Units that numbers in an expression have, of the quantities that are shown in another, by name."""
        columns = {name: self.shots.column(name) for name in self.quantities}
        other = {name: c.units for name, c in columns.items() if shown(c.units, c.values).factor != 1}
        return {name: shown(units).name if shown(units).factor == 1 else units for name, units in other.items()}

    def choose(self, mask: Mask) -> None:
        """Let a gesture select shots, as `combination` has it."""
        with param.parameterized.batch_call_watchers(self):
            self.where = ""
            self.selected = combine(self.selected, mask & self.visible, self.combination)

    def choose_where(self, expression: str) -> None:
        """Select the shots that an expression is true of.

        Raises
        ------
        InputError
            The expression cannot be understood.
        """
        mask = self.matching(expression) if expression.strip() else np.zeros(self.shots.n_shots, bool)
        with param.parameterized.batch_call_watchers(self):
            self.where = expression.strip()
            self.selected = mask

    def matching(self, expression: str) -> Mask:
        """Find the shots that an expression is true of, bool (shot,)."""
        return select(expression, self.shots.column, self.shots.n_shots)

    def all_alike(self, name: str) -> str:
        """Say that a quantity is the same for all shots, and what it is; nothing where it is not, or has classes."""
        column = self.shots.column(name)
        if column.classes or not self.shots.kept(is_constant, name):
            return ""
        return f"{column.label}: {self.about(0, [name])[name]} in every shot"

    def save(self, name: str, write: bool = False) -> None:
        """Give the selection a name, by which it can be coloured, plotted, and selected again.

        Parameters
        ----------
        name : str
        write : bool, into the store too, for all who open it

        Raises
        ------
        InputError
            The name cannot be, or is taken; the store cannot be written.
        """
        check_name(name, WHAT)
        self.shots.add(Column(name, f"selection {name}", "1", self.selected.copy(), NO_YES))
        if write:
            whole = np.zeros(self.shots.n_stored, bool)
            whole[: len(self.selected)] = self.selected
            publish_selection(self.shots.run, name, whole, self.where)
        self.saved = [*(known for known in self.saved if known != name), name]

    @property
    def selections(self) -> dict[str, int]:
        """Shots of each selection that has a name."""
        return {name: int(self.shots.column(name).values.sum()) for name in self.shots.selections}

    def recall(self, name: str) -> None:
        """Let a selection that has a name be the next one, as `combination` has it."""
        if self.combination == "replace":
            self.choose_where(name)
        else:
            self.choose(self.shots.column(name).values.astype(bool))

    def forget(self, name: str, write: bool = False) -> None:
        """Remove a selection that has a name.

        Parameters
        ----------
        name : str
        write : bool, from the store too

        Raises
        ------
        InputError
            The store holds it, and is not to be written, or cannot be.
        """
        if name in self.shots.run.selections:
            if not write:
                raise InputError(f"the selection {name} is in the store; start with --allow-write to delete it")
            remove_selection(self.shots.run, name)
        self.shots = self.shots.without(name)
        if self.where == name:
            self.where = ""
        # first what is looked at: lists would choose another quantity by themselves in place of one that is gone
        self.reopen(self.embedding)
        with param.parameterized.batch_call_watchers(self):
            self.saved = [known for known in self.saved if known != name]
            self.param.trigger("saved")

    def invert(self) -> None:
        """Select what is not selected."""
        with param.parameterized.batch_call_watchers(self):
            self.where = f"not ({self.where})" if self.where else ""
            self.selected = ~self.selected

    def step(self, by: int) -> int | None:
        """Pin the next shot of the selection, or of all where nothing is selected; -1 for the one before."""
        at = self._among()
        if not len(at):
            return None
        here = -1 if self.shot is None else self.shot
        place = np.searchsorted(at, here, "right" if by > 0 else "left")
        shot = int(at[(place if by > 0 else place - 1) % len(at)])
        self.shot = shot
        return shot

    def jump(self, rng: np.random.Generator) -> int | None:
        """Pin a random shot of the selection, or of all where nothing is selected."""
        at = self._among()
        if len(at):
            self.shot = int(rng.choice(at))
        return self.shot if len(at) else None

    def about(self, shot: int, names: Iterable[str] | None = None) -> dict[str, str]:
        """Describe a shot for people: values with their units by name; of all quantities unless told."""
        out = {}
        for name in self.shots.names() if names is None else names:
            column = self.shots.shown(name)
            out[name] = told(column, shot, dict(self.classes(name)))
        return out

    def _among(self) -> NDArray[np.int64]:
        return np.flatnonzero(self.selected & self.visible if self.selected.any() else self.visible)

    def _settle(self) -> None:
        """Replace what the store does not have by what it has, keeping what can be kept."""
        names = self.quantities
        axes = [name for name in names if name.startswith("c") and name[1:].isdigit()] or ["photon_count", "shot"]
        with param.parameterized.batch_call_watchers(self):
            self.embedding = self.shots.embedding
            for axis, default in zip("xy", (*axes, "photon_count"), strict=False):
                if getattr(self, axis) not in names:
                    setattr(self, axis, default)
            if self.colour not in (*names, *COUNTS):
                self.colour = "verdict" if "verdict" in names else DENSITY
            if self.zoom not in ZOOMS:
                self.zoom = PHOTONS
            if self.shot is not None and not 0 <= self.shot < self.shots.n_shots:
                self.shot = None
            old = np.zeros(0, bool) if self.selected is None else self.selected
            selected = np.zeros(self.shots.n_shots, bool)
            selected[: len(old)] = old[: len(selected)]
            self.selected = selected
            if self.where:
                self.choose_where(self.where)

    @cached_property
    def rng(self) -> np.random.Generator:
        """Generator of random shots."""
        return np.random.default_rng()


def few_values(values: NDArray[Any]) -> tuple[tuple[int, str], ...]:
    """Take whole numbers as classes, each its own meaning, if there are few, and more than one.

    Examples
    --------
    >>> few_values(np.array([2, 0, 2]))
    ((0, '0'), (2, '2'))
    """
    found = np.unique(values)
    return tuple((int(value), str(value)) for value in found) if 2 <= len(found) <= MOST_CLASSES else ()


def is_constant(values: NDArray[Any]) -> bool:
    """Whether all values are one number.

    Examples
    --------
    >>> is_constant(np.array([3.0, 3.0])), is_constant(np.array([3.0, np.nan])), is_constant(np.zeros(0))
    (True, False, False)
    """
    return bool(len(values) and (values == values[0]).all())


def told(column: Column, shot: int, meanings: dict[int, str]) -> str:
    """Write a quantity of a shot for people, in the unit of the column.

    Raises
    ------
    InputError
        There is no such shot.

    Examples
    --------
    >>> told(Column("separation", "distance", "nm", np.array([34.5678])), 0, {})
    '34.57 nm'
    """
    if not 0 <= shot < len(column.values):
        raise InputError(f"there are shots 0 to {len(column.values) - 1}, got {shot}")
    value = column.values[shot]
    if meanings:
        return meanings.get(int(value), str(value))
    if not np.isfinite(value):
        return "none"
    text = f"{value:,}" if column.values.dtype.kind in "iu" else f"{value:.4g}"
    return text if column.units in ("1", "count") else with_unit(text, column.units)
