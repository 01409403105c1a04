"""Networks, taught on pairs made of the data's own singles, weigh the evidence on each hit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xfeldask.devices import measuring_device
from xfeldask.errors import InputError, TooFewHitsError
from xfeldask.physics.binning import ImageGrid
from xfeldask.sorting.labels import UNKNOWN, checked_labels
from xfeldask.sorting.pairs.batches import BATCH, Images
from xfeldask.sorting.pairs.evidence import Evidence
from xfeldask.sorting.pairs.lessons import LEAST_HITS, Taught, Teacher
from xfeldask.sorting.pairs.measuring import FINEST_FRINGE
from xfeldask.sorting.pairs.patterns import Patterns
from xfeldask.sorting.pairs.weighing import LAYERS, Networks
from xfeldask.sorting.pairs.window import Window, checked, excess, find_window, too_bright
from xfeldask.sorting.pairs.zero_fluence import light_beside

MOST_HITS = 12_000
HIT = 5.0
"""Standard deviations above the background from which a shot is a hit."""
OWN = ("center", "width", "lesson_odds", "floor")
"""What networks know besides their layers."""
LATER = ("steady", "gauge", "known", "signal", "floor")
"""What rules of earlier versions lack; for those nothing is steady, every component is signal, and no floor holds."""


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
    device : "auto", "cpu" or "cuda", where shots are measured, in whichever process that is

    Notes
    -----
    What several particles look like follows from what one looks like: amplitudes add. So pairs and triples are
    synthesised from shots that look single, and a network learns to tell those from synthetic and measured singles
    by the measures of `xfeldask.sorting.pairs.evidence`. It does so twice: at first the half of the hits with the
    lowest peaks looks single, then what the first network takes for single, and patterns are learned anew from
    these. Where many hits are multiple there are turns between, which learn from those whose peaks are counting noise.

    Examples
    --------
    >>> PairNetworks().judge(np.zeros((1, 64, 64)))
    Traceback (most recent call last):
    ...
    xfeldask.latent.linear.NotFittedError: the pair rule has learned nothing yet; fit it, or restore one that has
    """

    window: Window
    taught: Taught

    def __init__(self, seed: int = 0, device: str = "cpu") -> None:
        self.seed, self.device = seed, device

    def fit(
        self, images: Images, grid: ImageGrid, labels: ArrayLike | None = None, background: Images | None = None
    ) -> Self:
        """Learn from shots.

        Parameters
        ----------
        images : (shot, y, x), `low_q`; blanks may be among them
        grid : ImageGrid, of `low_q`
        labels : int (shot,), optional: 1 a single hit, 0 anything else, -1 not known; labels 1 and 0 are lessons of
            their own, and those of label 0 are not taken for singles
        background : (y, x), optional, photons of the background of a shot, on average, in the bins of the images: what
            particles are drawn over in lessons, as much of it as each shot holds

        Raises
        ------
        InputError
            Images or a background that do not fit the grid or hold NaN, labels of another length or with other values,
            too few hits, or so many multiple ones that what one particle looks like cannot be learned.
        """
        images = checked(images, grid.shape)
        known = np.full(len(images), UNKNOWN) if labels is None else checked_labels(labels, len(images))
        self.window = find_window(images, grid, background)
        hit = np.flatnonzero(self.is_hit(images))
        usable = int((known[hit] != 0).sum())
        if usable < LEAST_HITS:
            raise TooFewHitsError(
                f"the rule learns from {LEAST_HITS} hits or more, found {usable} in {len(images)} shots; "
                "give more shots, apply a model of another store (project), or sort by elliptic_envelope; "
                "where you know what the beam may hold, by its species (sort='models', like=)"
            )
        rng = np.random.default_rng(self.seed)
        chosen = _chosen(hit, known, rng)
        crops = images[self.window.inner][chosen]
        fault = too_bright(crops.sum(axis=(1, 2), dtype=np.float64))
        if fault.any():
            chosen, crops = chosen[~fault], crops[~fault]
        teacher = Teacher(crops, known[chosen], grid, self.window, self.seed, rng, measuring_device(self.device))
        taught, part = teacher.teach(), self.window.inner[1:]
        flat = self.window.background * float(images.sum(axis=(1, 2), dtype=np.float64).mean()) * self.window.good
        background = (flat + self.window.steady)[part]
        light = light_beside(crops[teacher.single], self.window.good[part], teacher.offset, background)
        self.taught = replace(taught, light=light)
        return self

    def is_hit(self, images: Images) -> NDArray[np.bool_]:
        """Whether there is a particle in each shot."""
        return np.asarray(excess(images, self.window) > HIT)

    @property
    def steady_photons(self) -> float | None:
        """Photons of a shot, on average, that do not grow with its brightness; None where there are none to tell of."""
        return float((self.window.steady - self.window.known).sum()) or None if hasattr(self, "window") else None

    @property
    def background_photons(self) -> float | None:
        """Photons of the background of a shot that was known beforehand, on average; None where none was."""
        return float(self.window.known.sum()) or None if hasattr(self, "window") else None

    @property
    def light_photons(self) -> float | None:
        """Photons of a single hit, on average, that do not grow with its brightness; None where they are few."""
        return self.taught.light or None if hasattr(self, "taught") else None

    @property
    def farthest_pair(self) -> float | None:
        """How far apart, as seen along the beam, two particles still show [m]; None before it is learned."""
        return FINEST_FRINGE / self.taught.evidence.step if hasattr(self, "taught") else None

    @property
    def noise_peaks(self) -> NDArray[np.float64]:
        """Peaks of counting noise, as of `noise_levels`; empty where they are not known."""
        return self.taught.noise_peaks if hasattr(self, "taught") else np.zeros(0)

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
        another order, log ratios may differ by rounding, by less than 0.01.
        """
        self._check_fitted()
        starts = range(0, max(1, len(images)), BATCH)
        parts = [self._judge(images[start : start + BATCH]) for start in starts]
        return Judgement(*(np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(Judgement)))

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Everything that was learned, by name; `restore` takes it back.

        Raises
        ------
        InputError
            Nothing learned yet.
        """
        self._check_fitted()
        evidence, networks = self.taught.evidence, self.taught.networks
        parts = (self.window, evidence.patterns, evidence)
        out = {name: getattr(part, name) for part in parts for name in _plain(type(part))}
        out |= {"seed": self.seed, "noise_peaks": self.taught.noise_peaks, "light": self.taught.light} | {
            name: getattr(networks, name) for name in OWN
        }
        for i, layers in enumerate(networks.layers):
            for j, (weight, bias) in enumerate(layers):
                out |= {f"weight_{i}_{j}": weight, f"bias_{i}_{j}": bias}
        return {name: np.asarray(value) for name, value in out.items()}

    @classmethod
    def restore(cls, arrays: Mapping[str, NDArray[Any]], device: str = "cpu") -> Self:
        """Restore the rule that `arrays` came from; it judges to the same bits on the same device.

        Raises
        ------
        InputError
            Arrays are missing.
        """
        depth = len(LAYERS) + 1
        members = 1 + max((int(name.split("_")[1]) for name in arrays if name.startswith("weight_")), default=0)
        networks = [[(f"weight_{i}_{j}", f"bias_{i}_{j}") for j in range(depth)] for i in range(members)]
        needed = {"seed", *OWN, *(name for kind in (Window, Patterns, Evidence) for name in _plain(kind))}
        needed.update(name for layers in networks for layer in layers for name in layer)
        needed -= {*LATER}
        if missing := sorted(needed - set(arrays)):
            raise InputError(f"these arrays are no whole pair rule, missing: {', '.join(missing)}")
        known: dict[str, Any] = {name: np.array(arrays[name]) for name in needed}
        nothing, every = np.zeros_like(known["weight"]), np.array(len(known["variance"]))
        lacking = dict.fromkeys(LATER, nothing) | {"signal": every}
        lacking["floor"] = np.full_like(known["center"], -np.inf)
        known |= {name: np.array(arrays.get(name, lacking[name])) for name in LATER}
        known = {name: value if value.ndim else value.item() for name, value in known.items()}

        def of(kind: type, **parts: Any) -> Any:
            return kind(**{name: known[name] for name in _plain(kind)}, **parts)

        rule = cls(known["seed"], device)
        rule.window = of(Window)
        evidence = of(Evidence, patterns=of(Patterns, window=rule.window))
        layers = [[(known[weight], known[bias]) for weight, bias in network] for network in networks]
        noise = np.array(arrays.get("noise_peaks", np.zeros(0)))
        rule.taught = Taught(evidence, Networks(**{name: known[name] for name in OWN}, layers=layers), noise,
                            float(arrays.get("light", 0.0)))  # fmt: skip
        return rule

    def _check_fitted(self) -> None:
        if not hasattr(self, "taught"):
            from xfeldask.latent.linear import NotFittedError  # scikit-learn takes a second to import

            raise NotFittedError("the pair rule has learned nothing yet; fit it, or restore one that has")

    def _judge(self, images: Images) -> Judgement:
        hit = self.is_hit(images)
        columns = np.full((3, len(hit)), np.nan)
        if hit.any():
            crops, device = self.window.crop(images[hit]), measuring_device(self.device)
            measures, peak, separation = self.taught.evidence.measure(crops, device)
            columns[:, hit] = self.taught.networks.log_ratio(measures), peak, separation
        return Judgement(hit, *columns)


def _plain(kind: type) -> list[str]:
    """Fields that are numbers or arrays."""
    return [field.name for field in fields(kind) if field.name not in ("window", "patterns")]


def _chosen(hit: NDArray[np.int64], known: NDArray[Any], rng: np.random.Generator) -> NDArray[np.int64]:
    """Hits to learn from, in random order; of too many, those that are labelled come first, up to half."""
    chosen = rng.permutation(hit)
    if len(chosen) <= MOST_HITS:
        return chosen
    first = np.zeros(len(chosen), bool)
    first[np.flatnonzero(known[chosen] >= 0)[: MOST_HITS // 2]] = True
    rest = np.flatnonzero(~first & (known[chosen] != 0))[: MOST_HITS - int(first.sum())]
    first[rest] = True
    return chosen[first]
