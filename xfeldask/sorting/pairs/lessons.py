"""How the pair rule learns from hits of which nobody knows which are single."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import logit

from xfeldask.devices import Device
from xfeldask.physics.binning import ImageGrid
from xfeldask.sorting.deciding import multiple_fraction
from xfeldask.sorting.pairs.batches import Array, Images, cut, side_by_side
from xfeldask.sorting.pairs.evidence import Evidence, fit_evidence
from xfeldask.sorting.pairs.patterns import fit_patterns
from xfeldask.sorting.pairs.synthesis import Synthesis, make_synthesis
from xfeldask.sorting.pairs.weighing import Networks
from xfeldask.sorting.pairs.window import Window
from xfeldask.sorting.pairs.witness import FEW, most_singles, noise_levels

LEAST_HITS = 300
PUREST = 0.5
"""Fraction of the hits, those with the lowest peaks, that singles are made of at first."""
SYNTHETIC = {1: 1.0, 2: 1.0, 3: 0.1}
"""Synthetic shots by number of particles, for each source."""
MEMBERS = 4
"""Networks whose answers are averaged."""
DRAFT, FINAL = (1, 0.3), (MEMBERS, 1.0)
"""Networks, and fraction of the synthetic shots, of a first turn and of the last one."""
MANY = 0.3
"""Fraction of multiple hits, after the first turn, from which the likely singles are too impure to learn from as they
are: of two thirds multiple hits, or more, the first turn finds a third to a half."""
CLEANING = 3
"""Turns that then learn from those of the likely singles whose peaks are counting noise."""
NOISE = 0.95
"""Fraction of the peaks of counting noise that such a shot's peak may reach."""
COMPARED = 1500
"""Likely singles that counting noise is drawn for, at most."""
LEAST_SOURCES = 2000
"""Synthetic singles are drawn as if there were so many sources at least."""
REFERENCE = 0.7
"""Fraction of the shots whose patterns are learned, and among which neighbours are sought; the others give lessons."""


