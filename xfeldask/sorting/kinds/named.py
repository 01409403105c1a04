"""Kinds of particles that are known by name: intensities worked out from what they are made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import convolve1d, map_coordinates

from xfeldask.config import Species as Asked
from xfeldask.orient.models import Models, grid_size, radii
from xfeldask.orient.sparse import Pixels, SparseFrames
from xfeldask.physics.intensities import species_intensity
from xfeldask.physics.species import Form, Mixture
from xfeldask.sorting.kinds.found import RADIUS, Kinds

VARIANTS = 16
"""Variants of a species that shots are compared with, at most: of random arrangements, or of angles."""
SIZE_STEP, SIZES = 0.02, 16
"""Relative step of the sizes of a sphere that shots are compared with, and how many there are at most."""
THREE_SIZES = np.sqrt(3) * np.array([0, -1, 1]), np.array([4, 1, 1]) / 6
"""Sizes of any other particle, in standard deviations, its own first, and how frequent they are: a Gaussian
quadrature."""
OUTER = 0.5
"""Fraction of the pixels, the outermost, whose photons are taken for background."""
ACROSS = np.array([1, 22, 1]) / 24
"""Weights of neighbours by which a mean over the width of a bin is that of a parabola."""
MANY = 6
"""Variants of a species that are each in one size, at least, lest shots be compared with too many intensities."""
GOLDEN = 0.6180339887498949
SHARP = 1e-9
"""Standard deviation of the logarithms of sizes that do not differ but by what was asked for."""
DARK = 1e-9
"""Of an intensity's largest value, that it is everywhere at least: no photon is impossible."""


def named_kinds(
    asked: Mapping[str, Asked],
    mixture: Mixture,
    forms: Sequence[Form],
    frames: SparseFrames,
    pixels: Pixels,
    spread: float = 0.0,
) -> Kinds:
    """Work out the intensities of all species that a beam may hold, in their sizes and arrangements.

    Parameters
    ----------
    asked : Species of `xfeldask.config` by name, whose weights and sizes count
    mixture : Mixture, of the same species
    forms : Form of each body
    frames : SparseFrames, the shots that are to be judged; their background is estimated
    pixels : Pixels, that the photons are in
    spread : float, relative standard deviation of the sizes of particles

    Returns
    -------
    Kinds, in the order of the species; their intensities at the mean fluence of the shots, with background
    """
    radius = min(RADIUS, pixels.reach)
    size = grid_size(radius)
    axis = (np.arange(size) - size // 2) * pixels.step
    s = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1)
    intensity, kind, prior, sizes = list[NDArray[np.float64]](), list[int](), list[float](), list[float]()
    is_round = list[bool]()
    for index, one in enumerate(asked.values()):
        variants = spread_out(int(mixture.variants[index]), VARIANTS)
        for variant, t, part in shapes(variants, *relative_sizes(one, spread)):
            found = seen_in_bins(species_intensity(mixture, forms, index, s, variant, t))
            electrons = t**6 if one.sphere is not None else 1.0
            intensity.append(np.maximum(found, DARK * found.max()) * electrons)
            kind.append(index)
            sizes.append(t)
            is_round.append(one.sphere is not None and one.sphere.aspect == 1)
            prior.append(one.weight * part)
    exact, fraction = np.stack(intensity), np.array(prior) / np.sum(prior)
    fluence, dark = brightness(frames, pixels, radius, np.tensordot(fraction, exact, 1))
    names = tuple("_".join(species.name.split()) for species in mixture.species)
    models = Models(fluence * exact + dark, fraction, pixels.step)
    return Kinds(models, np.array(kind), radius, names, round=np.array(is_round), size=np.array(sizes))


def spread_out(count: int, most: int) -> NDArray[np.int64]:
    """Return some of `count` numbers, evenly spread, `most` of them at most.

    Examples
    --------
    >>> spread_out(32, 4).tolist(), spread_out(2, 4).tolist()
    ([0, 10, 21, 31], [0, 1])
    """
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(np.int64))


