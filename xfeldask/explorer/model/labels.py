"""Labels that a person gives shots: given, taken back, given again, and which shot to look at next."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from threading import Lock, Thread
from typing import TYPE_CHECKING

import numpy as np
import param
from numpy.typing import ArrayLike, NDArray

from xfeldask.errors import XfeldaskError
from xfeldask.store.choosing.columns import Column, Shots
from xfeldask.store.results.by_name import check_name
from xfeldask.store.results.labels import (
    COLUMN,
    LABELS,
    NO_LABEL,
    NONE,
    WHO,
    check_class,
    classes_of,
    number,
    read_labels,
    values_of,
    write_labels,
)
from xfeldask.store.run import Run

if TYPE_CHECKING:
    from xfeldask.explorer.model.session import Session

ME = "me"
"""What labels are called whose person gave no name."""


@dataclass(frozen=True, eq=False)
class Step:
    """A label that was given to one shot or to several at once.

    Attributes
    ----------
    shots : int (n,)
    before : int8 (n,), what they were labelled
    after : int, what they are labelled since
    """

    shots: NDArray[np.int64]
    before: NDArray[np.int8]
    after: int


class Labels(param.Parameterized):
    """Labels of one person.

    Parameters
    ----------
    session : Session, whose shots are labelled

    Examples
    --------
    >>> import tempfile, xfeldask
    >>> from xfeldask.explorer.model.session import Session
    >>> path, two = tempfile.mkdtemp() + "/run.zarr", ([[0, 0, 0], [2e-9, 0, 0]], ["C", "C"])
    >>> _ = xfeldask.simulate(path, particle=two, detector="square-32", n_shots=4, progress=False)
    >>> labels = Session(path).labels
    >>> labels.give(2, "single")
    >>> labels.undo(), labels.redo(), labels.of(2), sorted(labels.queue(5).tolist())
    ([2], [2], 'single', [0, 1, 3])
    >>> labels.name_class("ice")
    >>> labels.give([0, 3], "ice")
    >>> labels.counts["ice"], labels.undo()
    (2, [0, 3])
    """

    person = param.String("", doc="who gives labels; empty where nobody said")
    changes = param.Integer(0, doc="rises at each change")

    def __init__(self, session: Session) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._session = session
        self.values = np.full(session.shots.n_stored, NO_LABEL, np.int8)
        self.classes = dict(LABELS)
        self._done: list[Step] = []
        self._undone: list[Step] = []
        self._others: dict[str, tuple[list[Step], list[Step]]] = {}
        self._sure: tuple[Shots, NDArray[np.int64]] | None = None

    def sign(self, person: str) -> None:
        """Give labels under a name: on top of those that the store has by it come those of this page.

        Labels that were given before there was a name are given by this person, those under another name are not.

        Raises
        ------
        InputError
            What is no name.
        """
        check_name(person, WHO)
        self.values = self._stored(person)
        if self.person and person != self.person:
            self._others[self.person] = self._done, self._undone
            self._done, self._undone = self._others.pop(person, ([], []))
        again = [self._given(step) for step in self._done]
        is_first = not self.person
        if is_first:
            # what a shot was labelled before is now what the store had
            self._done = again
        self.person = person
        self._tell()
        if is_first and person != ME:
            self._rename()

    def _rename(self) -> None:
        """Look at labels under the name of their person, and know those no more that had none."""
        session, old, new = self._session, COLUMN + ME, COLUMN + self.person
        if old in session.shots.names():
            session.param.update(**{axis: new for axis in ("x", "y", "colour") if getattr(session, axis) == old})
            session.let_go(old)

    def _stored(self, person: str) -> NDArray[np.int8]:
        """Read the labels that the store has of a person, in the numbers of this page, int8 (shot,)."""
        known = read_labels(self._session.shots.run).get(person)
        if known is None:
            return np.full(self.values.shape, NO_LABEL, np.int8)
        # the store may have other numbers for the classes that this page knows; what is not known has none
        numbers = np.full(256, NO_LABEL, np.int8)
        for name, value in classes_of(known).items():
            numbers[value] = number(self.classes, name)
        return np.asarray(numbers[values_of(known)])

    def _given(self, step: Step) -> Step:
        """Take a step from the labels that there are now, and return it with what they were."""
        before = self.values[step.shots]
        self.values[step.shots] = step.after
        return replace(step, before=before)

    def name_class(self, name: str) -> None:
        """Let labels be a class of one's own too.

        Raises
        ------
        InputError
            What is no name; too many classes.
        """
        check_class(name)
        number(self.classes, name)
        self._tell()

    def give(self, shots: ArrayLike, label: str) -> None:
        """Label a shot, or several at once, with one of `classes`."""
        at = np.atleast_1d(np.asarray(shots, np.int64))
        self._done.append(self._given(Step(at, self.values[at], self.classes[label])))
        self._undone.clear()
        self._tell()

    def undo(self) -> list[int]:
        """Take back what was labelled last; return its shots, none where nothing was labelled."""
        if not self._done:
            return []
        step = self._done.pop()
        self._undone.append(step)
        self.values[step.shots] = step.before
        self._tell()
        return [int(shot) for shot in step.shots]

    def redo(self) -> list[int]:
        """Give again what was taken back last; return its shots, none where there is nothing."""
        if not self._undone:
            return []
        step = self._given(self._undone.pop())
        self._done.append(step)
        self._tell()
        return [int(shot) for shot in step.shots]

    @property
    def given(self) -> list[int]:
        """Shots that this person labelled on this page."""
        return sorted({shot for step in self._done for shot in step.shots.tolist()})

    def _tell(self) -> None:
        """Let the page know labels as a quantity, to be coloured and selected by."""
        shots = self._session.shots
        name = COLUMN + (self.person or ME)
        is_new = name not in shots.names()
        classes = ((NO_LABEL, NONE), *self._names.items())
        shots.add(Column(name, f"label by {self.person or ME}", "1", self.values.copy(), classes))
        if is_new:
            self._session.param.trigger("saved")
        elif self._session.colour == name:
            self._session.param.trigger("colour")
        self.changes += 1

    def of(self, shot: int) -> str | None:
        """Return the label of a shot, None where it has none."""
        return self._names.get(int(self.values[shot]))

    def known_as(self, shots: Iterable[int]) -> dict[int, str | None]:
        """Return the labels of some shots, None where one has none."""
        names = self._names
        return {int(shot): names.get(int(self.values[shot])) for shot in shots}

    @property
    def _names(self) -> dict[int, str]:
        return {value: name for name, value in self.classes.items()}

    @property
    def counts(self) -> dict[str, int]:
        """Shots of each label."""
        return {name: int((self.values == value).sum()) for name, value in self.classes.items()}

    @property
    def n(self) -> int:
        """Shots that have a label."""
        return int((self.values != NO_LABEL).sum())

    def queue(self, k: int) -> NDArray[np.int64]:
        """Find the shots without a label whose labels would say most, of the selected ones where some are."""
        order, among = self._order(), self._session.chosen
        free = order[(self.values[order] == NO_LABEL) & among[order]]
        return np.asarray(free[:k])

    def _order(self) -> NDArray[np.int64]:
        """All shots in the order in which labels are asked for."""
        shots = self._session.shots
        if self._sure is None or self._sure[0] is not shots:
            self._sure = shots, asked_for(shots)
        return self._sure[1]

    def csv(self) -> bytes:
        """Write all labels as a table of two columns: absolute indices of shots, and what they were labelled."""
        at = np.flatnonzero(self.values != NO_LABEL)
        index = np.asarray(self._session.shots.run.read("shot"))[at]
        names = self._names
        rows = [f"{shot},{names[int(self.values[i])]}" for shot, i in zip(index, at, strict=True)]
        return "\n".join(["shot,label", *rows, ""]).encode()


def asked_for(shots: Shots) -> NDArray[np.int64]:
    """Return all shots in the order in which labels are asked for.

    Those come first whose labels would say most of kinds, as `find_kinds` told; all others follow as the rule is least
    sure of them.
    """
    order = np.argsort(doubt(shots), kind="stable")
    decision = None if shots.embedding is None else shots.run.embedding(shots.embedding).decision
    asked = () if decision is None else decision.next_to_label or ()
    index = shots.column("shot").values
    places = np.flatnonzero(np.isin(index, asked))
    place = dict(zip(index[places].tolist(), places.tolist(), strict=True))
    first = np.array([place[shot] for shot in asked if shot in place], np.int64)
    return np.concatenate([first, order[~np.isin(order, first)]])


def doubt(shots: Shots) -> NDArray[np.float64]:
    """Return how far each shot is from where the rule would change its mind, NaN where it has no opinion.

    That is the distance of its score to the threshold, else of its probability to a half; without a rule, chance
    orders the shots, the same each time.
    """
    names = shots.names()
    if "score" in names and shots.threshold is not None:
        return np.abs(np.asarray(shots.column("score").values, np.float64) - shots.threshold)
    if "probability_single" in names:
        return np.abs(np.asarray(shots.column("probability_single").values, np.float64) - 0.5)
    if "score" in names:
        score = np.asarray(shots.column("score").values, np.float64)
        return np.abs(score - np.nanmedian(score))
    return np.random.default_rng(0).random(shots.n_shots)


class Keeper:
    """Writes labels into the store in a thread of its own, all that have come since the last time at once.

    Parameters
    ----------
    run : Run
    tell : called with a fault as a sentence, or with nothing when all is written
    """

    def __init__(self, run: Run, tell: Callable[[str], object]) -> None:
        self._run, self._tell, self._lock = run, tell, Lock()
        self._failed: dict[str, dict[int, str | None]] = {}
        self._faults: dict[str, str] = {}
        self._waiting: dict[str, dict[int, str | None]] = {}
        self._thread: Thread | None = None

    def keep(self, person: str, changes: Mapping[int, str | None]) -> None:
        """Write changes of a person's labels soon, None where one was taken back."""
        with self._lock:
            self._waiting.setdefault(person, {}).update(changes)
            if self._thread is None:
                # not a daemon: what was labelled is written even if the page is closed
                self._thread = Thread(target=self._work)
                self._thread.start()

    def wait(self) -> None:
        """Wait until all is written."""
        thread = self._thread
        if thread is not None:
            thread.join()

    def _work(self) -> None:
        while True:
            with self._lock:
                if not self._waiting:
                    # written with those that come next
                    self._waiting, self._failed, self._thread = self._failed, {}, None
                    fault = next(iter(self._faults.values()), "")
                    break
                person, changes = self._waiting.popitem()
            changes = self._failed.pop(person, {}) | changes
            try:
                write_labels(self._run, person, changes)
            except Exception as error:  # labels of others are still to be written, and the page waits for an end
                if not isinstance(error, XfeldaskError):
                    logging.getLogger(__name__).exception("labels of %s cannot be written", person)
                self._failed[person], self._faults[person] = changes, str(error) or type(error).__name__
            else:
                self._faults.pop(person, None)
        self._tell(fault)
