"""The default rule: networks, taught on pairs made of the data's own singles, weigh the evidence on each hit."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import logit
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier

from xfeldask.errors import InputError
from xfeldask.latent.decision import LIMIT, multiple_fraction
from xfeldask.latent.evidence import Evidence, fit_evidence
from xfeldask.latent.patterns import Array, Images, Patterns, Window, excess, find_window, fit_patterns
from xfeldask.latent.synthesis import Synthesis, make_synthesis
from xfeldask.physics.binning import ImageGrid

LEAST_HITS = 300
MOST_HITS = 12_000
HIT = 5.0
"""Standard deviations above the background from which a shot is a hit."""
PURE = 0.5
"""Part of the hits, those with the lowest peaks, that singles are made of at first."""
SYNTHETIC = {1: 1.0, 2: 1.0, 3: 0.1}
"""Synthetic shots by number of particles, for each source."""
LAYERS = (32, 16)
MEMBERS = 4
"""Networks whose answers are averaged."""
TURNS = ((1, 0.3), (MEMBERS, 1.0))
"""Networks, and part of the synthetic shots, in each turn."""
LEAST_SOURCES = 2000
"""Synthetic singles are drawn as if there were so many sources at least."""
STEPS = 3000
"""Steps of the optimiser for a network, at least."""
ROUNDS, BATCH = 25, 256


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


class PairRule:
    """Tells single from multiple hits; learns from shots without knowing which are which.

    Parameters
    ----------
    seed : int

    Notes
    -----
    Most hits hold one particle, and what several look like follows from what one looks like: amplitudes add. So
    pairs and triples are synthesised from shots that look single, and a network learns to tell those from synthetic
    and measured singles by the measures of `xfeldask.latent.evidence`.
    """

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed

    def fit(self, images: Images, grid: ImageGrid, labels: NDArray[np.integer] | None = None) -> Self:
        """Learn from shots.

        Parameters
        ----------
        images : (shot, y, x), `low_q`; blanks may be among them
        grid : ImageGrid, of `low_q`
        labels : int (shot,), optional: 1 a single hit, 0 anything else, -1 not known

        Raises
        ------
        InputError
            Too few hits.
        """
        self.window = find_window(images, grid)
        hit = self.is_hit(images)
        if hit.sum() < LEAST_HITS:
            raise InputError(
                f"the rule learns from {LEAST_HITS} hits or more, found {int(hit.sum())} in {len(images)} shots; "
                "give more shots, apply a model of another store (project), or sort by elliptic_envelope"
            )
        rng = np.random.default_rng(self.seed)
        chosen = rng.permutation(np.flatnonzero(hit))[:MOST_HITS]
        known = np.full(len(images), -1) if labels is None else np.asarray(labels)
        crops, known = images[self.window.inner][chosen], known[chosen]
        self._learn(crops, known, grid, rng)
        return self

    def _learn(self, crops: Images, known: NDArray[Any], grid: ImageGrid, rng: np.random.Generator) -> None:
        """Twice: at first from those with the lowest peaks, then from all that the first lesson takes for singles.

        One half of the shots is the reference among which neighbours are looked for, the other gives the lessons.
        """
        step = float(grid.step.mean())
        row, column = (c - part.start for c, part in zip(grid.center, self.window.inner[1:], strict=True))
        reference = np.arange(len(crops)) < len(crops) // 2
        single = known != 0
        for members, synthetic in TURNS:
            patterns = fit_patterns(crops[single], self.window, seed=self.seed)
            self.evidence = fit_evidence(crops[single & reference], patterns, step, (row, column))
            measures, peak = self._measure(crops)
            chosen = single & (peak <= np.quantile(peak, PURE)) if members < MEMBERS else single
            self._teach(crops, measures, chosen & ~reference, known, (members, synthetic), rng)
            ratio = self.log_ratio(measures)
            prior = logit(multiple_fraction(np.clip(ratio, -LIMIT, LIMIT)))
            single = (ratio >= min(prior, float(np.median(ratio)))) & (known != 0)

    def is_hit(self, images: Images) -> NDArray[np.bool_]:
        """Whether there is a particle in each shot."""
        return np.asarray(excess(images, self.window) > HIT)

    def judge(self, images: Images) -> Judgement:
        """Weigh the evidence on shots (shot, y, x), `low_q`."""
        hit = self.is_hit(images)
        columns = np.full((3, len(images)), np.nan)
        if hit.any():
            measures, peak, separation = self.evidence.measure(self.window.crop(images[hit]))
            columns[:, hit] = self.log_ratio(measures), peak, separation
        return Judgement(hit, *columns)

    def log_ratio(self, measures: Array) -> NDArray[np.float64]:
        """Mean of the networks' log odds of a single hit, less what their lessons had of each kind."""
        x = (measures - self.center) / self.width
        return np.asarray(np.mean([_forward(x, layers) for layers in self.networks], axis=0) - self.lesson_odds)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Everything that was learned, by name; `restore` takes it back."""
        evidence, patterns, window = self.evidence, self.evidence.patterns, self.window
        out = {name: getattr(part, name) for part, names in _parts(window, patterns, evidence) for name in names}
        out |= {"center": self.center, "width": self.width, "lesson_odds": self.lesson_odds, "seed": self.seed}
        for i, layers in enumerate(self.networks):
            for j, (weight, bias) in enumerate(layers):
                out |= {f"weight_{i}_{j}": weight, f"bias_{i}_{j}": bias}
        return {name: np.asarray(value) for name, value in out.items()}

    @classmethod
    def restore(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """The rule that `arrays` came from; it judges to the same bits."""

        def of(kind: type, **parts: Any) -> Any:
            plain = {name: arrays[name] for name in _plain(kind)}
            return kind(**{name: value.item() if value.ndim == 0 else value for name, value in plain.items()}, **parts)

        rule = cls(int(arrays["seed"]))
        rule.window = of(Window)
        rule.evidence = of(Evidence, patterns=of(Patterns, window=rule.window))
        rule.center, rule.width = arrays["center"], arrays["width"]
        rule.lesson_odds = float(arrays["lesson_odds"])
        depth = range(len(LAYERS) + 1)
        members = range(sum(name.startswith("weight_") for name in arrays) // len(depth))
        rule.networks = [[(arrays[f"weight_{i}_{j}"], arrays[f"bias_{i}_{j}"]) for j in depth] for i in members]
        return rule

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
        self.lesson_odds = float(np.log(y.sum() / (len(y) - y.sum())))
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


def _parts(*parts: object) -> list[tuple[object, list[str]]]:
    return [(part, _plain(type(part))) for part in parts]


def _train(x: Array, y: NDArray[Any], seed: int) -> list[tuple[Array, Array]]:
    rounds = max(ROUNDS, STEPS * BATCH // len(x))
    network = MLPClassifier(LAYERS, alpha=1e-2, batch_size=min(BATCH, len(x)), max_iter=rounds, random_state=seed)
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
