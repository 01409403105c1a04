"""A rule that tells one particle from two where it is known what the particle is made of; one shot is enough."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from xfeldask.errors import InputError
from xfeldask.orient.sparse import Pixels, SparseFrames
from xfeldask.physics.binning import ImageGrid
from xfeldask.physics.volume import Volume
from xfeldask.schema import LATENT
from xfeldask.sorting.decision import Decision
from xfeldask.sorting.hits import HitRule
from xfeldask.sorting.named_pairs import drawn_hits as drawing
from xfeldask.sorting.named_pairs.drawn_hits import Trust, drawn_hits
from xfeldask.sorting.named_pairs.pair_places import Distances
from xfeldask.sorting.named_pairs.views import TINY, Views
from xfeldask.sorting.pairs.networks import HIT
from xfeldask.sorting.protocol import Allowance, Columns, Grids, Rule, Shots
from xfeldask.sorting.verdicts import told_of, verdicts

NAMED_PAIRS = "named_pairs"
"""Name of the rule."""
LOOKED_AT = 2000
"""Shots, at most, that tell how bright hits are, and how bright a background is that is not known."""
TURNS = 200
"""Of the estimate of a background beside the particle's pattern."""


@dataclass(frozen=True, eq=False)
class Beam:
    """What hits hold, as somebody tells.

    Attributes
    ----------
    views : Views, of the particle
    spread : float, relative standard deviation of sizes
    """

    views: Views
    spread: float


class NamedPairRule(Rule):
    """Tells hits of one particle from those of two by how likely their photons are under each.

    Nothing is learned of the shots but how bright they are, and each is judged by itself. The particle's form factor is
    known, and two of them interfere.

    Parameters
    ----------
    beam : Beam, what hits hold
    seed : int

    Notes
    -----
    See `xfeldask.sorting.named_pairs.views` for the likelihood, and `xfeldask.sorting.named_pairs.drawn_hits` for how
    far it is trusted. Blanks are told as by `HitRule`.

    Examples
    --------
    >>> NamedPairRule().fit(None)
    Traceback (most recent call last):
        ...
    xfeldask.errors.InputError: the rule 'named_pairs' goes by a particle that is named: embed with sort='models', like=
    """

    needs = ("low_q",)
    columns = (LATENT["log_ratio"],)
    allowance = "max_singles_lost"
    uses_background = True

    trust: Trust
    hits: HitRule

    def __init__(self, beam: Beam | None = None, seed: int = 0) -> None:
        self.beam, self.seed = beam, seed

    @property
    def views(self) -> Views:
        """What the particle looks like."""
        return self._named.views

    @property
    def _named(self) -> Beam:
        if self.beam is None:
            raise InputError(
                f"the rule {NAMED_PAIRS!r} goes by a particle that is named: embed with sort='models', like="
            )
        return self.beam

    def fit(self, shots: Shots) -> Self:
        """Take note of the background of the shots and of how bright hits are; draw shots as bright."""
        beam = self._named
        self.hits = HitRule().fit(shots)
        some = np.unique(np.linspace(0, len(shots) - 1, min(LOOKED_AT, len(shots))).astype(np.int64))
        images, reach = shots.read("low_q", some), float(np.hypot(*beam.views.pixels.s[-1, :2]))
        known, index = _background(shots, some, reach), beam.views.pixels.index
        if known is None:
            mean = images.reshape(len(images), -1)[:, index].mean(axis=0)
            background = _beside(mean, beam.views.mean_pattern, shots.low_q_grid.weight.reshape(-1)[index])
        else:
            background = known.reshape(-1)[index].astype(np.float64)
        self.beam = replace(beam, views=replace(beam.views, background=background))
        frames = SparseFrames.of(images, self.views.pixels.index)
        photons = frames.photons(len(self.views.pixels.s))
        lit = photons[self.hits.evidence({"low_q": images})["excess"] > HIT]
        self.trust = self._trusted(lit[lit > 0])
        return self

    def _trusted(self, photons: NDArray[np.int64]) -> Trust:
        """Draw shots as bright as hits of so many photons, and find how far their log ratios are to be trusted."""
        if not photons.size:
            return Trust(1.0, 0.0, 0.0, 0.0)
        dice, count = np.random.default_rng(self.seed), drawing.DRAWN
        two = np.arange(count) % 2
        light = dice.choice(photons, (count, 2)) * np.stack([np.ones_like(two), two], axis=1)
        drawn = drawn_hits(self.views, light, self._named.spread, dice)
        return Trust.found(self.views.log_ratios(drawn), light.sum(axis=1), two)

    def evidence(self, shots: Mapping[str, NDArray[Any]]) -> Columns:
        """Compare shots with one particle and with two; NaN where a shot is blank."""
        hit = self.hits.evidence(shots)["excess"] > HIT
        frames = SparseFrames.of(shots["low_q"], self.views.pixels.index)[hit]
        out = np.full(len(hit), np.nan)
        out[hit] = -self.trust.of(self.views.log_ratios(frames), frames.photons(len(self.views.pixels.s)))
        return {"log_ratio": out}

    def decide(self, columns: Mapping[str, NDArray[Any]], allowance: Allowance) -> tuple[Columns, Decision]:
        """Decide by the likeliest fraction of multiple hits; see `xfeldask.sorting.verdicts`."""
        out, found = verdicts(columns["log_ratio"], allowance, self.seed)
        return out, Decision(**told_of(found, allowance))

    def check(self, grids: Grids) -> None:
        """Refuse a `low_q` of another shape or other bins.

        Raises
        ------
        InputError
        """
        self.hits.check(grids)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the form factor, the bins, and what was found of the shots."""
        views, beam, trust = self.views, self._named, self.trust
        return {
            **{f"hits_{name}": value for name, value in self.hits.arrays().items()},
            "form": views.volume.values.view(np.float32).reshape(*views.volume.values.shape, 2),
            "taps": views.volume.taps,
            "grid": np.array([views.volume.step, views.volume.s_max, views.radius]),
            "refinement": np.asarray(views.refinement),
            "s": views.pixels.s,
            "factor": views.pixels.factor,
            "index": views.pixels.index,
            "background": views.background,
            "place": views.distances.place,
            "prior": views.distances.prior,
            "widths": np.array([views.pixels.step, views.distances.spacing]),
            "spread": np.asarray(beam.spread),
            "trust": np.array([trust.slope, trust.rate, trust.level, trust.tilt]),
            "seed": np.asarray(self.seed),
        }

    @classmethod
    def restore(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Return the rule that `arrays` came from."""
        step, s_max, radius = np.asarray(arrays["grid"]).tolist()
        width, spacing = np.asarray(arrays["widths"]).tolist()
        form = np.ascontiguousarray(arrays["form"], np.float32).view(np.complex64)[..., 0]
        s, factor, index = (np.asarray(arrays[name]) for name in ("s", "factor", "index"))
        distances = Distances(np.asarray(arrays["place"]), np.asarray(arrays["prior"]), spacing)
        volume = Volume(form, step, s_max, np.asarray(arrays["taps"], np.float32))
        views = Views(volume, radius, Pixels(s, factor, index, width), np.asarray(arrays["background"]), distances,
                      int(arrays["refinement"]))  # fmt: skip
        rule = cls(Beam(views, float(arrays["spread"])), int(arrays["seed"]))
        own = {name.removeprefix("hits_"): value for name, value in arrays.items() if name.startswith("hits_")}
        rule.hits, rule.trust = HitRule.restore(own), Trust(*np.asarray(arrays["trust"]).tolist())
        return rule


