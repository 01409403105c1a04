"""Reconstructing a store while it is being written."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xfeldask.devices import Device
from xfeldask.errors import InputError, RunError, UnknownNameError
from xfeldask.orient.cycle import expand_maximise_compress, judged
from xfeldask.orient.models import profile
from xfeldask.orient.parallel import By
from xfeldask.orient.rotations import rotation_grid
from xfeldask.orient.schedule import Level
from xfeldask.orient.sparse import Pixels, SparseFrames
from xfeldask.orient.starts import Start, begun, compared_shots
from xfeldask.orient.state import State
from xfeldask.scores.quality import shell_correlation
from xfeldask.store.results.embedding import Embedding
from xfeldask.store.results.reconstructed import dataset_of, state_of
from xfeldask.store.results.reconstruction import FEW, HeldOut, Reconstructing, Reconstruction
from xfeldask.store.storage.lock import makers
from xfeldask.units import told as in_words
from xfeldask.verbs.parts.patience import Patience
from xfeldask.verbs.parts.reconstruction_checkpoints import WHOLE, Checkpoints
from xfeldask.verbs.parts.reconstruction_plan import (
    LEAST_PHOTONS,
    chosen_of,
    columns_for,
    dealt,
    held_back,
    photons_each,
)
from xfeldask.verbs.parts.reconstruction_work import levels_seen
from xfeldask.work.progress import Tell, say
from xfeldask.work.reconstructing import read_frames, with_background

ENOUGH_TO_BEGIN = 1000
"""Shots that must be there before an intensity is begun from noise; and as many as the first level has rotations."""
ROTATIONS_A_SHOT = 8
"""Rotations of a level over shots, at most, while more shots are to come."""
MOST_SHOTS, MOST_ON_DEVICE = 8000, 100_000
"""Shots that are iterated with while more are to come, so that an iteration takes no more than seconds."""
TRIES, BETWEEN_TRIES = 5, 0.5
"""How often verdicts are read that cannot be, and the time between [s]."""
LOOKS_KEPT = 500
"""Last iterations that are told of."""


class There(NamedTuple):
    """What is in a store by now.

    Attributes
    ----------
    shots : int64 (n,), those that are meant
    embedding : str or None, that told of them
    written : int, shots
    makes : tuple of str, embeddings that may tell of them and are being made
    told : bool, whether it is known which shots are meant; else their verdicts are still to come
    last : bool, whether no more will be meant
    """

    shots: NDArray[np.int64]
    embedding: str | None
    written: int
    makes: tuple[str, ...]
    told: bool
    last: bool


@dataclass(eq=False)
class Follower:
    """An intensity that is made of the shots that are there, again and again as more come.

    Attributes
    ----------
    target : Reconstruction, that is being made
    checkpoint : Reconstruction, where the intensity is published until it is finished
    asked : Reconstructing
    pixels : Pixels
    plan : levels
    group : float64 (order, 4), symmetry
    by : as of `expand_maximise_compress`
    progress : as of `embed`
    """

    target: Reconstruction
    checkpoint: Reconstruction
    asked: Reconstructing
    pixels: Pixels
    plan: tuple[Level, ...]
    group: NDArray[np.float64]
    by: By
    progress: bool | Tell
    _shots: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    _frames: SparseFrames | None = None
    _state: State | None = None
    _gain: float | None = None
    _there: There | None = None
    _embedding: str | None = None
    _awaited: str = ""
    _shown: State | None = None

    def until_complete(self) -> tuple[State | None, There]:
        """Follow the store until no more shots come.

        Returns
        -------
        What was come to, None where too few were there to begin; and what is in the store

        Raises
        ------
        RunError
            Nobody writes the shots that are missing, or goes on with the embedding that tells which are meant; another
            run has taken the place of this one.
        """
        patience = Patience(self.target.run, "repeat this to go on")
        self._state = self._before()
        while True:
            self.target.run.refuse_replaced(written=True)
            there = self._there = self._look()
            if there.last:
                return self._state, there
            if self._take(there.shots):
                self._improve()
            else:
                self._show(late=True)
                self._tell_waiting(there)
                patience.wait(there.written, busy=bool(there.makes))

    def _look(self, tries: int = TRIES) -> There:
        """Look which shots are meant of those that are there; again where an embedding was written anew meanwhile."""
        try:
            return self._looked()
        except (InputError, RunError):
            raise
        except Exception:  # a decoder may raise anything on the half of one file and of another
            if tries == 1:
                raise
        time.sleep(BETWEEN_TRIES)
        return self._look(tries - 1)

    def _looked(self) -> There:
        run = self.target.run.reopened()
        embedded = makers(run.path, Embedding.room)  # before what they make is read
        nothing, written, named = np.zeros(0, np.int64), int(run.done().sum()), self._embedding or self.asked.embedding
        came = {name: one for name, one in run.embeddings.items() if name in embedded}
        if named is None and self.asked.where is None and len(came) > 1:
            named = Embedding.first_name(came)  # both came between two looks
        columns = None
        try:
            columns = columns_for(run, self.asked.where, named)
            shots, meant = chosen_of(columns, self.asked.where)
        except UnknownNameError:
            to_come = embedded.keys() & {named} if columns is None else embedded.keys() - {*columns.embeddings}
            if not to_come:
                raise
            return There(nothing, None, written, (*to_come,), told=False, last=False)
        self._embedding = meant or self._embedding  # others that are made meanwhile do not take its place
        to_come = embedded.keys() - run.embeddings.keys()
        if meant is None and to_come and self.asked.where is None:
            return There(nothing, None, written, (*to_come,), told=False, last=False)
        last = run.complete and not (embedded.keys() if meant is None else embedded.keys() & {meant})
        if last and meant is not None and not columns.complete:
            raise RunError(
                f"the embedding {meant} tells of {columns.n_shots:,} of {run.n_shots:,} shots of {run.path} and nobody "
                "goes on with it; embed again with overwrite=True (--overwrite), and repeat this to go on"
            )
        return There(shots, meant, written, (*embedded,), told=True, last=last)

    def _take(self, shots: NDArray[np.int64]) -> bool:
        """Take those that are new, and leave those that are not meant any more; return whether there are any."""
        wanted = self._wanted(shots)
        kept, new = np.isin(self._shots, wanted), np.setdiff1d(wanted, self._shots)
        if not len(wanted) or (kept.all() and not len(new)):
            return False
        run, images = self.target.run, self.asked.images
        read = partial(read_frames, run, pixels=self.pixels, images=images, known=None, progress=False)
        parts = [] if not kept.any() else [read(self._shots) if self._frames is None else self._frames]
        parts = [part[kept] for part in parts] + ([read(new)] if len(new) else [])
        shots = np.concatenate([self._shots[kept], new])
        frames = with_background(SparseFrames.joined(parts), shots, self.pixels, images, run.known_background)
        order = np.argsort(shots)
        if self._state is not None:
            state = self._state.of(kept)
            if len(new):
                state = state.with_shots(self._placed(frames, len(new), state))
            self._state = state.of(order)
        self._shots, self._frames = shots[order], frames[order]
        return True

    def _wanted(self, shots: NDArray[np.int64]) -> NDArray[np.int64]:
        """Choose shots to iterate with, evenly of those that are not held back; the same ones as long as they fit."""
        most = MOST_ON_DEVICE if isinstance(self.by, Device) else MOST_SHOTS
        free = shots[~held_back(shots, len(self._dealt))]
        return free if len(free) <= most else np.sort(free[np.argpartition(self._dealt[free], most)[:most]])

    def _placed(self, frames: SparseFrames, new: int, state: State) -> State:
        """Compare the last of the shots, which are new, with the intensity as it is."""
        last = np.arange(len(frames) - new, len(frames))
        mean = partial(profile, frames, self.pixels)
        placed = judged(frames[last], self.pixels, state.models, self.plan[: levels_seen(state)], group=self.group,
                        by=self.by, mean=mean)  # fmt: skip
        self._gain = float(placed.contrast.mean()) if new >= FEW else self._gain
        return placed

    def _improve(self) -> None:
        """Iterate once more with the shots that there are, and through levels that they have become enough for."""
        frames, state = self._frames, self._state
        assert frames is not None
        if state is None:
            if len(frames) < self._enough or photons_each(frames, self.pixels, self.plan) < LEAST_PHOTONS:
                return
            state = begun(frames, self.pixels, self.plan[0], starts=self.asked.starts, seed=self.asked.seed,
                          group=self.group, inner=True, by=self.by, keep=self._keep)  # fmt: skip
            self._reach(state)
        elif not state.iteration and state.level >= self._allowed(len(frames)):
            state = replace(state, level=state.level - 1, iteration=self.plan[state.level - 1].iterations - 1)
        levels = self.plan[: max(levels_seen(state), self._allowed(len(frames)))]
        expand_maximise_compress(frames, self.pixels, state, levels, group=self.group, by=self.by, tell=self._reach)

    def _allowed(self, shots: int) -> int:
        """Levels that so many shots are enough for."""
        rotations = [rotation_grid(level.refinement, self.group).n_rotations for level in self.plan]
        return max(1, sum(count <= ROTATIONS_A_SHOT * shots for count in rotations))

    @cached_property
    def _enough(self) -> int:
        return max(ENOUGH_TO_BEGIN, rotation_grid(self.plan[0].refinement, self.group).n_rotations)

    @cached_property
    def _dealt(self) -> NDArray[np.int64]:
        return dealt(self.target.run.n_shots)

    @cached_property
    def _checkpoints(self) -> Checkpoints:
        return Checkpoints(self.checkpoint, {}, {}, written=-np.inf)  # the first intensity is shown at once

    def _before(self) -> State | None:
        """Go on with what an earlier call came to; None where there was none, or it was still at its starts."""
        found = self.checkpoint
        if not (found.is_there and not found.is_finished and found.fits and found.parameters.is_asked_as(self.asked)):
            return None
        self._embedding = found.parameters.embedding
        data = found.dataset().load()
        if "attempts" in data.attrs:
            return None
        state, self._shots = state_of(data)
        return state

    def _keep(self, start: Start) -> None:
        self._publish(start.best, self._shots[compared_shots(len(self._shots))], attempts=start.attempts)

    def _reach(self, state: State) -> None:
        self._state = replace(state, history=state.history[-LOOKS_KEPT:])
        self._show()

    def _show(self, *, late: bool = False) -> None:
        """Publish the intensity as it is if that was not done; unless late, only if the last time is long ago."""
        if self._state is not None and self._frames is not None and self._state is not self._shown:
            self._publish(self._state, self._shots, late=late)

    def _publish(
        self, state: State, shots: NDArray[np.int64], *, attempts: int | None = None, late: bool = False
    ) -> None:
        there = self._there
        assert there is not None
        parameters = self.asked.model_copy(update={"n_used": len(shots), "embedding": there.embedding})
        told: dict[str, Any] = {"parameters": parameters.to_json(), "finished": False}
        told |= {} if self._gain is None else HeldOut(self._gain).attributes()
        told |= {"device": self.by.label} if isinstance(self.by, Device) else {}
        self._checkpoints.attributes = told if attempts is None else told | {"attempts": attempts}

        def found() -> xr.Dataset:
            self._tell(state, there, attempts)
            self._shown = state
            return dataset_of(state, shots, self.target.run.n_shots, self.group)

        if late:
            self._checkpoints.put(WHOLE, found())
        else:
            self._checkpoints.offer(WHOLE, found)

    def _tell(self, state: State, there: There, attempts: int | None) -> None:
        """Tell how far it is."""
        n_shots = self.target.run.n_shots
        if callable(self.progress):
            self.progress("following", there.written, n_shots, "shots")
            return
        level = max(1, levels_seen(state))
        reach = in_words(1 / (self.plan[level - 1].radius * self.pixels.step), "m")
        words = [f"{there.written:,} of {n_shots:,} shots, {len(state.rotation):,} in use",
                 f"level {level} of {len(self.plan)}, to {reach}"]  # fmt: skip
        if attempts is not None:
            words.append(f"start {attempts} of {self.asked.starts}")
        else:
            words += [] if self._gain is None else [f"new shots explained {self._gain:.1f} nat over their mean"]
            words += [] if (least := self._least_alike(state)) is None else [f"shells as before to {least:.2f}"]
        say(f"following: {'; '.join(words)}", self.progress)

    def _tell_waiting(self, there: There) -> None:
        """Tell what is waited for, if that is another thing than before."""
        names, counted = " and ".join(sorted(there.makes)), f"{there.written:,} of {self.target.run.n_shots:,} shots"
        if not there.told:
            awaited = f"verdicts of {names}"
        elif self._state is None and len(self._shots) < self._enough:
            counted += f", {len(self._shots):,} to begin with"
            awaited = f"{self._enough:,}"
        elif self._state is None:
            awaited = "shots that are not blank"
        elif there.written == self.target.run.n_shots and there.makes:
            awaited = f"the end of {names}"
        else:
            awaited = "more shots"
        if awaited != self._awaited:
            self._awaited = awaited
            say(f"following: {counted}; waits for {awaited}", self.progress)

    def _least_alike(self, state: State) -> float | None:
        """Correlation with the intensity that was shown before, of the least alike shell; None on another grid."""
        if self._shown is None or self._shown.models.intensity.shape != state.models.intensity.shape:
            return None
        before, now = (each.models.intensity[0] for each in (self._shown, state))
        return max(0.0, float(shell_correlation(before, now, state.models.step).correlation.min()))
