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

from xfeldask.physics.elementary import exp, log, log_factorial
from xfeldask.physics.jit import inline_kernel, inner_inline_kernel, kernel

GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)
_S27, _S30, _S31, _S11 = np.uint64(27), np.uint64(30), np.uint64(31), np.uint64(11)
_ULP = 2.0**-53
MOST_MEAN = 2.0**62

# Wichura's rational approximations, highest powers first
_MIDDLE_ABOVE = (
    2.5090809287301226727e3, 3.3430575583588128105e4, 6.7265770927008700853e4, 4.5921953931549871457e4,
    1.3731693765509461125e4, 1.9715909503065514427e3, 1.3314166789178437745e2, 3.3871328727963666080,
)  # fmt: skip
_MIDDLE_BELOW = (
    5.2264952788528545610e3, 2.8729085735721942674e4, 3.9307895800092710610e4, 2.1213794301586595867e4,
    5.3941960214247511077e3, 6.8718700749205790830e2, 4.2313330701600911252e1, 1.0,
)  # fmt: skip
_TAIL_ABOVE = (
    7.74545014278341407640e-4, 2.27238449892691845833e-2, 2.41780725177450611770e-1, 1.27045825245236838258,
    3.64784832476320460504, 5.76949722146069140550, 4.63033784615654529590, 1.42343711074968357734,
)  # fmt: skip
_TAIL_BELOW = (
    1.05075007164441684324e-9, 5.47593808499534494600e-4, 1.51986665636164571966e-2, 1.48103976427480074590e-1,
    6.89767334985100004550e-1, 1.67638483018380384940, 2.05319162663775882187, 1.0,
)  # fmt: skip
# Hart's, highest powers first
_HART_ABOVE = (
    0.0, 3.52624965998911e-2, 7.00383064443688e-1, 6.37396220353165,
    3.3912866078383e1, 1.12079291497871e2, 2.21213596169931e2, 2.20206867912376e2,
)  # fmt: skip
_HART_BELOW = (
    8.83883476483184e-2, 1.75566716318264, 1.6064177579207e1, 8.67807322029461e1,
    2.96564248779674e2, 6.37333633678831e2, 7.93826512519948e2, 4.40413735824752e2,
)  # fmt: skip


class Stream(IntEnum):
    """What a draw decides; each has numbers of its own, so that adding one moves no other.

    Examples
    --------
    >>> # one stream says nothing of another
    >>> [hex(int(stream_key(7, stream, 0))) for stream in (Stream.SIZE, Stream.PHOTONS)]
    ['0xb39897a9408dbf80', '0x2fe9a29c4f1050ee']
    """

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
    SPECIES = 11
    VARIANT = 12
    DIAMETER = 13
    SPREAD = 14
    BACKGROUND = 15
    SHARING = 16
    NOISE = 17
    FALSE_PHOTONS = 18
    COMMON_MODE = 19
    GAIN = 20
    BLIND_PIXELS = 21
    HOT_PIXELS = 22
    HOT_CHARGE = 23


@inline_kernel
def mix(z: np.uint64) -> np.uint64:
    """SplitMix64's finalizer: a bijection of 64 bits in which every bit depends on every other.

    Examples
    --------
    >>> hex(mix(np.uint64(1))), hex(mix(np.uint64(2)))
    ('0x5692161d100b05e5', '0xdbd238973a2b148a')
    """
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

    Examples
    --------
    >>> one, two = stream_key(7, Stream.PHOTONS, [4, 5]).tolist()
    >>> # a shot's key does not depend on the shots beside it
    >>> int(stream_key(7, Stream.PHOTONS, 5)) == two
    True
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
    """Uniform numbers of [0, 1) from indices: the draws of the stream whose key is 0.

    Examples
    --------
    >>> bool((hashed(np.arange(5, dtype=np.uint64)) < 1).all())
    True
    """
    with np.errstate(over="ignore"):
        return np.asarray((_mix_array((index + np.uint64(1)) * GOLDEN) >> _S11) * _ULP, np.float64)


def _mix_array(z: NDArray[np.uint64]) -> NDArray[np.uint64]:
    z = (z ^ (z >> _S30)) * _MIX_1
    z = (z ^ (z >> _S27)) * _MIX_2
    return np.asarray(z ^ (z >> _S31))


@inline_kernel
def unit(bits: np.uint64) -> float:
    """64 random bits as a float64 of [0, 1).

    Examples
    --------
    >>> unit(np.uint64(0)), unit(np.uint64(2**63)), unit(np.uint64(2**64 - 1))
    (0.0, 0.5, 0.9999999999999999)
    """
    return (bits >> _S11) * _ULP


@inline_kernel
def exponential(bits: np.uint64) -> float:
    """64 random bits as an exponential variate of mean 1.

    Examples
    --------
    >>> round(exponential(np.uint64(2**63)), 6), round(math.log(2), 6)
    (0.693147, 0.693147)
    """
    return -log(1.0 - (bits >> _S11) * _ULP)


@inline_kernel
def part_key(key: np.uint64, part: int) -> np.uint64:
    """Key of a stream of its own for a part of what `key` belongs to: draw `part` of the stream of that key.

    Examples
    --------
    >>> key = np.uint64(5)
    >>> hex(part_key(key, 0)) == hex(mix(key + GOLDEN)), hex(part_key(key, 1))
    (True, '0xc097314d939736f8')
    """
    return mix(key + np.uint64(part + 1) * GOLDEN)


