"""Labels that a person gives shots: given, taken back, given again, and which shot to look at next."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from threading import Lock, Thread
from typing import TYPE_CHECKING

import numpy as np
import param
from numpy.typing import NDArray

from xfeldask.errors import XfeldaskError
from xfeldask.explorer.model.masks import Mask
from xfeldask.store.by_name import check_name
from xfeldask.store.columns import Column, Shots
from xfeldask.store.labels import COLUMN, LABELS, NO_LABEL, WHO, read_labels, write_labels
from xfeldask.store.run import Run

if TYPE_CHECKING:
    from xfeldask.explorer.model.session import Session

NAMES = {value: name for name, value in LABELS.items()}
CLASSES = ((NO_LABEL, "none"), *NAMES.items())
ME = "me"
"""What labels are called whose person gave no name."""


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
    (2, 2, 'single', [0, 1, 3])
    """

    person = param.String("", doc="who gives labels; empty where nobody said")
    changes = param.Integer(0, doc="rises at each change")

    def __init__(self, session: Session) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._session = session
        self.values = np.full(session.shots.n_stored, NO_LABEL, np.int8)
        self._done: list[tuple[int, int, int]] = []
        self._undone: list[tuple[int, int, int]] = []
        self._sure: tuple[Shots, NDArray[np.int64]] | None = None
        self.changed: dict[int, int] = {}

    def sign(self, person: str) -> None:
        """Give labels under a name; those that the store has by that name are taken up, those of this page stay.

        Raises
        ------
        InputError
            What is no name.
        """
        check_name(person, WHO)
        known = read_labels(self._session.shots.run).get(person)
        if known is not None:
            self.values = np.array(known.values, np.int8)
            self.values[list(self.changed)] = list(self.changed.values())
        self.person = person
        self._tell()

    def give(self, shot: int, label: str) -> None:
        """Label a shot with one of `LABELS`."""
        step = shot, int(self.values[shot]), LABELS[label]
        self._done.append(step)
        self._undone.clear()
        self._set(shot, LABELS[label])

    def undo(self) -> int | None:
        """Take the last label back; return the shot, or None where nothing was labelled."""
        return self._move(self._done, self._undone, 1)

    def redo(self) -> int | None:
        """Give the label again that was taken back last; return the shot, or None where there is none."""
        return self._move(self._undone, self._done, 2)

    def _move(self, taken: list[tuple[int, int, int]], put: list[tuple[int, int, int]], value: int) -> int | None:
        if not taken:
            return None
        step = taken.pop()
        put.append(step)
        self._set(step[0], step[value])
        return step[0]

    def _set(self, shot: int, label: int) -> None:
        self.values[shot] = self.changed[shot] = label
        self._tell()

    def _tell(self) -> None:
        """Let the page know labels as a quantity, to be coloured and selected by."""
        shots = self._session.shots
        name = COLUMN + (self.person or ME)
        is_new = name not in shots.names()
        values = self.values[: shots.n_shots].copy()
        shots.add(Column(name, f"label by {self.person or ME}", "1", values, CLASSES))
        if is_new:
            self._session.param.trigger("saved")
        elif self._session.colour == name:
            self._session.param.trigger("colour")
        self.changes += 1

    def of(self, shot: int) -> str | None:
        """Return the label of a shot, None where it has none."""
        return NAMES.get(int(self.values[shot]))

    @property
    def counts(self) -> dict[str, int]:
        """Shots of each label."""
        return {name: int((self.values == value).sum()) for name, value in LABELS.items()}

    @property
    def n(self) -> int:
        """Shots that have a label."""
        return int((self.values != NO_LABEL).sum())

    def queue(self, k: int) -> NDArray[np.int64]:
        """Find the shots without a label that the rule is least sure of, of the selected ones where some are."""
        order, among = self._order(), self._among()
        free = order[(self.values[order] == NO_LABEL) & among[order]]
        return np.asarray(free[:k])

    def _among(self) -> Mask:
        chosen = self._session.selected & self._session.visible
        return chosen if chosen.any() else self._session.visible

    def _order(self) -> NDArray[np.int64]:
        """All shots, those that the rule is least sure of first."""
        shots = self._session.shots
        if self._sure is None or self._sure[0] is not shots:
            self._sure = shots, np.argsort(doubt(shots), kind="stable")
        return self._sure[1]

    def csv(self) -> bytes:
        """Write all labels as a table of two columns: absolute indices of shots, and what they were labelled."""
        at = np.flatnonzero(self.values != NO_LABEL)
        index = np.asarray(self._session.shots.run.read("shot"))[at]
        rows = [f"{shot},{NAMES[int(self.values[i])]}" for shot, i in zip(index, at, strict=True)]
        return "\n".join(["shot,label", *rows, ""]).encode()


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
        self._waiting: dict[str, dict[int, int]] = {}
        self._thread: Thread | None = None

    def keep(self, person: str, changes: Mapping[int, int]) -> None:
        """Write changes of a person's labels soon."""
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
        fault = ""
        while True:
            with self._lock:
                if not self._waiting:
                    self._thread = None
                    break
                person, changes = self._waiting.popitem()
            try:
                write_labels(self._run, person, changes)
            except XfeldaskError as error:
                fault = str(error)
                with self._lock:
                    # written with those that come next
                    self._waiting[person] = changes | self._waiting.get(person, {})
                    self._thread = None
                break
        self._tell(fault)