def relative_sizes(asked: Asked, spread: float = 0.0) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the relative sizes of a species that shots are compared with, and how frequent each is.

    Parameters
    ----------
    asked : Species of `xfeldask.config`
    spread : float, relative standard deviation of the sizes of all particles

    Returns
    -------
    size, frequent : float64 (n,)

    Examples
    --------
    >>> size, frequent = relative_sizes(Asked(source="1ei7.pdb"), 0.03)
    >>> size.round(3).tolist(), frequent.round(3).tolist()
    ([1.0, 0.948, 1.052], [0.667, 0.167, 0.167])
    >>> droplets = Asked(sphere={"diameter": (9.8e-9, 10.2e-9)})
    >>> relative_sizes(droplets)[0].round(2).tolist()
    [0.98, 0.99, 1.01, 1.02]
    """
    sphere = asked.sphere
    if sphere is None:
        if not spread:
            return np.ones(1), np.ones(1)
        return 1 + spread * THREE_SIZES[0], THREE_SIZES[1]
    low, high = np.log(np.asarray([np.min(sphere.diameter), np.max(sphere.diameter)]) / sphere.nominal)
    deviation = float(np.hypot(sphere.spread, spread))
    if high == low and not deviation:
        return np.exp([low]), np.ones(1)
    ends = low - 2 * deviation, high + 2 * deviation
    logs, step = np.linspace(*ends, int(min(np.ceil((ends[1] - ends[0]) / SIZE_STEP) + 1, SIZES)), retstep=True)
    # of sizes that are uniform between the ends, each spread
    bell = NormalDist(0, max(deviation, SHARP))
    frequent = np.array([bell.cdf(x - low + step / 2) - bell.cdf(x - high - step / 2) for x in logs])
    return np.exp(logs), frequent / frequent.sum()


def shapes(
    variants: NDArray[np.int64], size: NDArray[np.float64], frequent: NDArray[np.float64]
) -> list[tuple[int, float, float]]:
    """Return variants in sizes, each with its fraction: all of them, or where there are many, each in one size.

    Parameters
    ----------
    variants : int64 (variant,)
    size, frequent : float64 (size,)

    Examples
    --------
    >>> size, frequent = np.array([0.9, 1.0, 1.1]), np.array([0.25, 0.5, 0.25])
    >>> shapes(np.array([5]), size, frequent)
    [(5, 0.9, 0.25), (5, 1.0, 0.5), (5, 1.1, 0.25)]
    >>> sizes = [t for _, t, _ in shapes(np.arange(8), size, frequent)]
    >>> sizes.count(0.9), sizes.count(1.0), sizes.count(1.1)
    (2, 4, 2)
    """
    if len(variants) < MANY:
        return [
            (int(v), float(t), float(f) / len(variants)) for v in variants for t, f in zip(size, frequent, strict=True)
        ]
    # a golden ratio of turns puts neighbours into different sizes
    place = np.argsort(np.argsort(np.arange(len(variants)) * GOLDEN % 1))
    own = size[np.searchsorted(np.cumsum(frequent), (place + 0.5) / len(variants))]
    return [(int(v), float(t), 1 / len(variants)) for v, t in zip(variants, own, strict=True)]


def seen_in_bins(intensity: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return an intensity as bins see it, whose photons are from all over their width.

    What that adds is the mean over all directions; the rest of it is lost between the points of the grid as it is.

    Parameters
    ----------
    intensity : float64 (n, n, n), at points a bin apart
    """
    wide = intensity
    for axis in range(3):
        wide = convolve1d(wide, ACROSS, axis=axis, mode="nearest")
    return intensity + mean_of_shells(wide - intensity)


def mean_of_shells(intensity: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean of an intensity over all directions at each of its points, float64 (n, n, n)."""
    radius = radii(len(intensity))
    shell = np.rint(radius).astype(np.int64).reshape(-1)
    mean = np.bincount(shell, intensity.reshape(-1)) / np.bincount(shell)
    return np.interp(radius, np.arange(len(mean)), mean)


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
    average = mean_of_shells(intensity)
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
