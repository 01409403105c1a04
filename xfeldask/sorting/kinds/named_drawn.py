"""How sure species are of shots: shots drawn of them as they are in nature, whose species is known, tell.

Shots are compared with few sizes and arrangements of each species. Those drawn have any of them, in any orientation, at
pixels as wide as they are, and sizes that are spread as the experiment says; what tells them apart less well than it
seems tells measured shots less well, too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xfeldask.config import Species as Asked
from xfeldask.orient.parallel import By, in_turn
from xfeldask.orient.sparse import Pixels, SparseFrames
from xfeldask.physics.intensities import species_intensity
from xfeldask.physics.orientations import rotation_matrix, uniform_quaternion
from xfeldask.physics.species import Form, Mixture
from xfeldask.sorting.kinds.comparing import log_likelihoods
from xfeldask.sorting.kinds.found import Kinds, posterior
from xfeldask.sorting.kinds.named import DARK, MANY, background_rate
from xfeldask.sorting.kinds.tempered import Tempered, temper

DRAWN = 600
"""Shots that are drawn."""
EVENLY = 0.5
"""Part of them that are of all species alike: few strays of a rare one would else be seen."""
MOST_DARK = 15 / 16
"""Part of a shot's photons that are background, at most."""
CUT = 3.0
"""Standard deviations that sizes differ by, at most."""
WITHIN = np.array([[x, y, 0.0] for x in (-1, 1) for y in (-1, 1)]) / np.sqrt(12)
"""Places in a bin, of which intensities are the mean: a Gaussian quadrature."""


@dataclass(frozen=True, eq=False)
class Named:
    """Species that a beam may hold.

    Attributes
    ----------
    asked : Species of `xfeldask.config` by name, whose sizes count
    mixture : Mixture, of the same species
    forms : Form of each body
    spread : float, of the sizes of particles, relative
    """

    asked: Mapping[str, Asked]
    mixture: Mixture
    forms: Sequence[Form]
    spread: float = 0.0


def tempered_by_drawn(
    named: Named,
    frames: SparseFrames,
    pixels: Pixels,
    kinds: Kinds,
    log_likelihood: ArrayLike,
    *,
    seed: int = 0,
    by: By = in_turn,
) -> Tempered:
    """Tell how far log likelihoods of species are to be trusted.

    Parameters
    ----------
    named : Named
    frames : SparseFrames, the shots that are judged
    pixels : Pixels, that the photons are in
    kinds : Kinds, of the same species, as of `named_kinds`
    log_likelihood : (shot, kind) [nat], as of `log_likelihoods`
    seed : int, of what is drawn
    by : as of `expand_maximise_compress`

    Returns
    -------
    Tempered
    """
    dice = np.random.default_rng(seed)
    kind, like = drawn_kinds(posterior(log_likelihood, kinds.fractions)[0], dice, DRAWN)
    some = frames[like]
    drawn = drawn_species(named, some, pixels, kinds.radius, kind, background_rate(frames, pixels, kinds.radius), dice)
    told = log_likelihoods(drawn, pixels, kinds, by=by)
    # shots are compared with some arrangements of a species, or none in all of its sizes: its faults are the greater
    arranged = named.mixture.variants >= MANY
    return temper(told, kind, some.photons(pixels.within(kinds.radius)), arranged)


def drawn_kinds(
    probability: NDArray[np.float64], dice: np.random.Generator, count: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Draw of what kind shots are, and as bright as which measured one each is.

    Parameters
    ----------
    probability : float64 (shot, kind)
    dice : Generator
    count : int

    Returns
    -------
    kind, shot : int64 (count,)

    Examples
    --------
    >>> probability = np.array([[1, 0], [1, 0], [1, 0], [0, 1]])
    >>> kind, shot = drawn_kinds(probability, np.random.default_rng(0), 1000)
    >>> float(kind.mean().round(1)), bool((probability.argmax(axis=1)[shot] == kind).all())
    (0.4, True)
    """
    frequent = probability.mean(axis=0)
    there = np.where(frequent > 0, 1.0, 0.0)
    kind = dice.choice(len(frequent), count, p=(1 - EVENLY) * frequent + EVENLY * there / there.sum())
    shot = np.empty(count, np.int64)
    for k in np.unique(kind).tolist():
        mine = kind == k
        shot[mine] = dice.choice(len(probability), int(mine.sum()), p=probability[:, k] / probability[:, k].sum())
    return kind, shot


def drawn_species(
    named: Named, frames: SparseFrames, pixels: Pixels, radius: float, kind: NDArray[np.int64], rate: float,
    dice: np.random.Generator,
) -> SparseFrames:  # fmt: skip
    """Draw a shot for each shot: of a species, in a random orientation, with as many photons and as much background.

    Parameters
    ----------
    named : Named
    frames : SparseFrames
    pixels : Pixels
    radius : float [bins], as far as patterns are compared
    kind : int64 (shot,), species of what is drawn
    rate : float, photons of background in a whole bin at the beam, where it is not known
    dice : Generator

    Returns
    -------
    SparseFrames (shot,), within the radius
    """
    inside = pixels.within(radius)
    factor, at = pixels.factor[:inside], pixels.s[:inside] + pixels.step * WITHIN[:, None]
    photons, images = frames.photons(inside), np.zeros((len(frames), inside), np.uint16)
    turn = rotation_matrix(uniform_quaternion(dice.random((len(frames), 3))))
    asked = list(named.asked.values())
    for shot, k in enumerate(kind.tolist()):
        size = drawn_size(asked[k], named.spread, dice)
        variant = int(dice.integers(named.mixture.variants[k]))
        seen = species_intensity(named.mixture, named.forms, k, at @ turn[shot], variant, size).mean(axis=0)
        signal = np.maximum(seen, DARK * seen.max()) * factor
        dark = rate * factor
        if frames.background is not None:
            dark = frames.background[np.array([shot])].expected(inside)
        share = min(MOST_DARK, dark.sum() / max(1, photons[shot]))
        expected = (1 - share) * signal / signal.sum() + share * dark / max(dark.sum(), 1e-300)
        images[shot] = dice.multinomial(photons[shot], expected / expected.sum())
    drawn = SparseFrames.of(images, np.arange(inside))
    return replace(drawn, pixel=drawn.pixel.astype(frames.pixel.dtype), background=frames.background)


def drawn_size(asked: Asked, spread: float, dice: np.random.Generator) -> float:
    """Draw the relative size of a particle of a species.

    Examples
    --------
    >>> dice = np.random.default_rng(0)
    >>> drawn_size(Asked(source="1ei7.pdb"), 0.0, dice)
    1.0
    >>> 0.5 < drawn_size(Asked(sphere={"diameter": (1e-9, 3e-9)}), 0.0, dice) < 1.5
    True
    """
    size = 1 + spread * np.clip(dice.normal(), -CUT, CUT)
    if (sphere := asked.sphere) is not None:
        size *= dice.uniform(np.min(sphere.diameter), np.max(sphere.diameter)) / sphere.nominal
        size *= np.exp(sphere.spread * dice.normal())
    return float(size)
