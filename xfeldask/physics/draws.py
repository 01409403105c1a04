"""Random numbers that belong to a shot, never to a block, a chunk or a worker.

Draw `i` of a stream is ``mix(key + (i + 1) * GOLDEN)``: the SplitMix64 generator of Steele, Lea and
Flood (OOPSLA 2014, doi:10.1145/2660193.2660195), which is a hash of a counter and therefore gives any
draw without the ones before it. A stream's key is a hash of (seed, stream, shot).
"""

from __future__ import annotations

import math
from enum import IntEnum

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xfeldask.physics.jit import inline_kernel, kernel

GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)
_S27, _S30, _S31, _S11 = np.uint64(27), np.uint64(30), np.uint64(31), np.uint64(11)
_ULP = 2.0**-53


class Stream(IntEnum):
    """What a draw decides; each has numbers of its own, so that adding one moves no other."""

    PARTICLES = 1
    ORIENTATION = 2
    POSITION = 3
    FLUENCE = 4
    PULSE = 5
    ENERGY = 6
    CENTER = 7
    SIZE = 8
    PHOTONS = 9
    DEAD_PIXELS = 10


@inline_kernel
def mix(z: np.uint64) -> np.uint64:
    """SplitMix64's finalizer: a bijection of 64 bits in which every bit depends on every other."""
    z = (z ^ (z >> _S30)) * _MIX_1
    z = (z ^ (z >> _S27)) * _MIX_2
    return z ^ (z >> _S31)


def stream_key(seed: int, stream: Stream, shot: ArrayLike) -> NDArray[np.uint64]:
    """Key of a stream for each shot.

    Parameters
    ----------
    seed : int, 0 to 2**64 - 1
    stream : Stream
    shot : (...) integers, absolute shot indices

    Returns
    -------
    (...) uint64
    """
    index = np.asarray(shot, dtype=np.uint64)
    with np.errstate(over="ignore"):
        root = mix(mix(np.uint64(seed) + GOLDEN) + np.uint64(stream) * GOLDEN)
        return np.asarray(_mix_array(root + (index + np.uint64(1)) * GOLDEN))


def uniform(seed: int, stream: Stream, shot: ArrayLike, count: int) -> NDArray[np.float64]:
    """Uniform numbers of [0, 1), `count` for each shot.

    Returns
    -------
    (..., count) float64

    Examples
    --------
    >>> bool((uniform(7, Stream.SIZE, [3, 4], 2)[1] == uniform(7, Stream.SIZE, 4, 2)).all())
    True
    """
    key = stream_key(seed, stream, shot)
    with np.errstate(over="ignore"):
        steps = np.arange(1, count + 1, dtype=np.uint64) * GOLDEN
        bits = _mix_array(key[..., None] + steps)
    return np.asarray((bits >> _S11) * _ULP, np.float64)


def hashed(index: NDArray[np.uint64]) -> NDArray[np.float64]:
    """Uniform numbers of [0, 1) from indices: the draws of the stream whose key is 0."""
    with np.errstate(over="ignore"):
        return np.asarray((_mix_array((index + np.uint64(1)) * GOLDEN) >> _S11) * _ULP, np.float64)


def _mix_array(z: NDArray[np.uint64]) -> NDArray[np.uint64]:
    z = (z ^ (z >> _S30)) * _MIX_1
    z = (z ^ (z >> _S27)) * _MIX_2
    return np.asarray(z ^ (z >> _S31))


@inline_kernel
def unit(bits: np.uint64) -> float:
    """64 random bits as a float64 of [0, 1)."""
    return (bits >> _S11) * _ULP


@inline_kernel
def exponential(bits: np.uint64) -> float:
    """64 random bits as an exponential variate of mean 1."""
    return -math.log(1.0 - (bits >> _S11) * _ULP)


@kernel
def poisson(state: np.uint64, mean: float) -> tuple[np.uint64, int]:
    """Draw one Poisson variate; returns the generator's next state and the variate.

    Below a mean of 10 by counting unit exponential gaps; above it by the transformed rejection PTRS of
    Hörmann (Insurance: Mathematics and Economics 12, 39-45, 1993).
    """
    if mean < 10.0:
        count = -1
        reached = 0.0
        while reached <= mean:
            state += GOLDEN
            reached += exponential(mix(state))
            count += 1
        return state, count
    b = 0.931 + 2.53 * math.sqrt(mean)
    a = -0.059 + 0.02483 * b
    inverse_alpha = 1.1239 + 1.1328 / (b - 3.4)
    v_r = 0.9277 - 3.6224 / (b - 2.0)
    log_mean = math.log(mean)
    while True:
        state += GOLDEN
        u = unit(mix(state)) - 0.5
        state += GOLDEN
        v = 1.0 - unit(mix(state))
        us = 0.5 - abs(u)
        k = math.floor((2.0 * a / us + b) * u + mean + 0.43)
        if us >= 0.07 and v <= v_r:
            return state, int(k)
        if k < 0 or (us < 0.013 and v > us):
            continue
        accept = math.log(v) + math.log(inverse_alpha) - math.log(a / (us * us) + b)
        if accept <= k * log_mean - mean - math.lgamma(k + 1.0):
            return state, int(k)