@kernel
def poisson(state: np.uint64, mean: float) -> tuple[np.uint64, int]:
    """Draw one Poisson variate; returns the generator's next state and the variate.

    Below a mean of 10 by counting unit exponential gaps; above it by the transformed rejection PTRS of
    Hörmann (Insurance: Mathematics and Economics 12, 39-45, 1993). A mean that is none, or beyond whole numbers of 64
    bits, gives 0.

    Examples
    --------
    >>> state, photons = np.uint64(1), []
    >>> for _ in range(8):
    ...     state, photon = poisson(np.uint64(state), 2.5)
    ...     photons.append(photon)
    >>> photons
    [2, 2, 1, 3, 4, 1, 3, 5]
    """
    if not mean < MOST_MEAN:
        return state, 0
    if mean < 10.0:
        state += GOLDEN
        bits = mix(state)
        # -log(1 - u) is no less than u: a first gap beyond the mean is seen without a logarithm
        if unit(bits) >= mean:
            return state, 0
        count = 0
        reached = exponential(bits)
        while reached <= mean:
            state += GOLDEN
            reached += exponential(mix(state))
            count += 1
        return state, count
    b = 0.931 + 2.53 * math.sqrt(mean)
    a = -0.059 + 0.02483 * b
    inverse_alpha = 1.1239 + 1.1328 / (b - 3.4)
    v_r = 0.9277 - 3.6224 / (b - 2.0)
    log_mean = log(mean)
    while True:
        state += GOLDEN
        u = unit(mix(state)) - 0.5
        state += GOLDEN
        v = 1.0 - unit(mix(state))
        us = 0.5 - abs(u)
        k = np.int64(math.floor((2.0 * a / us + b) * u + mean + 0.43))
        if us >= 0.07 and v <= v_r:
            return state, int(k)
        if k < 0 or (us < 0.013 and v > us):
            continue
        accept = log(v) + log(inverse_alpha) - log(a / (us * us) + b)
        if accept <= k * log_mean - mean - log_factorial(float(k)):
            return state, int(k)


@inline_kernel
def normal_quantile(p: float) -> float:
    """Return the standard normal variate below which the fraction `p` of all lies, p from 2**-54 to 1.

    Relative error 1e-15 where the variate is within 5.5. M. J. Wichura, Algorithm AS 241, Applied Statistics 37, 477
    (1988), without its farthest tails.

    Examples
    --------
    >>> round(normal_quantile(0.5), 6), round(normal_quantile(0.975), 6)
    (0.0, 1.959964)
    """
    q = p - 0.5
    if abs(q) <= 0.425:
        r = 0.180625 - q * q
        return q * _ratio(r, _MIDDLE_ABOVE, _MIDDLE_BELOW)
    r = max(p if q < 0.0 else 1.0 - p, 2.0**-54)
    tail = _ratio(math.sqrt(-log(r)) - 1.6, _TAIL_ABOVE, _TAIL_BELOW)
    return -tail if q < 0.0 else tail


@inline_kernel
def normal_tail(z: float) -> float:
    """Return the fraction of standard normal variates above `z`, z of 0 and above.

    Relative error 1e-8. J. F. Hart et al., Computer Approximations (1968), as in G. West, Wilmott Magazine, May 2005,
    p. 70.

    Examples
    --------
    >>> normal_tail(0.0), round(normal_tail(1.959964), 6), f"{normal_tail(8.0):.3e}"
    (0.5, 0.025, '6.221e-16')
    """
    if z > 37.0:
        return 0.0
    density = exp(-0.5 * z * z)
    if z < 7.07106781186547:
        return density * _ratio(z, _HART_ABOVE, _HART_BELOW)
    return density / (z + 1.0 / (z + 2.0 / (z + 3.0 / (z + 4.0 / (z + 0.65))))) / 2.506628274631


@inner_inline_kernel
def _ratio(r: float, above: tuple[float, ...], below: tuple[float, ...]) -> float:
    """Quotient of two polynomials, highest powers first."""
    numerator = denominator = 0.0
    for a, b in zip(above, below):  # noqa: B905  (not known to the compiler)
        numerator, denominator = numerator * r + a, denominator * r + b
    return numerator / denominator


@kernel
def gamma(key: np.uint64, shape: float) -> float:
    """First Gamma variate of a stream, its scale 1.

    By rejection of Marsaglia and Tsang (ACM Trans. Math. Softw. 26, 363, 2000); a shape below 1 by theirs from the one
    above it.

    Examples
    --------
    >>> variates = [gamma(key, 4.0) for key in stream_key(7, Stream.PULSE, np.arange(10_000))]
    >>> round(float(np.mean(variates)), 1), round(float(np.var(variates)), 1)
    (4.0, 3.9)
    """
    d = (shape if shape >= 1.0 else shape + 1.0) - 1.0 / 3.0
    c = 1.0 / math.sqrt(9.0 * d)
    state = key
    while True:
        state += GOLDEN
        x = normal_quantile(unit(mix(state)) + 0.5 * _ULP)
        state += GOLDEN
        u = 1.0 - unit(mix(state))
        root = 1.0 + c * x
        if root <= 0.0:
            continue
        v = root * root * root
        # beyond that shape the bound differs from 1 by less than its rounding
        if d > 1e10 or log(u) < 0.5 * x * x + d * (1.0 - v + log(v)):
            break
    if shape >= 1.0:
        return d * v
    state += GOLDEN
    return d * v * exp(log(1.0 - unit(mix(state))) / shape)
