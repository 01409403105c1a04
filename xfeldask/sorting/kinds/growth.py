"""Kinds of particles found blind: intensities that compete for shots.

One intensity of everything comes first. Two kinds of many shots each then part by themselves when two intensities begin
from noise; a rare kind is grown from the shots that fit worst. All intensities compete for all shots, each with a prior
from its size. A kind is real only if shots are explained far better than before: the views of one particle from a side
can make an intensity of their own, too, but that saves no more than the few bits that tell the side.

Labels of some shots help: what they say of a shot holds while intensities compete. Shots that are none of the wanted
kind, and were left together with it, begin an intensity with all that resemble them. Every other one of them is held
back, free to be of any kind: where these witnesses go tells whether the new intensity is what the labels mean.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xfeldask.errors import InputError
from xfeldask.orient.alignment import alignment
from xfeldask.orient.cycle import expand_maximise_compress, judged
from xfeldask.orient.models import Models
from xfeldask.orient.parallel import By, in_turn
from xfeldask.orient.schedule import Level
from xfeldask.orient.sparse import Pixels, SparseFrames
from xfeldask.orient.starts import begun
from xfeldask.orient.state import State
from xfeldask.sorting.kinds.fits import misfits
from xfeldask.sorting.kinds.found import RADIUS, Growth, Kinds, looks
from xfeldask.sorting.kinds.labelled import (
    CHANCE,
    LEAST_LABELLED,
    barred,
    chance_of,
    resembling,
    wanted_kind,
)
from xfeldask.sorting.labels import UNKNOWN, UNWANTED

FIRST = Level(3, 10.0, 12, 0.0, everywhere=True)
ITERATIONS = 12, 5
"""At the coarse and at the fine rotations of `looks`, at most."""
STARTS = 8, 2
"""Beginnings from noise of the intensity of everything, and of each other. One that settled on wrong rotations leaves
shots that it does not explain, which would be taken for a kind."""
WORST = (0.05, 0.01)
"""Fractions of the shots, those that fit worst, of which an intensity is grown in turns until one is real."""
LEAST_SHOTS = 20
"""Shots that an intensity can be grown of."""
LEAST_HITS = 200
"""Shots among which kinds are sought."""
MOST = 4
"""Kinds that are sought."""
GAIN = 4.5
"""Log likelihood that a shot of a kind gains, at least; a few views of one particle gain 1 to 3."""
GAIN_OF_BOTH = 2.5
"""The same of two kinds of many shots each that part by themselves: the intensity of both explained either in part. Two
parts of one particle's views gain ln 2, and what more iterations make of it: up to 1.6 of 400 bright shots."""
MANY = 0.2
"""Part of the shots of both that the smaller one has, at least."""
UNSURE = 1.0
"""Log likelihood that a shot gains from which on its intensity may be another kind: where there is one kind, an
intensity that begins with the shots that fit worst is left without shots, but for a few views of a flat particle."""
ALIKE = 0.6
"""Agreement of two kinds over the usual one, at most: two parts of one kind agree as any do."""


def grow_kinds(
    frames: SparseFrames,
    pixels: Pixels,
    *,
    labels: ArrayLike | None = None,
    radius: float = RADIUS,
    most: int = MOST,
    seed: int = 0,
    by: By = in_turn,
    tell: Callable[[], object] = lambda: None,
) -> Kinds:
    """Find kinds of particles among single hits, without knowing any.

    Parameters
    ----------
    frames : SparseFrames, of single hits
    pixels : Pixels, that the photons are in
    labels : int (shot,), optional: 1 a single hit of the wanted kind, 0 anything else, -1 not known
    radius : float [bins], as far as patterns are compared
    most : int, kinds that are sought, at least 1
    seed : int, of the noise that intensities begin with
    by : callable or Device, as of `expand_maximise_compress`
    tell : callable, called after each intensity that was made

    Returns
    -------
    Kinds

    Raises
    ------
    InputError
        Fewer than `LEAST_HITS` shots, or a number of kinds below 1.

    Notes
    -----
    The likelihood is that of `log_likelihoods`.
    """
    if most < 1:
        raise InputError(f"at least 1 kind is sought, got {most}")
    if len(frames) < LEAST_HITS:
        raise InputError(f"kinds are sought among at least {LEAST_HITS} single hits, got {len(frames)}")
    radius = min(radius, pixels.reach)
    told = np.full(len(frames), UNKNOWN) if labels is None else np.asarray(labels)
    growing = _Growing(frames, pixels, told, radius, seed, by, tell)
    models, growths = growing.first(), list[Growth]()
    while len(models) < most:
        found = growing.one_more(models, growths)
        growths += found[1]
        if found[0] is None:
            break
        models = found[0]
    models = _chosen(models, np.argsort(-models.prior, kind="stable"))
    return Kinds(models, np.arange(len(models)), radius, growths=tuple(growths))


