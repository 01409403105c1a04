"""Single hits whose kinds are sought: what intensities they are compared with, and what these tell of each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache, cached_property, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xfeldask.config import Experiment
from xfeldask.orient.models import profile
from xfeldask.orient.parallel import By
from xfeldask.orient.sparse import Pixels, SparseFrames
from xfeldask.physics.species import Mixture
from xfeldask.sorting.kinds.comparing import Comparison, compare
from xfeldask.sorting.kinds.drawn import corrections, times
from xfeldask.sorting.kinds.fits import misfits
from xfeldask.sorting.kinds.found import Kinds, posterior
from xfeldask.sorting.kinds.growth import grow_kinds, most_made
from xfeldask.sorting.kinds.labelled import Held, held_to
from xfeldask.sorting.kinds.named_drawn import Named, tempered_by_drawn
from xfeldask.sorting.kinds.names import Wanted
from xfeldask.sorting.labels import UNKNOWN
from xfeldask.verbs.parts.named_species import FEW, by_themselves, drawn_like, kinds_like, named_like
from xfeldask.work.progress import Tell, reporter

FITTED = 3000
"""Single hits, spread evenly over the run, among which kinds are sought; all others are judged by what was found."""
BELIEVED = 10.0
"""Shots that the weights of species that are named are worth, where it is asked how frequent each is."""
BLOCK = 8192
"""Most shots that are judged at a time."""


@dataclass(frozen=True, eq=False)
class Judged:
    """What single hits are of.

    Attributes
    ----------
    kinds : Kinds
    wanted : tuple of int, the kinds to accept
    columns : `kind`, `probability_wanted`, `misfit`, `found_fluence` and, of kinds that are named, `found_size` (hit,),
        `probability_kind` (hit, kind), `found_orientation` (hit, quaternion)
    held : Held, where hits were labelled
    """

    kinds: Kinds
    wanted: tuple[int, ...]
    columns: dict[str, NDArray[Any]]
    held: Held | None


@dataclass(frozen=True, eq=False)
class Hits:
    """Single hits, and how they are looked at.

    Attributes
    ----------
    frames : SparseFrames
    pixels : Pixels, that the photons are in
    labels : int8 (hit,), optional, as of `checked_labels`
    seed, progress : as of `find_kinds`
    by : as of `expand_maximise_compress`
    """

    frames: SparseFrames
    pixels: Pixels
    labels: NDArray[Any] | None
    seed: int
    by: By
    progress: bool | Tell

    @cached_property
    def fitted(self) -> NDArray[np.int64]:
        """The hits that intensities are made of, labelled ones among them, int64 (some,)."""
        some = _spread(np.arange(len(self.frames)), FITTED)
        if self.labels is None:
            return some
        return np.union1d(some, _spread(np.flatnonzero(self.labels != UNKNOWN), FITTED // 2))

    def judged(self, beam: tuple[Experiment, Mixture] | None, wanted: Wanted | None, most: int) -> Judged:
        """Judge the hits by kinds that are named, or found among them.

        Parameters
        ----------
        beam : Experiment and Mixture, optional, that name the kinds, as of `beam_like`
        wanted : Wanted, optional; the most frequent by default, or what labels or the beam want
        most : as of `find_kinds`

        Raises
        ------
        InputError
            There is no such kind.
        """
        named = None if beam is None else named_like(*beam, self.pixels)
        few = named is not None and len(self.frames) < FEW
        hits = replace(self, frames=by_themselves(self.frames, self.pixels)) if few else self
        kinds = hits.found(most) if named is None else kinds_like(named, hits.frames, hits.pixels)
        asked = None if wanted is None else wanted.among(len(kinds), kinds.names)
        like_all = drawn_like(named, kinds, hits.frames, hits.pixels, hits.seed) if named and few else hits.frames
        compared = hits.compared(kinds, like_all)
        told = hits.trusted(kinds, named, compared.log_likelihood)
        held = None if self.labels is None else held_to(self.labels, told, kinds.fractions, asked)
        by_default = 0 if beam is None else beam[0].wanted_index
        target = held.wanted if held is not None else (by_default,) if asked is None else asked
        return Judged(kinds, target, hits.columns(kinds, target, compared, told, held), held)

    def found(self, most: int) -> Kinds:
        """Find kinds among the hits, of which nothing is known but labels."""
        labels = None if self.labels is None else self.labels[self.fitted]
        with reporter("finding kinds", most_made(most), "intensities", self.progress) as telling:
            return grow_kinds(self.frames[self.fitted], self.pixels, labels=labels, most=most, seed=self.seed,
                              by=self.by, tell=lambda: telling.advance(1))  # fmt: skip

    def compared(self, kinds: Kinds, like_all: SparseFrames) -> Comparison:
        """Compare the hits with the intensities of all kinds; `like_all` tell the mean profile."""
        frames, pixels = self.frames, self.pixels
        # of all hits, so that what is found of one does not depend on those that it is judged with
        mean = cache(partial(profile, like_all, pixels))

        def judge() -> Iterator[Comparison]:
            for first in range(0, len(frames), BLOCK):
                block = frames[np.arange(first, min(len(frames), first + BLOCK))]
                yield compare(block, pixels, kinds, by=self.by, tell=telling.advance, mean=mean)

        with reporter("judging", len(frames) * len(kinds.kind), "comparisons", self.progress) as telling:
            return Comparison.joined(list(judge()))

    def trusted(self, kinds: Kinds, named: Named | None, likelihood: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return log likelihoods as far as drawn shots say that they are to be trusted, float64 (hit, kind) [nat]."""
        if len(kinds) == 1:
            return likelihood
        if named is not None:
            with reporter("drawing shots of the species", 1, "times", self.progress) as telling:
                found = tempered_by_drawn(named, self.frames, self.pixels, kinds, likelihood, seed=self.seed,
                                          by=self.by)  # fmt: skip
                telling.advance(1)
            return found.of(likelihood, self.photons(kinds), kinds.fractions)
        some = self.fitted
        with reporter("drawing shots of the kinds", times(len(some)), "times", self.progress) as telling:
            return likelihood + corrections(self.frames[some], self.pixels, kinds, likelihood[some], seed=self.seed,
                                            by=self.by, tell=lambda: telling.advance(1))  # fmt: skip

    def columns(
        self, kinds: Kinds, wanted: tuple[int, ...], compared: Comparison, told: NDArray[np.float64], held: Held | None
    ) -> dict[str, NDArray[Any]]:  # fmt: skip
        """Judge the hits by how well each kind explains them, corrected as it was told, and by what labels say."""
        free = told if held is None else np.where(held.barred, -np.inf, told)
        # of named species it is known how frequent they are, which matters where few shots tell
        probability, fractions = posterior(free, kinds.fractions, BELIEVED if kinds.names else 0.0)
        if held is not None:
            probability[np.ix_(held.unwanted, np.array(held.wanted))] = 0  # where all kinds are wanted, too
        kind = probability.argmax(axis=1)
        under_all = np.logaddexp.reduce(compared.log_likelihood + np.log(fractions), axis=1)
        return {
            "kind": kind.astype(np.int8),
            "probability_wanted": probability[:, wanted].sum(axis=1).clip(max=1),
            "probability_kind": probability,
            "misfit": misfits(under_all, self.photons(kinds)),
            **compared.as_kind(kind, together=bool(kinds.names)),
        }

    def photons(self, kinds: Kinds) -> NDArray[np.int64]:
        """Count the photons that kinds are compared with, int64 (hit,)."""
        return self.frames.photons(self.pixels.within(kinds.radius))


def _spread(shots: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """Return some of the shots, evenly spread, as many as may be."""
    return shots[np.unique(np.linspace(0, len(shots) - 1, min(most, len(shots))).astype(np.int64))]
