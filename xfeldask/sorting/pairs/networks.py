"""Networks, taught on pairs made of the data's own singles, weigh the evidence on each hit."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import logit
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier

from xfeldask.errors import InputError
from xfeldask.latent.linear import NotFittedError
from xfeldask.physics.binning import ImageGrid
from xfeldask.sorting.decision import multiple_fraction
from xfeldask.sorting.pairs.evidence import Evidence, fit_evidence
from xfeldask.sorting.pairs.patterns import Patterns, fit_patterns
from xfeldask.sorting.pairs.synthesis import Synthesis, make_synthesis
from xfeldask.sorting.pairs.window import BATCH, Array, Images, Window, checked, excess, find_window, too_bright

LEAST_HITS = 300
MOST_HITS = 12_000
HIT = 5.0
"""Standard deviations above the background from which a shot is a hit."""
PUREST = 0.5
"""Fraction of the hits, those with the lowest peaks, that singles are made of at first."""
SYNTHETIC = {1: 1.0, 2: 1.0, 3: 0.1}
"""Synthetic shots by number of particles, for each source."""
LAYERS = (32, 16)
MEMBERS = 4
"""Networks whose answers are averaged."""
DRAFT, FINAL = (1, 0.3), (MEMBERS, 1.0)
"""Networks, and fraction of the synthetic shots, of a first turn and of the last one."""
FEW = 0.3
"""Fraction of multiple hits, after the first turn, up to which the second is the last."""
CORE = 0.3
"""Of more multiple hits: fraction of the expected singles, the likeliest, that the next turn learns from."""
SETTLED = 0.02
"""Such turns follow one another until the fraction of multiple hits grows by less."""
MOST_TURNS = 12
AGREE = 0.12
"""Fraction of the hits by which those turns and the last one may differ in what they take for multiple."""
FALLEN, FALLEN_FROM = 0.7, 0.1
"""Of fewer multiple hits, too, where the second turn finds less than so much of them; and the least for that."""
MORE = 0.1
"""Multiple hits, as a fraction, that those turns have to find beyond the first one to be believed: they are strict."""
LEAST_SOURCES = 2000
"""Synthetic singles are drawn as if there were so many sources at least."""
STEPS = 2000
"""Steps of the optimiser for a network, at least."""
ROUNDS = 25
LESSONS = 256
"""Lessons that a step of the optimiser takes."""
REFERENCE = 0.7
"""Fraction of the shots whose patterns are learned, and among which neighbours are sought; the others give lessons."""
OWN = ("seed", "center", "width", "lesson_odds")
"""What a rule knows besides its evidence and its networks."""
LATER = ("steady", "gauge")
"""Images that rules of earlier versions lack; nothing was steady to them."""


@dataclass(frozen=True)
class Lesson:
    """What a rule learns from.

    Attributes
    ----------
    crops : (shot, 2 half, 2 half), photons of hits
    known : int (shot,), labels
    reference : bool (shot,), shots whose patterns are learned; the others give lessons
    grid : ImageGrid, of the images that were cropped
    rng : numpy.random.Generator
    """

    crops: Images
    known: NDArray[Any]
    reference: NDArray[np.bool_]
    grid: ImageGrid
    rng: np.random.Generator


@dataclass(frozen=True)
class Judgement:
    """Evidence on shots; NaN where a shot is blank.

    Attributes
    ----------
    hit : bool (shot,), whether there is a particle at all
    log_ratio : float64 (shot,), how much likelier the measures are under one particle than under several, log
    peak : float64 (shot,), the highest peak of the transform that one particle does not explain, in its noise
    separation : float64 (shot,) [m], between two particles, as that peak's lag would have it
    """

    hit: NDArray[np.bool_]
    log_ratio: NDArray[np.float64]
    peak: NDArray[np.float64]
    separation: NDArray[np.float64]


class PairNetworks:
    """Tells single from multiple hits; learns from shots without knowing which are which.

    Parameters
    ----------
    seed : int

    Notes
    -----
    What several particles look like follows from what one looks like: amplitudes add. So pairs and triples are
    synthesised from shots that look single, and a network learns to tell those from synthetic and measured singles
    by the measures of `xfeldask.sorting.pairs.evidence`. It does so twice: at first the half of the hits with the
    lowest peaks looks single, then what the first network takes for single, and patterns are learned anew from
    these. Where many hits are multiple there are turns between, which learn from the likeliest singles.

    Examples
    --------
    >>> PairNetworks().judge(np.zeros((1, 64, 64)))
    Traceback (most recent call last):
    ...
    xfeldask.latent.linear.NotFittedError: the pair rule has learned nothing yet; fit it, or restore one that has
    """

    window: Window
    evidence: Evidence
    center: Array
    width: Array
    lesson_odds: float
    networks: list[list[tuple[Array, Array]]]

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed

    def fit(self, images: Images, grid: ImageGrid, labels: ArrayLike | None = None) -> Self:
        """Learn from shots.

        Parameters
        ----------
        images : (shot, y, x), `low_q`; blanks may be among them
        grid : ImageGrid, of `low_q`
        labels : int (shot,), optional: 1 a single hit, 0 anything else, -1 not known; labels 1 and 0 are lessons of
            their own, and those of label 0 are not taken for singles

        Raises
        ------
        InputError
            Images that do not fit the grid or hold NaN, labels of another length or with other values, too few hits, or
            so many multiple ones that what one particle looks like cannot be learned.
        """
        images = checked(images, grid.shape)
        known = _checked_labels(labels, len(images))
        self.window = find_window(images, grid)
        hit = np.flatnonzero(self.is_hit(images))
        usable = int((known[hit] != 0).sum())
        if usable < LEAST_HITS:
            raise InputError(
                f"the rule learns from {LEAST_HITS} hits or more, found {usable} in {len(images)} shots; "
                "give more shots, apply a model of another store (project), or sort by elliptic_envelope"
            )
        rng = np.random.default_rng(self.seed)
        chosen = _chosen(hit, known, rng)
        crops = images[self.window.inner][chosen]
        fault = too_bright(crops.sum(axis=(1, 2), dtype=np.float64))
        if fault.any():
            chosen, crops = chosen[~fault], crops[~fault]
        self._learn(crops, known[chosen], grid, rng)
        return self

    def is_hit(self, images: Images) -> NDArray[np.bool_]:
        """Whether there is a particle in each shot."""
        return np.asarray(excess(images, self.window) > HIT)

    @property
    def steady_photons(self) -> float | None:
        """Photons of a shot, on average, that do not grow with its brightness; None where there are none to tell of."""
        return float(self.window.steady.sum()) or None if hasattr(self, "window") else None

    def judge(self, images: Images) -> Judgement:
        """Weigh the evidence on shots.

        Parameters
        ----------
        images : (shot, y, x), `low_q`, in the grid of the shots that were learned from

        Raises
        ------
        InputError
            Nothing learned yet, images of another shape, NaN.

        Notes
        -----
        Shots are taken 256 at a time: data cut at multiples of that are judged to the same bits; cut elsewhere, or in
        another order, log ratios may differ by rounding, by less than 0.001.
        """
        self._check_fitted()
        starts = range(0, max(1, len(images)), BATCH)
        parts = [self._judge(images[start : start + BATCH]) for start in starts]
        return Judgement(*(np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(Judgement)))

    def log_ratio(self, measures: Array) -> NDArray[np.float64]:
        """Mean of the networks' log odds of a single hit, less what their lessons had of each kind."""
        x = (measures - self.center) / self.width
        return np.asarray(np.mean([_forward(x, layers) for layers in self.networks], axis=0) - self.lesson_odds)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Everything that was learned, by name; `restore` takes it back.

        Raises
        ------
        InputError
            Nothing learned yet.
        """
        self._check_fitted()
        evidence, patterns, window = self.evidence, self.evidence.patterns, self.window
        out = {name: getattr(part, name) for part in (window, patterns, evidence) for name in _plain(type(part))}
        out |= {name: getattr(self, name) for name in OWN}
        for i, layers in enumerate(self.networks):
            for j, (weight, bias) in enumerate(layers):
                out |= {f"weight_{i}_{j}": weight, f"bias_{i}_{j}": bias}
        return {name: np.asarray(value) for name, value in out.items()}

    @classmethod
    def restore(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Restore the rule that `arrays` came from; it judges to the same bits.

        Raises
        ------
        InputError
            Arrays are missing.
        """
        depth = len(LAYERS) + 1
        members = 1 + max((int(name.split("_")[1]) for name in arrays if name.startswith("weight_")), default=0)
        networks = [[(f"weight_{i}_{j}", f"bias_{i}_{j}") for j in range(depth)] for i in range(members)]
        needed = {*OWN, *(name for kind in (Window, Patterns, Evidence) for name in _plain(kind))}
        needed.update(name for layers in networks for layer in layers for name in layer)
        needed -= {*LATER}
        if missing := sorted(needed - set(arrays)):
            raise InputError(f"these arrays are no whole pair rule, missing: {', '.join(missing)}")
        known: dict[str, Any] = {name: np.array(arrays[name]) for name in needed}
        known |= {name: np.array(arrays.get(name, np.zeros_like(known["weight"]))) for name in LATER}
        known = {name: value if value.ndim else value.item() for name, value in known.items()}

        def of(kind: type, **parts: Any) -> Any:
            return kind(**{name: known[name] for name in _plain(kind)}, **parts)

        rule = cls()
        rule.window = of(Window)
        rule.evidence = of(Evidence, patterns=of(Patterns, window=rule.window))
        for name in OWN:
            setattr(rule, name, known[name])
        rule.networks = [[(known[weight], known[bias]) for weight, bias in layers] for layers in networks]
        return rule

    def _check_fitted(self) -> None:
        if not hasattr(self, "networks"):
            raise NotFittedError("the pair rule has learned nothing yet; fit it, or restore one that has")

    def _judge(self, images: Images) -> Judgement:
        hit = self.is_hit(images)
        columns = np.full((3, len(hit)), np.nan)
        if hit.any():
            measures, peak, separation = self.evidence.measure(self.window.crop(images[hit]))
            columns[:, hit] = self.log_ratio(measures), peak, separation
        return Judgement(hit, *columns)

    def _learn(self, crops: Images, known: NDArray[Any], grid: ImageGrid, rng: np.random.Generator) -> None:
        """At first from those with the lowest peaks, in the end from all that were taken for singles until then.

        Where several particles are common, those with the lowest peaks hold too many multiples to say how common. Turns
        between then learn from the likeliest singles alone, and find more multiples each time, until there are no more.
        """
        usable = known != 0
        lesson = Lesson(crops, known, np.arange(len(crops)) < REFERENCE * len(crops), grid, rng)
        ratio, several = self._turn(lesson, usable, DRAFT, PUREST)
        least = min(logit(several), float(np.median(ratio[usable])))
        if several <= FEW:
            _, found = self._turn(lesson, ((ratio >= least) | (known == 1)) & usable, FINAL)
            if found > FALLEN * several or several < FALLEN_FROM:
                return
        purer, more = self._purify(lesson, ratio, several)
        believed = more > several + MORE
        if believed:
            ratio, least = purer, logit(more)
        _, found = self._turn(lesson, ((ratio >= least) | (known == 1)) & usable, FINAL)
        if believed and abs(found - more) > AGREE:
            raise InputError(
                f"too many of the {len(crops)} hits hold several particles to learn from them what one looks like: "
                f"{more:.0%} of them at a first look, {found:.0%} at a second; apply a model of a simulation (simulate "
                "with like=, sort that, and project)"
            )

    def _purify(self, lesson: Lesson, ratio: NDArray[np.float64], several: float) -> tuple[NDArray[np.float64], float]:
        """Learn from the likeliest singles until the fraction of multiples grows no more."""
        usable = lesson.known != 0
        for _ in range(MOST_TURNS):
            core = usable & (ratio >= np.quantile(ratio[usable], 1 - CORE * (1 - several)))
            if core.sum() < LEAST_HITS:
                break
            ratio, now = self._turn(lesson, core, DRAFT)
            grown, several = now - several, max(now, several)
            if grown < SETTLED:
                break
        return ratio, several

    def _turn(
        self, lesson: Lesson, single: NDArray[np.bool_], effort: tuple[int, float], purest: float = 1.0
    ) -> tuple[NDArray[np.float64], float]:
        """Learn from what is taken for singles, those with the lowest peaks; log ratio of all shots, and multiples.

        Patterns are learned from other shots than the lessons are made of, since components learn the noise of the
        shots that they are fitted to.
        """
        crops, known, reference = lesson.crops, lesson.known, lesson.reference
        step = float(lesson.grid.step.mean())
        row, column = (c - part.start for c, part in zip(lesson.grid.center, self.window.inner[1:], strict=True))
        patterns = fit_patterns(crops[single & reference], self.window, seed=self.seed)
        self.evidence = fit_evidence(crops[single & reference], patterns, step, (row, column))
        measures, peak = self._measure(crops)
        chosen = single & (peak <= np.quantile(peak[single], purest))
        self._teach(crops, measures, chosen & ~reference, known, effort, lesson.rng)
        ratio = self.log_ratio(measures)
        return ratio, multiple_fraction(ratio[known != 0])

    def _teach(
        self,
        crops: Images,
        measures: Array,
        single: NDArray[np.bool_],
        known: NDArray[Any],
        effort: tuple[int, float],
        rng: np.random.Generator,
    ) -> None:
        """Train networks on shots that look single, on synthetic ones made of them, and on those that are labelled."""
        members, part = effort
        synthesis = make_synthesis(crops[single], self.evidence.patterns, self.evidence.step)
        sources = max(LEAST_SOURCES, int(single.sum()))
        drawn = {k: self._drawn(synthesis, k, int(part * share * sources), rng) for k, share in SYNTHETIC.items()}
        one, several = [measures[single], drawn[1]], [drawn[k] for k in drawn if k > 1]
        repeat = max(1, sources // (10 * max(1, int((known >= 0).sum()))))
        for kind, lessons in ((1, one), (0, several)):
            lessons.append(np.repeat(measures[known == kind], repeat, axis=0))
        x, y = np.concatenate([*one, *several]), np.repeat([1, 0], [sum(map(len, one)), sum(map(len, several))])
        self.center, self.width = x.mean(axis=0), np.maximum(x.std(axis=0), 1e-6)
        self.lesson_odds = float(logit(y.mean()))
        self.networks = [_train((x - self.center) / self.width, y, self.seed + i) for i in range(members)]

    def _drawn(self, synthesis: Synthesis, n_particles: int, shots: int, rng: np.random.Generator) -> Array:
        """Measures of synthetic shots."""
        sizes = [min(BATCH, shots - start) for start in range(0, shots, BATCH)]
        return np.concatenate([self.evidence.measure(synthesis.draw(n_particles, size, rng))[0] for size in sizes])

    def _measure(self, crops: Images) -> tuple[Array, Array]:
        """Measures and peaks of measured shots."""
        batches = [np.ascontiguousarray(crops[i : i + BATCH], np.float32) for i in range(0, len(crops), BATCH)]
        parts = [self.evidence.measure(batch)[:2] for batch in batches]
        measures, peak = (np.concatenate(part) for part in zip(*parts, strict=True))
        return measures, peak


def _plain(kind: type) -> list[str]:
    """Fields that are numbers or arrays."""
    return [field.name for field in fields(kind) if field.name not in ("window", "patterns")]


def _chosen(hit: NDArray[np.int64], known: NDArray[Any], rng: np.random.Generator) -> NDArray[np.int64]:
    """Hits to learn from, in random order; of too many, all that are labelled come first."""
    chosen = rng.permutation(hit)
    if len(chosen) <= MOST_HITS:
        return chosen
    labelled = np.argsort(known[chosen] < 0, kind="stable")[:MOST_HITS]
    return chosen[np.sort(labelled)]


def _checked_labels(labels: ArrayLike | None, shots: int) -> NDArray[Any]:
    known = np.full(shots, -1) if labels is None else np.asarray(labels)
    if known.shape != (shots,):
        raise InputError(f"labels are one for each of the {shots} shots, got shape {known.shape}")
    if not np.isin(known, (-1, 0, 1)).all():
        other = known[~np.isin(known, (-1, 0, 1))][0]
        raise InputError(f"labels are 1 (single), 0 (anything else) or -1 (not known), got {other}")
    return known


def _train(x: Array, y: NDArray[Any], seed: int) -> list[tuple[Array, Array]]:
    rounds = max(ROUNDS, STEPS * LESSONS // len(x))
    network = MLPClassifier(LAYERS, alpha=1e-2, batch_size=min(LESSONS, len(x)), max_iter=rounds, random_state=seed)
    with warnings.catch_warnings():
        # a fixed number of rounds is the point: the networks are averaged, not polished
        warnings.simplefilter("ignore", ConvergenceWarning)
        network.fit(x, y)
    return [
        (a.astype(np.float32), b.astype(np.float32)) for a, b in zip(network.coefs_, network.intercepts_, strict=True)
    ]


def _forward(x: Array, layers: list[tuple[Array, Array]]) -> NDArray[np.float64]:
    for weight, bias in layers[:-1]:
        x = np.maximum(x @ weight + bias, 0)
    weight, bias = layers[-1]
    return np.asarray((x @ weight + bias)[:, 0], np.float64)
