"""How a reconstruction is made: its iterations, a look at shots held out, and half sets."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xfeldask.devices import Device
from xfeldask.errors import XfeldaskWarning
from xfeldask.orient.alignment import turned_onto
from xfeldask.orient.cycle import expand_maximise_compress, explained_at_once, judged
from xfeldask.orient.parallel import By
from xfeldask.orient.schedule import Level
from xfeldask.orient.scrambling import scrambled
from xfeldask.orient.sparse import Pixels, SparseFrames
from xfeldask.orient.starts import Start, begun, compared_shots
from xfeldask.orient.state import State
from xfeldask.scores.quality import chance_correlation, shell_correlation
from xfeldask.store.results.reconstructed import columns_of, dataset_of, state_of, variable
from xfeldask.store.results.reconstruction import ALIKE, FEW, LEAST_GAIN, HeldOut, Reconstructing, Reconstruction
from xfeldask.store.run import Run
from xfeldask.verbs.parts.reconstruction_checkpoints import HALVES, WHOLE, Checkpoints
from xfeldask.verbs.parts.reconstruction_plan import held_back, held_out, held_out_of
from xfeldask.work.progress import Reporter

LIKENESSES = 8
"""Scrambled likenesses of each shot that is held out."""

LAST_OF_FIRST = 2
"""Iterations with all shots at the first level, where it is the only one, after some shots went through it."""


@dataclass(frozen=True, eq=False)
class Reconstructor:
    """A reconstruction that is being made, where it goes to, and where its iterations are kept until then."""

    run: Run
    target: Reconstruction
    checkpoint: Reconstruction
    parameters: Reconstructing
    frames: SparseFrames
    shots: NDArray[np.int64]
    pixels: Pixels
    plan: tuple[Level, ...]
    group: NDArray[np.float64]
    by: By

    @property
    def total(self) -> int:
        """Iterations at most."""
        all_levels = sum(level.iterations for level in self.plan)
        return all_levels + self.parameters.half_sets * 2 * all_levels

    @cached_property
    def checkpoints(self) -> Checkpoints:
        """What an earlier call came to, and what this one comes to."""
        return Checkpoints.read(self.checkpoint, self.parameters, self._attributes(finished=False))

    @cached_property
    def out(self) -> NDArray[np.bool_]:
        """Which shots are held out; of those that were held back from the beginning, if there was one before."""
        if self.parameters.follow:
            return held_out_of(held_back(self.shots, self.run.n_shots))
        return held_out(len(self.frames))

    def begin_from(self, before: State) -> None:
        """Begin with an intensity that some of the shots have come to, if an earlier call did not do that.

        Its last level comes again, with all shots, and those that are left.
        """
        if WHOLE in self.checkpoints.parts:
            return
        fit = np.flatnonzero(~self.out)
        last = max(min(1, len(self.plan) - 1), levels_seen(before) - 1)
        placed = judged(self.frames[fit], self.pixels, before.models, self.plan[: max(1, last)], group=self.group,
                        by=self.by)  # fmt: skip
        begun = replace(placed, level=last, iteration=0 if last else max(0, self.plan[0].iterations - LAST_OF_FIRST),
                        exposure=before.exposure, history=before.history)  # fmt: skip
        self.checkpoints.put(WHOLE, self._found(begun, fit))

    def run_all(self, telling: Reporter) -> None:
        """Reconstruct from all shots but those held out, look at these, and reconstruct from halves."""
        out = self.out
        fit = np.flatnonzero(~out)
        state = self._reconstructed(WHOLE, fit, self.parameters.seed, telling)
        found = self._found(state, fit)
        looked = self._look_at(found, state, fit, np.flatnonzero(out)) if out.any() else None
        if looked is not None:
            found = found.assign_attrs(looked.attributes())
        if self.parameters.half_sets:
            found = found.assign(self._halves(state, fit, telling))
            shows = looked is None or looked.shows
            found = found.assign_attrs(half_set_resolution=self._agreed(found) if shows else np.inf)
        self.target.publish(found.assign_attrs(self._attributes(finished=True)))
        if self.checkpoint.group_path != self.target.group_path:
            self.run.place.remove(self.checkpoint.group_path)
        if looked is not None:
            warn_of_nothing(looked)

    def _reconstructed(self, part: str, own: NDArray[np.int64], seed: int, telling: Reporter) -> State:
        """Reconstruct from some of the frames, or go on with that."""
        steps, done = np.cumsum([0, *(level.iterations for level in self.plan)]), 0

        def tell(now: State) -> None:
            nonlocal done
            reached = int(steps[min(now.level, len(self.plan))]) + now.iteration
            telling.advance(reached - done)
            done = reached
            if now.level < len(self.plan):
                self.checkpoints.offer(part, lambda: self._found(now, own))

        def keep(start: Start) -> None:
            some = own[compared_shots(len(own))]
            self.checkpoints.offer(part, lambda: self._found(start.best, some).assign_attrs(attempts=start.attempts))

        before, frames = self.checkpoints.parts.get(part), self.frames[own]
        if before is None or "attempts" in before.attrs:
            start = None if before is None else Start(int(before.attrs["attempts"]), state_of(before)[0])
            state = begun(frames, self.pixels, self.plan[0], starts=self.parameters.starts, seed=seed, before=start,
                          group=self.group, inner=True, by=self.by, keep=keep)  # fmt: skip
        else:
            state = state_of(before)[0]
            if state.level == len(self.plan):
                tell(state)
                return state
        tell(state)
        state = expand_maximise_compress(frames, self.pixels, state, self.plan, group=self.group, by=self.by, tell=tell)
        if self.parameters.half_sets:
            self.checkpoints.put(part, self._found(state, own))
        return state

    def _agreed(self, found: xr.Dataset) -> float:
        """Return to what resolution half sets agree by more than chance [m]; infinity for none."""
        (one, other), step = found["half_intensity"].values, float(found.attrs["step"])
        chance = chance_correlation(one, step, self.group)
        return replace(shell_correlation(one, other, step), chance=chance).resolution(ALIKE)

    def _found(self, state: State, own: NDArray[np.int64]) -> xr.Dataset:
        """Return what is stored of the state of some of the frames."""
        return dataset_of(state, self.shots[own], self.run.n_shots, self.group)

    def _look_at(self, found: xr.Dataset, state: State, fit: NDArray[np.int64], out: NDArray[np.int64]) -> HeldOut:
        """Fill in what the intensity says of shots that were held out, and return it."""
        look = partial(judged, pixels=self.pixels, models=state.models, schedule=self.plan, group=self.group,
                       by=self.by)  # fmt: skip
        looked, told = look_at(self.frames[fit], self.frames[out], self.pixels, self.plan[-1].radius, look)
        for name, values in columns_of(looked, self.group).items():
            found[name].values[self.shots[out]] = values
        return told

    def _halves(self, state: State, fit: NDArray[np.int64], telling: Reporter) -> dict[str, xr.Variable]:
        """Reconstruct from each half of the shots by itself, and turn what comes out onto what all shots gave."""
        half, turned = np.full(self.run.n_shots, -1, np.int8), []
        for number, part in enumerate(HALVES):
            own = fit[number::2]
            half[self.shots[own]] = number
            found = self._reconstructed(part, own, self.parameters.seed + 1 + number, telling)
            turned.append(turned_onto(found.models.intensity[0], state.models.intensity[0]))
        return {"half": variable("half", half), "half_intensity": variable("half_intensity", np.stack(turned))}

    def _attributes(self, *, finished: bool) -> dict[str, Any]:
        told: dict[str, Any] = {"parameters": self.parameters.to_json(), "finished": finished}
        return told | {"device": self.by.label} if isinstance(self.by, Device) else told


def levels_seen(state: State) -> int:
    """Return how many levels a state has begun with.

    Examples
    --------
    >>> from xfeldask.orient.models import Models
    >>> state = State(Models(np.ones((1, 9, 9, 9)), np.ones(1), 1e7), level=2)
    >>> levels_seen(state), levels_seen(replace(state, iteration=1))
    (2, 3)
    """
    return state.level + (state.iteration > 0)


def look_at(
    known: SparseFrames, frames: SparseFrames, pixels: Pixels, radius: float, look: Callable[[SparseFrames], State]
) -> tuple[State, HeldOut]:
    """Look at shots that an intensity was not made of, and at `LIKENESSES` scrambled likenesses of each.

    Parameters
    ----------
    known : SparseFrames, that it was made of
    frames : SparseFrames, that it was not made of
    pixels : Pixels
    radius : [bins]
    look : callable, compares shots with the intensity, as `judged` does

    Returns
    -------
    State of the shots, and what is said of them
    """
    likenesses = SparseFrames.joined([scrambled(frames, pixels, seed) for seed in range(LIKENESSES)])
    if frames.background is not None:
        shots = np.tile(np.arange(len(frames)), LIKENESSES)
        likenesses = replace(likenesses, background=frames.background[shots])
    looked, by_chance = look(frames), look(likenesses)
    more = looked.contrast - by_chance.contrast.reshape(LIKENESSES, -1)
    error = np.sqrt((LIKENESSES + 2) / (12 * LIKENESSES * len(frames))) if len(frames) >= FEW else np.inf
    at_once = explained_at_once(known, frames, pixels, radius)
    return looked, HeldOut(gain=float(looked.contrast.mean()), scrambled=float(by_chance.contrast.mean()),
                           above=float((np.sign(more) / 2 + 0.5).mean()), error=float(error),
                           at_once=float(at_once.mean()))  # fmt: skip


def warn_of_nothing(looked: HeldOut) -> None:
    """Warn where the intensity shows nothing that can be relied on.

    Parameters
    ----------
    looked : HeldOut

    Examples
    --------
    >>> import warnings
    >>> with warnings.catch_warnings(record=True) as told:
    ...     warnings.simplefilter("always")
    ...     warn_of_nothing(HeldOut(gain=0.0, scrambled=0.0, above=0.5, error=0.1, at_once=0.0))
    >>> str(told[0].message).split(":")[0]
    'nothing was found'
    """
    gain, told = looked.gain, None
    if looked.at_once is not None and looked.at_once > max(1.0, gain / 2):
        told = (
            "the shots have one orientation: their mean image explains each of them nearly as well as the intensity "
            f"({looked.at_once:.2g} of {gain:.2g} nat a shot), which is known in one slice only; it needs shots of "
            "particles that lie in many ways, and a mask of bright pixels"
        )
    elif not looked.shows:
        by = "their mean profile" if gain < LEAST_GAIN else "shots whose photons were moved around the beam by chance"
        beside = "" if looked.scrambled is None else f", {looked.scrambled:.2g} scrambled"
        told = (
            f"nothing was found: the intensity explains shots that it was not made of no better than {by} ({gain:.2g} "
            f"nat a shot{beside}); reconstruct from more or brighter shots, to a lower "
            "resolution, or give the symmetry"
        )
    if told is not None:
        warnings.warn(told, XfeldaskWarning, stacklevel=4)
