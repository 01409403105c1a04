"""How the pair rule learns from hits of which nobody knows which are single."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import logit

from xfeldask.errors import InputError
from xfeldask.physics.binning import ImageGrid
from xfeldask.sorting.decision import multiple_fraction
from xfeldask.sorting.pairs.batches import BATCH, Array, Images
from xfeldask.sorting.pairs.evidence import Evidence, fit_evidence
from xfeldask.sorting.pairs.patterns import fit_patterns
from xfeldask.sorting.pairs.synthesis import Synthesis, make_synthesis
from xfeldask.sorting.pairs.weighing import Networks
from xfeldask.sorting.pairs.window import Window

LEAST_HITS = 300
PUREST = 0.5
"""Fraction of the hits, those with the lowest peaks, that singles are made of at first."""
SYNTHETIC = {1: 1.0, 2: 1.0, 3: 0.1}
"""Synthetic shots by number of particles, for each source."""
MEMBERS = 4
"""Networks whose answers are averaged."""
DRAFT, FINAL = (1, 0.3), (MEMBERS, 1.0)
"""Networks, and fraction of the synthetic shots, of a first turn and of the last one."""
FALL, FALL_FROM = 0.02, 0.3
"""Fall of the fraction of multiple hits from the first turn to the second that tells that the first learned from too
many of them, and the least fraction that it falls from: where most are multiple the first turn finds a third or more,
and a fraction below may also fall where bins are too coarse for the fringes of pairs."""
CORE = 0.3
"""Where it fell: fraction of the expected singles, the likeliest, that the next turn learns from."""
SETTLED = 0.02
"""Such turns follow one another until the fraction of multiple hits grows by less."""
MOST_TURNS = 12
AGREE = 0.12
"""Fraction of the hits by which those turns and the last one may differ in what they take for multiple."""
MORE = 0.1
"""Multiple hits, as a fraction, that those turns have to find beyond the first one to be believed: they are strict."""
LEAST_SOURCES = 2000
"""Synthetic singles are drawn as if there were so many sources at least."""
REFERENCE = 0.7
"""Fraction of the shots whose patterns are learned, and among which neighbours are sought; the others give lessons."""


@dataclass(frozen=True)
class Taught:
    """What was learned: how shots are measured, and how the measures are weighed."""

    evidence: Evidence
    networks: Networks


class Teacher:
    """Teaches networks to tell single from multiple hits.

    Parameters
    ----------
    crops : (shot, 2 half, 2 half), photons of hits
    known : int (shot,), 1 a single hit, 0 anything else, -1 not known
    grid : ImageGrid, of the images that were cropped
    window : Window, that they were cropped by
    seed : int, of what is fitted
    rng : numpy.random.Generator, of what is drawn
    """

    taught: Taught

    def __init__(
        self, crops: Images, known: NDArray[Any], grid: ImageGrid, window: Window, seed: int, rng: np.random.Generator
    ) -> None:
        self.crops, self.known, self.window, self.seed, self.rng = crops, known, window, seed, rng
        self.usable = known != 0
        self.reference = np.arange(len(crops)) < REFERENCE * len(crops)
        self.step = float(grid.step.mean())
        row, column = (c - part.start for c, part in zip(grid.center, window.inner[1:], strict=True))
        self.offset = (row, column)

    def teach(self) -> Taught:
        """Learn at first from those with the lowest peaks, in the end from all that were taken for singles until then.

        Where most hits are multiple, those with the lowest peaks hold so many multiples that the second turn takes more
        of them for singles, not fewer. Turns between then learn from the likeliest singles alone, and find more
        multiples each time, until there are no more.
        """
        ratio, several = self._turn(self.usable, DRAFT, PUREST)
        least = min(logit(several), float(np.median(ratio[self.usable])))
        _, found = self._turn(self._likely(ratio, least), FINAL)
        usual = self.taught
        if several < FALL_FROM or several - found < FALL:
            return usual
        purer, more = self._purify(ratio, several)
        if more < several + MORE:
            return usual
        _, found = self._turn(self._likely(purer, logit(more)), FINAL)
        if abs(found - more) > AGREE:
            raise InputError(
                f"too many of the {len(self.crops)} hits hold several particles to learn what one looks like: "
                f"{more:.0%} of them at a first look, {found:.0%} at a second; apply a model of a simulation (simulate "
                "with like=, sort that, and project)"
            )
        return self.taught

    def _likely(self, ratio: NDArray[np.float64], least: float) -> NDArray[np.bool_]:
        """Shots that are taken for singles, those labelled so among them."""
        return np.asarray(self.usable & ((ratio >= least) | (self.known == 1)))

    def _purify(self, ratio: NDArray[np.float64], several: float) -> tuple[NDArray[np.float64], float]:
        """Learn from the likeliest singles until the fraction of multiples grows no more."""
        for _ in range(MOST_TURNS):
            core = self.usable & (ratio >= np.quantile(ratio[self.usable], 1 - CORE * (1 - several)))
            if core.sum() < LEAST_HITS:
                break
            ratio, now = self._turn(core, DRAFT)
            grown, several = now - several, max(now, several)
            if grown < SETTLED:
                break
        return ratio, several

    def _turn(
        self, single: NDArray[np.bool_], effort: tuple[int, float], purest: float = 1.0
    ) -> tuple[NDArray[np.float64], float]:
        """Learn from what is taken for singles, those with the lowest peaks; log ratio of all shots, and multiples.

        Patterns are learned from other shots than the lessons are made of, since components learn the noise of the
        shots that they are fitted to.
        """
        learned = self.crops[single & self.reference]
        patterns = fit_patterns(learned, self.window, seed=self.seed)
        evidence = fit_evidence(learned, patterns, self.step, self.offset)
        measures, peak = _measured(evidence, self.crops)
        chosen = single & (peak <= np.quantile(peak[single], purest)) & ~self.reference
        self.taught = Taught(evidence, self._trained(evidence, measures, chosen, effort))
        ratio = self.taught.networks.log_ratio(measures)
        return ratio, multiple_fraction(ratio[self.usable])

    def _trained(
        self, evidence: Evidence, measures: Array, single: NDArray[np.bool_], effort: tuple[int, float]
    ) -> Networks:
        """Train networks on shots that look single, on synthetic ones made of them, and on those that are labelled."""
        members, part = effort
        synthesis = make_synthesis(self.crops[single], evidence.patterns, evidence.step)
        sources = max(LEAST_SOURCES, int(single.sum()))
        drawn = {
            k: _drawn(evidence, synthesis, k, int(part * share * sources), self.rng) for k, share in SYNTHETIC.items()
        }
        one, several = [measures[single], drawn[1]], [drawn[k] for k in drawn if k > 1]
        repeat = max(1, sources // (10 * max(1, int((self.known >= 0).sum()))))
        for kind, lessons in ((1, one), (0, several)):
            lessons.append(np.repeat(measures[self.known == kind], repeat, axis=0))
        x, y = np.concatenate([*one, *several]), np.repeat([1, 0], [sum(map(len, one)), sum(map(len, several))])
        return Networks.trained(x, y, members, self.seed)


def _drawn(evidence: Evidence, synthesis: Synthesis, n_particles: int, shots: int, rng: np.random.Generator) -> Array:
    """Measures of synthetic shots."""
    sizes = [min(BATCH, shots - start) for start in range(0, shots, BATCH)]
    return np.concatenate([evidence.measure(synthesis.draw(n_particles, size, rng))[0] for size in sizes])


def _measured(evidence: Evidence, crops: Images) -> tuple[Array, Array]:
    """Measures and peaks of measured shots."""
    batches = [np.ascontiguousarray(crops[i : i + BATCH], np.float32) for i in range(0, len(crops), BATCH)]
    parts = [evidence.measure(batch)[:2] for batch in batches]
    measures, peak = (np.concatenate(part) for part in zip(*parts, strict=True))
    return measures, peak
