"""How sure intensities are of shots that they were made of: drawn shots, whose kind is known, tell.

An intensity of few shots explains others of its kind worse than it should; a shot that strays to another kind helps to
make that one's intensity, and stays. What shots say of kinds is then wrong by nearly the same amount for all of a kind.
Shots are drawn from the intensities, intensities are made of the drawn ones, and those judge them: what makes the kinds
as frequent among the drawn shots as they are is added to the log likelihoods of measured ones. This is the parametric
bootstrap (B. Efron, Annals of Statistics 7, 1, 1979). It is not all: what is drawn from an intensity that is too rough
is easier to tell than the particle itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xfeldask.orient import kernels
from xfeldask.orient.cycle import expand_maximise_compress
from xfeldask.orient.models import at_radii, profile, radii
from xfeldask.orient.parallel import By, View, in_turn
from xfeldask.orient.sparse import Pixels, SparseFrames
from xfeldask.physics.orientations import rotation_matrix, uniform_quaternion
from xfeldask.sorting.kinds.comparing import log_likelihoods
from xfeldask.sorting.kinds.found import Kinds, looks, posterior

DRAWN = 1000
"""Shots that are drawn, at least: all of few are drawn more than once."""
ITERATIONS = 2, 2
"""Of the intensities made of drawn shots, at the coarse and at the fine rotations: they begin with those drawn from."""
SPREAD = 3.0
"""Standard deviation of corrections that are expected [nat]: few shots that stray do not tell an infinite one."""


def corrections(
    frames: SparseFrames,
    pixels: Pixels,
    kinds: Kinds,
    log_likelihood: ArrayLike,
    *,
    seed: int = 0,
    by: By = in_turn,
    tell: Callable[[], object] = lambda: None,
) -> NDArray[np.float64]:
    """Tell how much is to be added to log likelihoods so that kinds are as frequent as they are.

    Parameters
    ----------
    frames : SparseFrames, that the intensities were made of
    pixels : Pixels, that the photons are in
    kinds : Kinds, each with one intensity, as of `grow_kinds`
    log_likelihood : (shot, kind) [nat], as of `log_likelihoods`
    seed : int, of what is drawn
    by : as of `expand_maximise_compress`
    tell : callable, called each time that all shots were drawn and judged

    Returns
    -------
    float64 (kind,) [nat], 0 of the first
    """
    probability, told, truth = posterior(log_likelihood, kinds.fractions)[0], [], []
    for turn in range(times(len(frames))):
        dice = np.random.default_rng((seed, turn))
        kind = (probability.cumsum(axis=1) > dice.random((len(frames), 1))).argmax(axis=1)
        drawn = drawn_like(frames, pixels, kinds, kind, dice)
        made = expand_maximise_compress(drawn, pixels, kinds.models, looks(kinds.radius, ITERATIONS), size_prior=True,
                                        by=by)  # fmt: skip
        told.append(log_likelihoods(drawn, pixels, replace(kinds, models=made.models), by=by))
        truth.append(kind)
        tell()
    return balanced(np.concatenate(told), np.concatenate(truth))


def times(count: int) -> int:
    """Return how many times each of some shots is drawn.

    Examples
    --------
    >>> times(200), times(3000)
    (5, 1)
    """
    return -(-DRAWN // count)


def drawn_like(
    frames: SparseFrames, pixels: Pixels, kinds: Kinds, kind: NDArray[np.int64], dice: np.random.Generator
) -> SparseFrames:
    """Draw a shot for each shot: of a kind, in a random orientation, with as many photons and as much background.

    Parameters
    ----------
    frames : SparseFrames
    pixels : Pixels
    kinds : Kinds, each with one intensity
    kind : int64 (shot,), of what is drawn
    dice : Generator

    Returns
    -------
    SparseFrames (shot,), within the radius of the kinds
    """
    mean = profile(frames, pixels, kinds.radius)
    view, inside = View.of(frames, pixels, kinds.radius, mean), pixels.within(kinds.radius)
    photons, images = frames.photons(inside), np.zeros((len(frames), inside), np.uint16)
    turn = rotation_matrix(uniform_quaternion(dice.random((len(frames), 3))))
    seen = np.empty((inside, 1))
    for k, intensity in enumerate(kinds.models.intensity):
        contrast = intensity / at_radii(mean, radii(len(intensity)))
        for shot in np.flatnonzero(kind == k):
            kernels.slices(contrast, view.at, turn[shot][None], seen)
            signal, dark = seen[:, 0] * view.pattern, view.share[view.level[shot]]
            expected = (1 - dark) * signal / signal.sum() + dark * view.under
            images[shot] = dice.multinomial(photons[shot], expected / expected.sum())
    drawn = SparseFrames.of(images, np.arange(inside))
    return replace(drawn, pixel=drawn.pixel.astype(frames.pixel.dtype), background=frames.background)


def balanced(log_likelihood: ArrayLike, kind: ArrayLike) -> NDArray[np.float64]:
    """Tell how much is to be added to log likelihoods so that as many shots are expected of each kind as are of it.

    Parameters
    ----------
    log_likelihood : (shot, kind) [nat]
    kind : int (shot,), of which each is

    Returns
    -------
    float64 (kind,) [nat], 0 of the first

    Notes
    -----
    It is the intercept of a logistic regression (J. Platt, in Advances in Large Margin Classifiers, MIT Press, 61,
    2000, with a slope of 1), with a normal prior of width `SPREAD`.

    Examples
    --------
    >>> kind = np.repeat([0, 1], [80, 20])
    >>> right = np.where(np.eye(2)[kind] > 0, 0.0, -9.0)
    >>> bool(abs(balanced(right, kind)).max() < 0.1)
    True
    >>> tilted = right + [0, -7]  # the second kind is told less surely than it should be
    >>> float(balanced(tilted, kind)[1].round(1))
    3.4
    """
    from scipy.optimize import minimize  # takes long to import, and who names kinds has no use for it
    from scipy.special import logsumexp

    told, of = np.asarray(log_likelihood, np.float64), np.asarray(kind)
    counts = np.bincount(of, minlength=told.shape[1]).astype(np.float64)
    joint = told + np.log(np.maximum(counts, 1) / len(of))

    def cost(added: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        shifted = joint + np.append(0.0, added)
        whole = logsumexp(shifted, axis=1)
        expected = np.exp(shifted - whole[:, None]).sum(axis=0)
        wrong = whole.sum() - counts[1:] @ added + (added**2).sum() / (2 * SPREAD**2)
        return float(wrong), (expected - counts)[1:] + added / SPREAD**2

    found = minimize(cost, np.zeros(len(counts) - 1), jac=True, method="L-BFGS-B")
    return np.append(0.0, found.x)
