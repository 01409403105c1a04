"""What labels of a few shots say of kinds: who is of the wanted kind, who is not, and who looks like those."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xfeldask.orient.sparse import Pixels, SparseFrames
from xfeldask.sorting.kinds.found import posterior
from xfeldask.sorting.labels import UNWANTED, WANTED

LEAST_LABELLED = 6
"""Unwanted shots that a kind can begin with: every other one teaches, the others are witnesses."""
CHANCE = 1e-3
"""Probability that as many witnesses would be of a kind by chance, at most."""


def barred(labels: ArrayLike, wanted: ArrayLike, kinds: int) -> NDArray[np.bool_]:
    """Tell which kinds each shot is not of, by what its label says.

    Parameters
    ----------
    labels : int (shot,)
    wanted : int or several, the wanted kinds
    kinds : int, how many there are

    Returns
    -------
    bool (shot, kind); where all are wanted nothing, as each shot must be of some kind

    Examples
    --------
    >>> barred([1, 0, -1], wanted=[0], kinds=2).tolist()
    [[False, True], [True, False], [False, False]]
    >>> barred([1, 0, -1], wanted=[0], kinds=1).any()
    np.False_
    """
    told, mine = np.asarray(labels)[:, None], np.isin(np.arange(kinds), wanted)
    return np.asarray((((told == WANTED) & ~mine) | ((told == UNWANTED) & mine)) & ~mine.all())


def wanted_kind(labels: ArrayLike, kind: ArrayLike, fractions: ArrayLike) -> int:
    """Tell which kind labels call wanted.

    Parameters
    ----------
    labels, kind : int (shot,), of labelled shots at least
    fractions : (kind,), of all shots

    Returns
    -------
    int, the kind that most of the wanted shots are of; where none is known, the largest, less the fraction of the
    unwanted that are of it

    Examples
    --------
    >>> wanted_kind([1, 1, 0], [1, 1, 0], [0.9, 0.1])
    1
    >>> wanted_kind([0, 0, 0], [0, 0, 1], [0.55, 0.45]), wanted_kind([-1], [1], [0.4, 0.6])
    (1, 1)
    """
    told, of, size = np.asarray(labels), np.asarray(kind), np.asarray(fractions, np.float64)
    mine, others = (np.bincount(of[told == label], minlength=len(size)) for label in (WANTED, UNWANTED))
    return int(np.argmax(mine if mine.any() else size * (1 - others / max(1, others.sum()))))


class Held(NamedTuple):
    """What labels say of shots, which holds whatever their photons say.

    Attributes
    ----------
    wanted : tuple of int, the wanted kinds
    barred : bool (shot, kind), kinds that a shot is not of
    unwanted : bool (shot,), whether it is of no wanted kind
    counts : (int, int, int), shots that are labelled as wanted, as unwanted, and those of the unwanted that look as the
        wanted do
    """

    wanted: tuple[int, ...]
    barred: NDArray[np.bool_]
    unwanted: NDArray[np.bool_]
    counts: tuple[int, int, int]


def held_to(
    labels: ArrayLike, log_likelihood: ArrayLike, fractions: ArrayLike, wanted: Sequence[int] | None = None
) -> Held:
    """Hold shots to their labels.

    Parameters
    ----------
    labels : int (shot,)
    log_likelihood : (shot, kind) [nat], as of `log_likelihoods`
    fractions : (kind,), of all shots
    wanted : int, optional, the wanted kinds; that which labels call wanted by default

    Returns
    -------
    Held

    Examples
    --------
    >>> held = held_to([1, 0, 0, -1], [[0, -9], [-9, 0], [0, -9], [0, -9]], [0.7, 0.3])
    >>> held.wanted, held.counts
    ((0,), (1, 2, 1))
    >>> held_to([1, 0, 0, -1], [[0, -9], [-9, 0], [0, -9], [0, -9]], [0.7, 0.3], wanted=[1]).barred[:2].tolist()
    [[True, False], [False, True]]
    """
    told, kinds = np.asarray(labels), len(np.asarray(fractions))
    kind = posterior(log_likelihood, fractions)[0].argmax(axis=1)
    mine, unwanted = (wanted_kind(told, kind, fractions),) if wanted is None else tuple(wanted), told == UNWANTED
    counts = int((told == WANTED).sum()), int(unwanted.sum()), int((unwanted & np.isin(kind, mine)).sum())
    return Held(mine, barred(told, mine, kinds), unwanted, counts)


def resembling(frames: SparseFrames, pixels: Pixels, radius: float, shots: NDArray[np.int64]) -> NDArray[np.int64]:
    """Find the shots whose photons lie at the radii where those of some shots do.

    Parameters
    ----------
    frames, pixels : of all shots
    radius : [bins]
    shots : int64 (some,), which they are to resemble

    Returns
    -------
    int64 (shot,), in ascending order: these shots, and those that their profile explains better than the mean profile
    does, each weighed by how many shots it explains; the likelihood is multinomial, over rings of a bin

    Examples
    --------
    >>> from xfeldask.orient.sparse import pixels_of
    >>> from xfeldask.physics.detectors import square
    >>> pixels = pixels_of(square(64, 1.2e-3, 0.15), 2.7e-10)
    >>> wide, narrow = np.ones(len(pixels.s)), np.exp(-0.1 * np.arange(len(pixels.s)))
    >>> images = np.random.default_rng(0).poisson([0.3 * wide] * 90 + [90 * narrow] * 10)
    >>> resembling(SparseFrames.of(images, np.arange(len(pixels.s))), pixels, 20.0, np.array([97, 99])).tolist()
    [90, 91, 92, 93, 94, 95, 96, 97, 98, 99]
    """
    inside = pixels.within(radius)
    far = np.rint(np.linalg.norm(pixels.s[:inside], axis=1) / pixels.step).astype(np.int64)
    ring = np.unique(far, return_inverse=True)[1]
    mean = frames.mean(inside)
    # one mean shot besides, as photons that few shots lack are not impossible
    mine, all_shots = (np.bincount(ring, each) for each in (frames[shots].mean(inside) * len(shots) + mean, mean))
    gain = np.log(np.maximum(mine, 1e-9) / mine.sum()) - np.log(np.maximum(all_shots, 1e-9) / all_shots.sum())
    shot, here = np.repeat(np.arange(len(frames)), np.diff(frames.start)), frames.pixel < inside
    ratio = np.bincount(shot[here], gain[ring[frames.pixel[here]]] * frames.count[here], len(frames))
    probability, _ = posterior(np.stack([np.zeros(len(frames)), ratio], axis=1), [0.9, 0.1])
    return np.union1d(np.flatnonzero(probability[:, 1] > 0.5), shots)


def chance_of(witnesses: NDArray[np.bool_], others: NDArray[np.bool_]) -> float:
    """Return the probability that as many witnesses would be of a kind if they were as all others.

    Parameters
    ----------
    witnesses, others : bool (shot,), whether each is of it

    Examples
    --------
    >>> others = np.arange(1000) < 100
    >>> chance_of(np.ones(6, bool), others) < CHANCE, chance_of(np.arange(6) < 2, others) < CHANCE
    (True, False)
    """
    from scipy.stats import binomtest  # takes long to import, and few need it

    part = (others.sum() + 1) / (len(others) + 2)
    return float(binomtest(int(witnesses.sum()), len(witnesses), float(part), "greater").pvalue)