def most_made(most: int) -> int:
    """Return how many intensities are made, or compete, at most, when so many kinds are sought.

    Examples
    --------
    >>> most_made(1), most_made(2), most_made(3)
    (1, 8, 13)
    """
    return 1 + sum(2 * (len(WORST) + 1 if found == 1 else 2) + 1 for found in range(1, most))


def doubtful(growths: Sequence[Growth]) -> int:
    """Return how many shots may be of a kind that is too much like another to be sure of it, 0 where none are.

    Parameters
    ----------
    growths : of kinds that were found; those refused before the last one that is real do not count

    Examples
    --------
    >>> alike = Growth(real=False, shots=113, misfit=0.9, gain=1.4, agreement=0.9)
    >>> doubtful([alike]), doubtful([replace(alike, shots=3)]), doubtful([alike, replace(alike, real=True, gain=9.0)])
    (113, 0, 0)
    """
    last = max((number for number, growth in enumerate(growths) if growth.real), default=-1)
    unsure = [
        growth.shots
        for number, growth in enumerate(growths)
        if growth.shots >= LEAST_SHOTS and growth.gain >= UNSURE and (number > last or growth.real)
        if not growth.real or growth.gain < growth.asked
    ]
    return max(unsure, default=0)


@dataclass(frozen=True, eq=False)
class _Start:
    """Models to begin with, the last one new or two of them, and the wanted one among them.

    Witnesses are shots, int64 (some,), whose labels are held back.
    """

    models: Models
    wanted: int
    split: bool = False
    witnesses: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))