def _background(shots: Shots, some: NDArray[np.int64], reach: float) -> NDArray[Any] | None:
    """Return the photons of the background of a shot in the bins of `low_q`: what is known, or else flat.

    The outermost half of the bins of `image` sees so little of a particle that its photons are background. Where it
    begins within the reach [1/m], as far as photons are compared, it tells nothing.
    """
    if shots.background is not None:
        return shots.background
    image, fine = shots.image_grid, shots.low_q_grid
    radius = _radius(image)
    outer = (radius > np.median(radius)) & (image.weight > 0)
    if np.median(radius) < reach:
        return None
    photons = np.mean(shots.read("image", some)[:, outer].sum(axis=1, dtype=np.float64))
    rate = photons / max(float(image.weight[outer].sum(dtype=np.float64)), 1.0)
    return np.asarray(rate * float(np.prod(fine.step / image.step)) * fine.weight)


def _beside(photons: NDArray[Any], pattern: NDArray[Any], flat: NDArray[Any]) -> NDArray[np.float64]:
    """Return the likeliest flat background beside a particle's mean pattern, photons (pixel,).

    Parameters
    ----------
    photons : (pixel,), of a shot on average
    pattern, flat : (pixel,), shapes of both
    """
    signal, dark, share = pattern / pattern.sum(), flat / flat.sum(dtype=np.float64), 0.5
    for _ in range(TURNS):
        own = share * dark
        share = float(photons @ (own / (own + (1 - share) * signal)) / max(photons.sum(), TINY))
    return np.asarray(share * photons.sum() * dark, np.float64)


def _radius(grid: ImageGrid) -> NDArray[np.float64]:
    """Distance of bins from the beam (y, x) [1/m]."""
    return np.asarray(np.hypot(grid.s[..., 0], grid.s[..., 1]))