@dataclass(frozen=True)
class Taught:
    """What was learned: how shots are measured, and how the measures are weighed.

    Attributes
    ----------
    evidence : Evidence
    networks : Networks
    noise_peaks : float64 (level,), of counting noise, as of `xfeldask.sorting.pairs.witness.noise_levels`; empty where
        they are not known
    light : float, photons of a single hit, on average, that do not grow with its brightness, beyond what is known of
        backgrounds; see `xfeldask.sorting.pairs.zero_fluence`
    """

    evidence: Evidence
    networks: Networks
    noise_peaks: NDArray[np.float64]
    light: float = 0.0


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
    device : Device, that measures

    Attributes
    ----------
    single : bool (shot,), the hits that were taken for single in the end
    """

    taught: Taught
    peak: Array
    single: NDArray[np.bool_]

    def __init__(
        self, crops: Images, known: NDArray[Any], grid: ImageGrid, window: Window, seed: int, rng: np.random.Generator,
        device: Device,
    ) -> None:  # fmt: skip
        self.crops, self.known, self.window, self.seed, self.rng = crops, known, window, seed, rng
        self.device = device
        self.usable = known != 0
        self.reference = np.arange(len(crops)) < REFERENCE * len(crops)
        self.step = float(grid.step.mean())
        row, column = (c - part.start for c, part in zip(grid.center, window.inner[1:], strict=True))
        self.offset = (row, column)

    def teach(self) -> Taught:
        """Learn at first from those with the lowest peaks, in the end from all that were taken for singles until then.

        Where many hits are multiple, those with the lowest peaks hold so many multiples that the second turn would take
        more of them for singles, not fewer. Turns between then learn from likely singles whose peaks are what counting
        noise alone gives, which does not depend on what any lesson taught.
        """
        ratio, several = self._turn(self.usable, DRAFT, PUREST)
        single = self._likely(ratio, min(logit(several), float(np.median(ratio[self.usable]))))
        if several >= MANY or most_singles(self.peak[single], noise_levels(self._noise(single))) < FEW:
            cleaned, more = self._cleaned(single)
            # dim pairs have no peaks: what is left then is no purer, and fewer multiples are found
            single = cleaned if more >= several else single
        self._turn(single, FINAL)
        self.single = single
        return replace(self.taught, noise_peaks=noise_levels(self._noise(single)))

    def _cleaned(self, single: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], float]:
        """Learn from likely singles without fringes; return those of the last turn, and the fraction of multiples.

        The fraction is 0 where too few were left to learn from.
        """
        clean, several = self._clean(single), 0.0
        for _ in range(CLEANING):
            if clean.sum() < LEAST_HITS:
                return clean, 0.0
            ratio, several = self._turn(clean, DRAFT)
            clean = self._clean(self._likely(ratio, logit(several)))
        return clean, several if clean.sum() >= LEAST_HITS else 0.0

    def _likely(self, ratio: NDArray[np.float64], least: float) -> NDArray[np.bool_]:
        """Shots that are taken for singles, those labelled so among them."""
        return np.asarray(self.usable & ((ratio >= least) | (self.known == 1)))

    def _clean(self, single: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Those of the likely singles whose peaks are no higher than those of counting noise."""
        if not single.any():
            return single
        noise = self._noise(single)
        return np.asarray(single & ((self.peak <= np.quantile(noise, NOISE)) | (self.known == 1)))

    def _noise(self, single: NDArray[np.bool_]) -> Array:
        """Peaks of counting noise; shots of the lower half stand for singles, since the others may have fringes."""
        low = np.flatnonzero(single & (self.peak <= np.median(self.peak[single])))[:COMPARED]
        return self.taught.evidence.noise_peaks(self.crops[low], np.random.default_rng(self.seed), self.device)

    def _turn(
        self, single: NDArray[np.bool_], effort: tuple[int, float], purest: float = 1.0
    ) -> tuple[NDArray[np.float64], float]:
        """Learn from what is taken for singles, those with the lowest peaks; log ratio of all shots, and multiples.

        Patterns are learned from other shots than the lessons are made of, since components learn the noise of the
        shots that they are fitted to.
        """
        learned = self.crops[single & self.reference]
        patterns = fit_patterns(learned, self.window, seed=self.seed)
        evidence = fit_evidence(learned, patterns, self.step, self.offset, self.device)
        measures, self.peak = self._measured(evidence)
        chosen = single & (self.peak <= np.quantile(self.peak[single], purest)) & ~self.reference
        self.taught = Taught(evidence, self._trained(evidence, measures, chosen, effort), np.zeros(0))
        ratio = self.taught.networks.log_ratio(measures)
        return ratio, multiple_fraction(ratio[self.usable])

    def _trained(
        self, evidence: Evidence, measures: Array, single: NDArray[np.bool_], effort: tuple[int, float]
    ) -> Networks:
        """Train networks on shots that look single, on synthetic ones made of them, and on those that are labelled."""
        members, part = effort
        synthesis = make_synthesis(self.crops[single], evidence.patterns, evidence.step)
        sources = max(LEAST_SOURCES, int(single.sum()))
        drawn = {k: self._drawn(evidence, synthesis, k, int(part * share * sources)) for k, share in SYNTHETIC.items()}
        one, several = [measures[single], drawn[1]], [drawn[k] for k in drawn if k > 1]
        repeat = max(1, sources // (10 * max(1, int((self.known >= 0).sum()))))
        for kind, lessons in ((1, one), (0, several)):
            lessons.append(np.repeat(measures[self.known == kind], repeat, axis=0))
        x, y = np.concatenate([*one, *several]), np.repeat([1, 0], [sum(map(len, one)), sum(map(len, several))])
        return Networks.trained(x, y, members, self.seed, evidence.peaks_in_bands)

    def _drawn(self, evidence: Evidence, synthesis: Synthesis, n_particles: int, shots: int) -> Array:
        """Measures of synthetic shots."""

        def measures(batch: tuple[slice, np.random.Generator]) -> Array:
            part, rng = batch
            return evidence.measure(synthesis.draw(n_particles, part.stop - part.start, rng), self.device)[0]

        batches = cut(shots)
        return np.concatenate(
            side_by_side(measures, list(zip(batches, self.rng.spawn(len(batches)), strict=True)), self.device)
        )

    def _measured(self, evidence: Evidence) -> tuple[Array, Array]:
        """Measures and peaks of measured shots."""

        def measured(shots: slice) -> tuple[Array, Array]:
            return evidence.measure(np.ascontiguousarray(self.crops[shots], np.float32), self.device)[:2]

        measures, peak = zip(*side_by_side(measured, cut(len(self.crops)), self.device), strict=True)
        return np.concatenate(measures), np.concatenate(peak)
