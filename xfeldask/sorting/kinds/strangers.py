"""From which fraction on a stranger is found: its shots, put among hits, tell."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xfeldask.errors import InputError
from xfeldask.orient import kernels
from xfeldask.orient.alignment import isotropic
from xfeldask.orient.parallel import By, in_turn
from xfeldask.orient.sparse import Pixels, SparseFrames
from xfeldask.physics.orientations import rotation_matrix, uniform_quaternion
from xfeldask.sorting.kinds.comparing import log_likelihoods
from xfeldask.sorting.kinds.found import Kinds, posterior
from xfeldask.sorting.kinds.growth import LEAST_HITS, LEAST_SHOTS, grow_kinds

FRACTIONS = (0.1, 0.05, 0.02, 0.01, 0.005)
"""Parts of all shots that strangers are, one after the other until they are not found."""
TOLD = 0.8
"""Part of the strangers that one kind holds where they are found, and part of that kind that they are, at least."""


def drawn_strangers(
    kinds: Kinds, kind: int, frames: SparseFrames, pixels: Pixels, like: NDArray[np.int64], seed: int | tuple[int, ...]
) -> SparseFrames:
    """Draw shots of a kind as if they had been measured among others.

    Parameters
    ----------
    kinds : Kinds, whose intensities are of the mean fluence of the shots, as of `named_kinds`
    kind : int, which of them
    frames : SparseFrames, the others
    pixels : Pixels
    like : int64 (some,), a shot for each that is drawn: its photons over the mean are taken for the fluence over the
        mean, and its background, where that is known, is that of the one drawn, too
    seed : int, or several, of orientations and photons

    Returns
    -------
    SparseFrames (some,), within the radius of the kinds, without their background
    """
    dice, inside = np.random.default_rng(seed), pixels.within(kinds.radius)
    mine = np.flatnonzero(kinds.kind == kind)
    prior = kinds.models.prior[mine] / kinds.models.prior[mine].sum()
    variant = dice.choice(mine, len(like), p=prior)
    turn = rotation_matrix(uniform_quaternion(dice.random((len(like), 3))))
    photons, dark = frames.photons(inside).astype(np.float64), np.zeros(len(frames))
    if frames.background is not None:
        dark = frames.background.photons(inside)
    fluence = np.maximum(photons - dark, 0) / max(1e-9, float((photons - dark).mean()))
    at, images = pixels.s[:inside] / pixels.step, np.zeros((len(like), inside), np.uint16)
    far, middle = np.linalg.norm(at, axis=1), kinds.models.intensity.shape[-1] // 2
    for k in np.unique(variant).tolist():
        intensity = kinds.models.intensity[k]
        # a steep fall is not linear between the points of the grid; what is left over the mean of a shell nearly is
        mean = isotropic(intensity)
        steep = np.exp(np.interp(far, np.arange(middle + 1), np.log(mean[middle, middle, middle:])))
        for shot in np.flatnonzero(variant == k):
            seen = np.empty((inside, 1))
            kernels.slices(intensity / mean, at, turn[shot][None], seen)
            expected = fluence[like[shot]] * seen[:, 0] * steep * pixels.factor[:inside]
            if frames.background is not None:
                expected = expected + frames.background[like[shot : shot + 1]].expected(inside)
            images[shot] = dice.poisson(expected)
    drawn = SparseFrames.of(images, np.arange(inside))
    return replace(drawn, pixel=drawn.pixel.astype(frames.pixel.dtype))


def told_apart(kind: ArrayLike, strange: ArrayLike) -> bool:
    """Tell whether strangers are a kind of their own.

    Parameters
    ----------
    kind : int (shot,)
    strange : bool (shot,)

    Examples
    --------
    >>> told_apart([0, 0, 0, 1, 1], [False, False, False, True, True])
    True
    >>> told_apart([0, 0, 0, 0, 0], [False, False, False, True, True])
    False
    """
    of, they = np.asarray(kind), np.asarray(strange, bool)
    theirs = of == np.bincount(of[they]).argmax()
    return bool((theirs & they).sum() >= TOLD * max(they.sum(), theirs.sum()))


class Sought(NamedTuple):
    """From which fraction on a stranger is found.

    Attributes
    ----------
    least : float, the least of `FRACTIONS` of all shots at which it is found, as it is at all larger ones; none where
        it is not found at the largest
    tried : tuple of float, the fractions that were tried, from the largest down
    """

    least: float | None
    tried: tuple[float, ...]


def refuse_few(hits: SparseFrames) -> None:
    """Refuse hits that are too few to find strangers among.

    Raises
    ------
    InputError
        Fewer than `LEAST_HITS`.
    """
    if len(hits) < LEAST_HITS:
        raise InputError(
            f"strangers are put among at least {LEAST_HITS} hits of the wanted kind, and there are {len(hits)}; find "
            "kinds without strangers"
        )


def least_found(
    frames: SparseFrames,
    pixels: Pixels,
    strangers: Kinds,
    kind: int,
    *,
    seed: int = 0,
    by: By = in_turn,
    tell: Callable[[], object] = lambda: None,
) -> Sought:
    """Put shots of a stranger among others, ever fewer, and find kinds anew each time.

    Parameters
    ----------
    frames : SparseFrames, single hits of one kind
    pixels : Pixels
    strangers, kind, seed : as of `drawn_strangers`
    by : as of `grow_kinds`
    tell : callable, called after each fraction

    Returns
    -------
    Sought; fractions that are fewer than `LEAST_SHOTS` shots are not tried

    Raises
    ------
    InputError
        As of `refuse_few`.
    """
    refuse_few(frames)
    least, tried, numbers = None, list[float](), [round(len(frames) * part / (1 - part)) for part in FRACTIONS]
    like = np.random.default_rng((seed, kind)).choice(len(frames), numbers[0])
    drawn = drawn_strangers(strangers, kind, frames, pixels, like, (seed, kind, 1))
    for part, count in zip(FRACTIONS, numbers, strict=True):
        if count < LEAST_SHOTS:
            break
        tried.append(part)
        mixed = SparseFrames.joined([frames, drawn[np.arange(count)]])
        if frames.background is not None:
            mixed = replace(mixed, background=frames.background[np.concatenate([np.arange(len(frames)), like[:count]])])
        found = grow_kinds(mixed, pixels, radius=strangers.radius, most=2, seed=seed, by=by)
        told = log_likelihoods(mixed, pixels, found, by=by)
        tell()
        if not told_apart(posterior(told, found.fractions)[0].argmax(axis=1), np.arange(len(mixed)) >= len(frames)):
            break
        least = part
    return Sought(least, tuple(tried))
