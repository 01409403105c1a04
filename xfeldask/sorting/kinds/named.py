"""Kinds of particles that are known by name: intensities worked out from what they are made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from xfeldask.config import Species as Asked
from xfeldask.orient.models import Models, grid_size, radii
from xfeldask.orient.sparse import Pixels, SparseFrames
from xfeldask.physics.intensities import species_intensity
from xfeldask.physics.species import Form, Mixture
from xfeldask.sorting.kinds.found import RADIUS, Kinds

VARIANTS = 16
"""Variants of a species that shots are compared with, at most: of random arrangements, or of angles."""
SIZE_STEP, SIZES = 0.05, 16
"""Relative step of the sizes of a sphere that shots are compared with, and how many there are at most."""
OUTER = 0.5
"""Fraction of the pixels, the outermost, whose photons are taken for background."""
DARK = 1e-9
"""Of an intensity's largest value, that it is everywhere at least: no photon is impossible."""


def named_kinds(
    asked: Mapping[str, Asked],
    mixture: Mixture,
    forms: Sequence[Form],
    frames: SparseFrames,
    pixels: Pixels,
) -> Kinds:
    """Work out the intensities of all species that a beam may hold.

    Parameters
    ----------
    asked : Species of `xfeldask.config` by name, whose weights and sizes count
    mixture : Mixture, of the same species
    forms : Form of each body
    frames : SparseFrames, the shots that are to be judged; their background is estimated
    pixels : Pixels, that the photons are in

    Returns
    -------
    Kinds, in the order of the species; their intensities at the mean fluence of the shots, with background
    """
    radius = min(RADIUS, pixels.reach)
    size = grid_size(radius)
    axis = (np.arange(size) - size // 2) * pixels.step
    s = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1)
    intensity, kind, prior = list[NDArray[np.float64]](), list[int](), list[float]()
    is_round = list[bool]()
    for index, one in enumerate(asked.values()):
        variants, sizes = spread_out(int(mixture.variants[index]), VARIANTS), relative_sizes(one)
        for variant in variants.tolist():
            for t in sizes.tolist():
                found = species_intensity(mixture, forms, index, s, variant, t)
                electrons = t**6 if one.sphere is not None else 1.0
                intensity.append(np.maximum(found, DARK * found.max()) * electrons)
                kind.append(index)
                is_round.append(one.sphere is not None and one.sphere.aspect == 1)
                prior.append(one.weight / (len(variants) * len(sizes)))
    exact, fraction = np.stack(intensity), np.array(prior) / np.sum(prior)
    fluence, dark = brightness(frames, pixels, radius, np.tensordot(fraction, exact, 1))
    names = tuple("_".join(species.name.split()) for species in mixture.species)
    models = Models(fluence * exact + dark, fraction, pixels.step)
    return Kinds(models, np.array(kind), radius, names, round=np.array(is_round))


def spread_out(count: int, most: int) -> NDArray[np.int64]:
    """Return some of `count` numbers, evenly spread, `most` of them at most.

    Examples
    --------
    >>> spread_out(32, 4).tolist(), spread_out(2, 4).tolist()
    ([0, 10, 21, 31], [0, 1])
    """
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(np.int64))


def relative_sizes(asked: Asked) -> NDArray[np.float64]:
    """Return the relative sizes of a species that shots are compared with, float64 (n,): several of spheres.

    Examples
    --------
    >>> droplets = Asked(sphere={"diameter": (9e-9, 11e-9)})
    >>> relative_sizes(droplets).round(2).tolist(), relative_sizes(Asked(source="1ei7.pdb")).tolist()
    ([0.9, 0.94, 0.98, 1.02, 1.06, 1.1], [1.0])
    """
    sphere = asked.sphere
    if sphere is None:
        return np.ones(1)
    ends = np.log(np.asarray([np.min(sphere.diameter), np.max(sphere.diameter)]) / sphere.nominal)
    ends = ends + np.array([-2, 2]) * sphere.spread
    count = int(np.clip(np.ceil((ends[1] - ends[0]) / SIZE_STEP), 1, SIZES - 1)) + 1 if ends[1] > ends[0] else 1
    return np.exp(np.linspace(ends[0], ends[1], count) if count > 1 else ends[:1])


def brightness(
    frames: SparseFrames, pixels: Pixels, radius: float, intensity: NDArray[np.float64]
) -> tuple[float, float]:
    """Estimate how bright shots are: of what they are of, and of background that is not known.

    Background that is known is left out, and is all that there is. Else the outermost pixels see so little of a
    particle that nearly all of their photons are background, and as much of it is taken to lie on all others.

    Parameters
    ----------
    frames, pixels : of all shots
    radius : [bins], as far as the intensity reaches
    intensity : float64 (n, n, n), mean of all kinds

    Returns
    -------
    fluence : float, mean photons of a whole bin at the beam over the intensity there
    background : float, mean photons of background in a whole bin at the beam, 0 where it is known
    """
    m, rate = pixels.within(radius), background_rate(frames, pixels, radius)
    signal = frames.mean(len(pixels.s))[:m].sum() - rate * pixels.factor[:m].sum()
    if (known := frames.background) is not None:
        signal -= known.photons(m).mean()
    shell = np.rint(radii(len(intensity))).astype(np.int64).reshape(-1)
    mean = np.bincount(shell, intensity.reshape(-1)) / np.bincount(shell)
    average = np.interp(radii(len(intensity)), np.arange(len(mean)), mean)
    seen = map_coordinates(average, pixels.s[:m].T / pixels.step + len(average) // 2, order=1)
    whole = float((pixels.factor[:m] * seen).sum())
    # where there is nothing but background, a photon a shot is as good as any
    return float(signal if signal > 0 else 1.0) / whole, rate


def background_rate(frames: SparseFrames, pixels: Pixels, radius: float) -> float:
    """Estimate how much background that is not known there is, by the outermost pixels.

    Parameters
    ----------
    frames, pixels : of all shots
    radius : float [bins], as far as patterns are compared

    Returns
    -------
    float, photons in a whole bin at the beam; 0 where background is known, or where all pixels lie within the radius
    """
    outer = int(len(pixels.s) * OUTER)
    if frames.background is not None or outer < pixels.within(radius):
        return 0.0
    return float(frames.mean(len(pixels.s))[outer:].sum() / pixels.factor[outer:].sum())
