"""Selections: made by hand and in words, combined, undone, named, and recalled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import param

from xfeldask.errors import InputError, XfeldaskError
from xfeldask.explorer.model.history import History, Selection
from xfeldask.explorer.model.masks import COMBINATIONS, Mask, combine
from xfeldask.explorer.model.outline import Outline
from xfeldask.store.choosing.columns import NO_YES, Column, Shots
from xfeldask.store.choosing.expression import select
from xfeldask.store.results.selections import publish_selection, refuse_taken, remove_selection


class Selecting(param.Parameterized):
    """Mixin: which shots are selected and which are visible; subclasses provide the shots."""

    where = param.String("", doc="expression whose shots are selected; empty where the pointer selected them")
    outline = param.String("", doc="lasso or box whose shots are selected; empty where other things selected them")
    combination = param.String("replace", regex="|".join(COMBINATIONS), doc="what a gesture does")
    saved = param.List([], item_type=str, doc="names of selections that were saved")
    selected = param.Parameter(None, doc="bool (shot,)")

    if TYPE_CHECKING:
        shots: Shots

        @property
        def visible(self) -> Mask:
            """Shots that can be selected by hand."""

        def column(self, name: str) -> Column:
            """Return a quantity as it is drawn."""

        def reopen(self, embedding: str | None = None) -> None:
            """Read the store anew."""

    def __init__(self, **params: Any) -> None:
        super().__init__(**params)  # type: ignore[no-untyped-call]
        self.history = History()

    @property
    def chosen(self) -> Mask:
        """Shots that are selected and visible, all visible ones where there are none, bool (shot,)."""
        visible = self.visible
        both = self.selected & visible
        return both if both.any() else visible

    def choose(self, mask: Mask, combination: str | None = None) -> None:
        """Let a gesture select shots, as `combination` has it."""
        self._leave(combine(self.selected, mask & self.visible, combination or self.combination))

    def draw(self, outline: Outline) -> None:
        """Let a lasso or a box select shots, as `combination` has it.

        Raises
        ------
        UnknownNameError
            The shots have no such quantity.
        """
        inside = outline.inside(lambda name: self.column(name).values)
        chosen = combine(self.selected, inside & self.visible, self.combination)
        # of what else was combined with it, or left out of it, an outline would not tell
        alone = self.combination == "replace" and np.array_equal(chosen, inside & self.shots.done)
        self._leave(chosen, outline=outline.text if alone else "")

    def choose_where(self, expression: str) -> None:
        """Select the shots that an expression is true of.

        Raises
        ------
        InputError
            The expression cannot be understood.
        """
        mask = self.matching(expression) if expression.strip() else np.zeros(self.shots.n_shots, bool)
        self._leave(mask, expression.strip())

    def matching(self, expression: str) -> Mask:
        """Find the shots that an expression is true of, bool (shot,)."""
        return select(expression, self.shots.column, self.shots.n_shots)

    def invert(self) -> None:
        """Select what is not selected."""
        self._leave(~self.selected, f"not ({self.where})" if self.where else "")

    def undo(self) -> bool:
        """Go back to the selection before; return whether there was one."""
        return self._go(self.history.undo(self._now()))

    def redo(self) -> bool:
        """Select again what was undone last; return whether there was anything."""
        return self._go(self.history.redo(self._now()))

    def save(self, name: str, write: bool = False, mask: Mask | None = None) -> None:
        """Give a selection a name, by which it can be coloured, plotted, and selected again.

        Parameters
        ----------
        name : str
        write : bool, into the store too, for all who open it
        mask : bool (shot,), by default what is selected

        Raises
        ------
        InputError
            The name cannot be, or is taken; the store cannot be written.
        """
        refuse_taken(self.shots.run, name)
        chosen, where = (self.selected.copy(), self.where) if mask is None else (mask, "")
        self.shots.add(Column(name, f"selection {name}", "1", chosen, NO_YES))
        if write:
            whole = np.zeros(self.shots.n_stored, bool)
            whole[: len(chosen)] = chosen
            publish_selection(self.shots.run, name, whole, where)
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
        self.let_go(name)

    def let_go(self, name: str) -> None:
        """Know a quantity no more that was added."""
        self.shots = self.shots.without(name)
        if self.where == name:
            self.where = ""
        # first what is looked at: lists would choose another quantity by themselves in place of one that is gone
        self.reopen(self.shots.embedding)
        with param.parameterized.batch_call_watchers(self):
            self.saved = [known for known in self.saved if known != name]
            self.param.trigger("saved")

    def _now(self) -> Selection:
        return Selection.of(self.selected, self.where, self.outline)

    def _leave(self, mask: Mask, where: str = "", outline: str = "") -> None:
        """Select shots; what was selected can be gone back to."""
        now = self._now()
        if not now.same(Selection.of(mask, where, outline)):
            self.history.leave(now)
        self._select(mask, where, outline)

    def _select(self, mask: Mask, where: str = "", outline: str = "") -> None:
        with param.parameterized.batch_call_watchers(self):
            self.param.update(where=where, outline=outline)
            self.selected = mask

    def _go(self, to: Selection | None) -> bool:
        if to is None:
            return False
        mask, where = to.mask(self.shots.n_shots), to.where
        try:
            # the words may tell of other shots by now, or of none: a selection that they name may be deleted
            where = where if where and np.array_equal(self.matching(where), mask) else ""
        except XfeldaskError:
            where = ""
        self._select(mask, where, to.outline if self._tells(to.outline, mask) else "")
        return True

    def _tells(self, outline: str, mask: Mask) -> bool:
        """Whether an outline selects these shots of what is looked at now."""
        if not outline:
            return False
        try:
            inside = Outline.read(outline).inside(lambda name: self.column(name).values)
        except XfeldaskError:
            return False
        return bool(np.array_equal(inside & self.shots.done, mask))
