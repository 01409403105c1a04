"""What one person looks at: shots, axes, colours, a selection, one shot. Views watch it, and it knows none of them."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from functools import cached_property
from typing import Any

import numpy as np
import param
from numpy.typing import NDArray

from xfeldask.errors import InputError, XfeldaskError
from xfeldask.explorer.model.labels import Labels
from xfeldask.explorer.model.masks import Mask
from xfeldask.explorer.model.outline import Outline
from xfeldask.explorer.model.palette import class_colours
from xfeldask.explorer.model.pictures import PHOTONS, ZOOMS
from xfeldask.explorer.model.selection import Selecting
from xfeldask.explorer.model.shapes import class_shapes
from xfeldask.explorer.model.shared import shared_shots, stamp
from xfeldask.explorer.model.words import called
from xfeldask.store.choosing.columns import Column
from xfeldask.store.results.reconstruction import Reconstruction
from xfeldask.store.run import Run
from xfeldask.store.storage.lock import makers
from xfeldask.store.storage.urls import StorePath
from xfeldask.units import shown, with_unit

DENSITY, HEXAGONS = "density", "hexagons"
COUNTS = (DENSITY, HEXAGONS)
"""What colours tell besides quantities: how many shots are in a pixel, or in a hexagon."""
PROBABILITY, NEGLIGIBLE = "probability", 0.001
"""How names of probabilities begin, and how near to 0 or 1 people need not know one."""
MOST_CLASSES = 12
"""Different whole numbers up to which a quantity is shown as classes."""


class Session(Selecting):
    """One person's view of a store.

    Parameters
    ----------
    path : str, Path or URL, of the store

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
    checkpoint = param.Integer(-1, bounds=(-1, None), doc="checkpoint of the fit, -1 for the latent space itself")
    view = param.List([], item_type=float, doc="range of x and of y that is looked at; empty for all of it")
    zoom = param.String(PHOTONS, doc="part of the detector that pictures of patterns show, one of `ZOOMS`")
    rings = param.Boolean(False, doc="whether pictures of patterns show rings of equal resolution")
    shot = param.Integer(None, allow_None=True, doc="the shot that is pinned")
    dark = param.Boolean(False, doc="whether the page is dark")
    rebuilt = param.Dict({}, doc="when each reconstruction of the store was written")
    blind = param.Boolean(False, doc="whether a person gives labels, and so is not told the truth of a shot")
    may_write = param.Boolean(False, doc="whether the store may be written")

    def __init__(self, path: str | StorePath, embedding: str | None = None, **params: Any) -> None:
        super().__init__(**params)
        self.shots = shared_shots(path, embedding)
        self.rebuilt = rebuilt(self.shots.run)
        self._settle()
        if self.outline and not self.where:
            drawn = Outline.read(self.outline)
            self.selected = drawn.inside(lambda name: self.column(name).values) & self.shots.done

    @cached_property
    def labels(self) -> Labels:
        """Labels that this person gives."""
        return Labels(self)

    def reopen(self, embedding: str | None = None) -> None:
        """Read the store anew: another of its embeddings, or what has come since."""
        before = self.shots
        self.shots = shared_shots(before.path, embedding).with_added(before)
        if (self.shots.embedding, self.shots.n_done) != (before.embedding, before.n_done):
            # coordinates are others, or of more shots
            self.outline = ""
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
        self.rebuilt = rebuilt(self.shots.run)

    @property
    def complete(self) -> bool:
        """Whether the store is complete."""
        return self.shots.complete

    @property
    def grows(self) -> bool:
        """Whether shots or reconstructions of the store are still being made, as far as can be told."""
        return not self.complete or bool(makers(self.shots.path, Reconstruction.room))

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

    def shapes(self, name: str) -> dict[str, str]:
        """Return the shapes of the classes of a quantity by meaning."""
        return class_shapes([meaning for _, meaning in self.classes(name)])

    def counts(self, name: str, among: Mask | None = None) -> dict[str, int]:
        """Count the shots of each class of a quantity by meaning, of all shots or among some."""
        values = self.shots.column(name).values
        values = values if among is None else values[among]
        return {meaning: int((values == value).sum()) for value, meaning in self.classes(name)}

    @property
    def typed_units(self) -> dict[str, str]:
        """Units that numbers in an expression have, of the quantities that are shown in another, by name."""
        columns = {name: self.shots.column(name) for name in self.quantities}
        other = {name: c.units for name, c in columns.items() if shown(c.units, c.values).factor != 1}
        return {name: shown(units).name if shown(units).factor == 1 else units for name, units in other.items()}

    def all_alike(self, name: str) -> str:
        """Say that a quantity is the same for all shots, and what it is; nothing where it is not, or has classes."""
        column = self.shots.column(name)
        if column.classes or not self.shots.kept(is_constant, name):
            return ""
        return f"{called(column)}: {self.about(0, [name])[name]} in every shot"

    def step(self, by: int) -> int | None:
        """Pin the next of the shots that are `chosen`; -1 for the one before."""
        at = np.flatnonzero(self.chosen)
        if not len(at):
            return None
        here = -1 if self.shot is None else self.shot
        place = np.searchsorted(at, here, "right" if by > 0 else "left")
        shot = int(at[(place if by > 0 else place - 1) % len(at)])
        self.shot = shot
        return shot

    def jump(self, rng: np.random.Generator) -> int | None:
        """Pin a random one of the shots that are `chosen`."""
        at = np.flatnonzero(self.chosen)
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

    def _settle(self) -> None:
        """Replace what the store does not have by what it has, keeping what can be kept."""
        names = self.quantities
        axes = self.shots.components or ("photon_count", "shot")
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
                self._settle_where()

    def _settle_where(self) -> None:
        """Select by the same words again; words that name what an embedding has not are dropped."""
        try:
            self._select(self.matching(self.where), self.where)
        except XfeldaskError:
            if self.history.steps == (0, 0):
                # those of an address, which whoever opened it is told of
                raise
            self.where = ""

    @cached_property
    def rng(self) -> np.random.Generator:
        """Generator of random shots."""
        return np.random.default_rng()