@dataclass(frozen=True, eq=False)
class _Growing:
    """Makes intensities of some shots, and lets them compete for all."""

    frames: SparseFrames
    pixels: Pixels
    labels: NDArray[np.int64]
    radius: float
    seed: int
    by: By
    tell: Callable[[], object]

    @cached_property
    def photons(self) -> NDArray[np.int64]:
        """Photons of each shot within the radius."""
        return self.frames.photons(self.pixels.within(self.radius))

    @property
    def levels(self) -> tuple[Level, ...]:
        """The levels at the full radius."""
        return looks(self.radius, ITERATIONS, 0.3)

    def first(self) -> Models:
        """Make one intensity of everything."""
        return self._grown(np.arange(len(self.frames)), 0)

    def _grown(self, shots: NDArray[np.int64], turn: int, count: int = 1) -> Models:
        """Make intensities of some shots, from noise."""
        some, first = self.frames[shots], replace(FIRST, radius=min(FIRST.radius, self.radius))
        state = begun(some, self.pixels, first, count=count, starts=STARTS[turn > 0], seed=self.seed + turn,
                      size_prior=count > 1, by=self.by)  # fmt: skip
        levels = first, *(replace(level, everywhere=False) for level in self.levels)
        made = expand_maximise_compress(some, self.pixels, state, levels, size_prior=count > 1, by=self.by)
        self.tell()
        return made.models

    def one_more(self, models: Models, before: list[Growth]) -> tuple[Models | None, list[Growth]]:
        """Return models with one more kind if there is one, and what was tried."""
        state = judged(self.frames, self.pixels, models, looks(self.radius), by=self.by)
        tried = list[Growth]()
        for start in self._begun(models, state, before):
            after, growth = self._competed(start, state.log_likelihood)
            tried.append(growth)
            if growth.real:
                return after, tried
        return None, tried

    def _begun(self, models: Models, state: State, before: list[Growth]) -> Iterator[_Start]:
        """Yield models to begin with: one more of labelled shots, the largest split, or one of what fits worst."""
        turn, kind = 1 + len(before), state.responsibility.argmax(axis=1)
        wanted = wanted_kind(self.labels, kind, models.prior)
        left = np.flatnonzero((self.labels == UNWANTED) & (kind == wanted))
        refused = any(growth.chance is not None and not growth.real for growth in before)
        if len(left) >= LEAST_LABELLED and not refused:
            alike = resembling(self.frames, self.pixels, self.radius, left[::2])
            part = min(0.5, len(alike) / len(kind))
            yield _Start(_joined(models, self._grown(alike, turn), part), wanted, witnesses=left[1::2])
            turn += 1
        misfit = misfits(state.log_likelihood, self.photons)
        counts = [int(part * len(misfit)) for part in WORST[: None if len(models) == 1 else 1]]
        counts = [count for count in counts if count >= LEAST_SHOTS]
        largest = int(np.argmax(models.prior))
        shots = np.flatnonzero(kind == largest)
        rest = np.delete(np.arange(len(models)), largest)
        fresh = self._grown(shots, turn + len(counts), 2)
        halves = _joined(_chosen(models, rest), fresh, float(models.prior[largest]))
        yield _Start(halves, self._wanted(halves), split=True)
        for later, count in enumerate(counts):
            worst = np.sort(np.argsort(-misfit, kind="stable")[:count])
            yield _Start(_joined(models, self._grown(worst, turn + later), count / len(misfit)), wanted)

    def _wanted(self, models: Models) -> int:
        """Return which of the models is the wanted one, by the labelled shots."""
        told = np.flatnonzero(self.labels != UNKNOWN)
        if not told.size:
            return 0
        state = judged(self.frames[told], self.pixels, models, looks(self.radius), by=self.by)
        return wanted_kind(self.labels[told], state.responsibility.argmax(axis=1), models.prior)

    def _competed(self, start: _Start, before: NDArray[np.float64]) -> tuple[Models, Growth]:
        """Let intensities compete for all shots; tell whether the last one is a kind, or the smaller of two halves."""
        models, labels = start.models, self.labels.copy()
        labels[start.witnesses] = UNKNOWN
        no = barred(labels, start.wanted, len(models)) if (labels != UNKNOWN).any() else None
        made = expand_maximise_compress(self.frames, self.pixels, models, self.levels, size_prior=True, barred=no,
                                        by=self.by)  # fmt: skip
        after = judged(self.frames, self.pixels, made.models, looks(self.radius), by=self.by)
        kind, last = after.responsibility.argmax(axis=1), len(models) - 1
        new = min((last - 1, last), key=lambda k: int((kind == k).sum())) if start.split else last
        mine = kind == new
        self.tell()
        intensity, prior = made.models.intensity, np.where(np.arange(len(models)) == new, 0, made.models.prior)
        other = int(np.argmax(prior))
        alike = alignment(intensity[new], intensity[other])[1]
        found = Growth(real=False, shots=int(mine.sum()), misfit=0.0, gain=0.0, agreement=alike)
        if len(start.witnesses):
            unknown = mine[self.labels == UNKNOWN]
            found = replace(found, chance=chance_of(mine[start.witnesses], unknown))
        if found.shots < LEAST_SHOTS:
            return made.models, found
        misfit = float(np.median(misfits(before, self.photons)[mine]))
        gained = after.log_likelihood - before
        found = replace(found, misfit=misfit, gain=float(gained[mine].mean()), asked=GAIN)
        halves = kind >= last - 1
        if start.split and found.gain < GAIN and found.shots >= MANY * halves.sum():
            both = float(gained[halves].mean())
            found = replace(found, gain=both, asked=GAIN_OF_BOTH) if both >= GAIN_OF_BOTH else found
        if found.chance is not None and found.chance < CHANCE:
            return made.models, replace(found, real=True)
        if found.gain < found.asked:
            return made.models, found
        theirs = np.flatnonzero(kind == other)
        dice = np.random.default_rng((self.seed, len(models)))
        some = np.sort(dice.choice(theirs, min(found.shots, max(1, len(theirs) // 2)), replace=False))
        usual = alignment(self._grown(some, len(models)).intensity[0], intensity[other])[1]
        return made.models, replace(found, usual=usual, real=alike < ALIKE * usual)


def _chosen(models: Models, index: NDArray[np.int64]) -> Models:
    return replace(models, intensity=models.intensity[index], prior=models.prior[index])


def _joined(models: Models, fresh: Models, part: float) -> Models:
    """Put models beside others, which have a fraction of all shots between them."""
    prior = np.concatenate([models.prior * ((1 - part) / models.prior.sum() if len(models) else 1), fresh.prior * part])
    return replace(models, intensity=np.concatenate([models.intensity, fresh.intensity]), prior=prior / prior.sum())