def lasting_state(store: StorePath, embedding: str | None = None) -> Hashable:
    """Return what is other when a new session of a store would be; None as long as the store grows, or cannot be read.

    Examples
    --------
    >>> import tempfile, xfeldask
    >>> path, two = tempfile.mkdtemp() + "/run.zarr", ([[0, 0, 0], [2e-9, 0, 0]], ["C", "C"])
    >>> _ = xfeldask.simulate(path, particle=two, detector="square-32", n_shots=4, progress=False)
    >>> lasting_state(path) == lasting_state(path), lasting_state("elsewhere.zarr")
    (True, None)
    """
    try:
        session = Session(store, embedding)
        return None if session.grows else (stamp(store, embedding), *session.rebuilt.items())
    except (XfeldaskError, OSError):
        return None


def rebuilt(run: Run) -> dict[str, object]:
    """Return when each reconstruction of a run was written last, by name."""
    return {name: run.place.stamp(f"{made.group_path}/zarr.json") for name, made in run.reconstructions.items()}


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
    >>> likely = Column("probability_single", "probability of a single hit", "1", np.array([1e-40, 0.98, 1.0]))
    >>> [told(likely, shot, {}) for shot in range(3)]
    ['<0.001', '0.98', '>0.999']
    """
    if not 0 <= shot < len(column.values):
        raise InputError(f"there are shots 0 to {len(column.values) - 1}, got {shot}")
    value = column.values[shot]
    if meanings:
        return meanings.get(int(value), str(value))
    if not np.isfinite(value):
        return "none"
    if column.name.startswith(PROBABILITY) and min(value, 1 - value) < NEGLIGIBLE:
        return f"<{NEGLIGIBLE:g}" if value < NEGLIGIBLE else f">{1 - NEGLIGIBLE:g}"
    text = f"{value:,}" if column.values.dtype.kind in "iu" else f"{value:.4g}"
    return text if column.units in ("1", "count") else with_unit(text, column.units)
