"""Logarithm, exponential, cube root, cosine and sine, with the same bits on every processor.

The C library and NumPy choose among variants by what the processor can do, and those that fuse a multiplication and an
addition round once where others round twice. Here are plain IEEE operations in the order written. Reductions and
polynomials are those of Sun's fdlibm (K. C. Ng, 1993), good to a few units in the last place.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xfeldask.physics.jit import inline_kernel, kernel

_LN2_HIGH, _LN2_LOW, _INVERSE_LN2 = 6.93147180369123816490e-01, 1.90821492927058770002e-10, 1.44269504088896338700
_TWO_PI = 6.283185307179586
GOLDEN_RATIO = 1.618033988749895
INVERSE_PLASTIC = 0.7548776662466927
"""One over the plastic number (x^3 = x + 1): its multiples, modulo 1, are spread evenly, and out of step with those of
the golden ratio."""
_HALF_LOG_TWO_PI = 0.9189385332046728
_MANTISSA_BITS, _MANTISSA = np.uint64(52), np.uint64(0x000FFFFFFFFFFFFF)
_ONE, _ROOT_HALF = np.uint64(0x3FF0000000000000), np.uint64(0x3FE6A09E00000000)


@inline_kernel
def log(x: float) -> float:
    """Natural logarithm of a positive, normal number, to 1 ulp.

    Examples
    --------
    >>> log(1.0), log(float(np.exp(2)))
    (0.0, 2.0)
    """
    bits = np.float64(x).view(np.uint64) + (_ONE - _ROOT_HALF)
    k = np.int64(bits >> _MANTISSA_BITS) - 1023
    # x = 2**k (1 + f), with 1 + f from sqrt(1/2) to sqrt(2)
    f = np.uint64((bits & _MANTISSA) + _ROOT_HALF).view(np.float64) - 1.0
    s = f / (2.0 + f)
    z = s * s
    w = z * z
    even = w * (3.999999999940941908e-01 + w * (2.222219843214978396e-01 + w * 1.531383769920937332e-01))
    odd = z * (
        6.666666666666735130e-01
        + w * (2.857142874366239149e-01 + w * (1.818357216161805012e-01 + w * 1.479819860511658591e-01))
    )
    half_square = 0.5 * f * f
    return s * (half_square + (odd + even)) + k * _LN2_LOW - half_square + f + k * _LN2_HIGH


@inline_kernel
def exp(x: float) -> float:
    """Exponential to 1 ulp; 0 below -708, infinite above 709.

    Examples
    --------
    >>> exp(0.0), exp(1.0), exp(-1000.0)
    (1.0, 2.7182818284590455, 0.0)
    """
    if x < -708.0:
        return 0.0
    if x > 709.0:
        return np.inf
    k = np.int64(math.floor(x * _INVERSE_LN2 + 0.5))
    high, low = x - k * _LN2_HIGH, k * _LN2_LOW
    r = high - low
    z = r * r
    p = -1.65339022054652515390e-06 + z * 4.13813679705723846039e-08
    p = -2.77777777770155933842e-03 + z * (6.61375632143793436117e-05 + z * p)
    c = r - z * (1.66666666666666019037e-01 + z * p)
    power = np.uint64(np.uint64(k + 1023) << _MANTISSA_BITS).view(np.float64)
    return float((1.0 + (r * c / (2.0 - c) - low + high)) * power)


@inline_kernel
def cosine_sine(turns: float) -> tuple[float, float]:
    """Cosine and sine of 2 pi times a finite number below 2**50, to 2e-16.

    Examples
    --------
    >>> cosine_sine(0.25), cosine_sine(1e9 + 0.5)
    ((-0.0, 1.0), (-1.0, -0.0))
    """
    quarter = np.int64(math.floor(4.0 * turns + 0.5))
    x = (turns - 0.25 * quarter) * _TWO_PI
    z = x * x
    w = z * z
    r = 8.33333333332248946124e-03 + z * (-1.98412698298579493134e-04 + z * 2.75573137070700676789e-06)
    r += z * w * (-2.50507602534068634195e-08 + z * 1.58969099521155010221e-10)
    sine = x + z * x * (-1.66666666666666324348e-01 + z * r)
    r = z * (4.16666666666666019037e-02 + z * (-1.38888888888741095749e-03 + z * 2.48015872894767294178e-05))
    r += w * w * (-2.75573143513906633035e-07 + z * (2.08757232129817482790e-09 + z * -1.13596475577881948265e-11))
    half = 0.5 * z
    w = 1.0 - half
    cosine = w + (((1.0 - w) - half) + z * r)
    if quarter & 1:
        cosine, sine = -sine, cosine
    if quarter & 2:
        cosine, sine = -cosine, -sine
    return cosine, sine


@inline_kernel
def cube_root(x: float) -> float:
    """Cube root of a positive, normal number, to 1 ulp.

    Examples
    --------
    >>> cube_root(27.0), cube_root(1e-3)
    (3.0, 0.1)
    """
    y = exp(log(x) / 3.0)
    return y - (y * y * y - x) / (3.0 * y * y)


@kernel
def log_factorial(k: float) -> float:
    """Logarithm of k!, k a whole number of 0 and above.

    Examples
    --------
    >>> round(exp(log_factorial(5.0)), 9), round(log_factorial(100.0), 6)
    (120.0, 363.739376)
    """
    if k < 18.0:
        product = 1.0
        for i in range(2, int(k) + 1):
            product *= i
        return log(product)
    x = k + 1.0
    z = 1.0 / (x * x)
    series = (1.0 / 12.0 - z * (1.0 / 360.0 - z * (1.0 / 1260.0 - z / 1680.0))) / x
    return (x - 0.5) * log(x) - x + _HALF_LOG_TWO_PI + series


def log_of(x: ArrayLike) -> NDArray[np.float64]:
    """Natural logarithm of positive, normal numbers, (...) float64.

    Examples
    --------
    >>> log_of([1.0, 10.0]).round(6).tolist()
    [0.0, 2.302585]
    """
    flat, out = _flat(x)
    _logs(flat, out)
    return out.reshape(np.shape(x))


def exp_of(x: ArrayLike) -> NDArray[np.float64]:
    """Exponential, (...) float64.

    Examples
    --------
    >>> exp_of([0.0, -1.0]).round(6).tolist()
    [1.0, 0.367879]
    """
    flat, out = _flat(x)
    _exps(flat, out)
    return out.reshape(np.shape(x))


def cosine_sine_of(turns: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Cosine and sine of 2 pi times `turns`, (...) float64 each.

    Examples
    --------
    >>> [part.round(6).tolist() for part in cosine_sine_of([0.0, 1 / 8])]
    [[1.0, 0.707107], [0.0, 0.707107]]
    """
    flat, out = _flat(turns)
    sine = np.empty_like(out)
    _cosines_sines(flat, out, sine)
    return out.reshape(np.shape(turns)), sine.reshape(np.shape(turns))


def cube_root_of(x: ArrayLike) -> NDArray[np.float64]:
    """Cube root of positive, normal numbers, (...) float64.

    Examples
    --------
    >>> cube_root_of([8.0, 1000.0]).tolist()
    [2.0, 10.0]
    """
    flat, out = _flat(x)
    _cube_roots(flat, out)
    return out.reshape(np.shape(x))


def _flat(x: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    flat = np.ascontiguousarray(x, dtype=np.float64).reshape(-1)
    return flat, np.empty_like(flat)


@kernel
def _logs(x: NDArray[np.float64], out: NDArray[np.float64]) -> None:
    for i in range(x.size):
        out[i] = log(x[i])


@kernel
def _exps(x: NDArray[np.float64], out: NDArray[np.float64]) -> None:
    for i in range(x.size):
        out[i] = exp(x[i])


@kernel
def _cosines_sines(turns: NDArray[np.float64], cosine: NDArray[np.float64], sine: NDArray[np.float64]) -> None:
    for i in range(turns.size):
        cosine[i], sine[i] = cosine_sine(turns[i])


@kernel
def _cube_roots(x: NDArray[np.float64], out: NDArray[np.float64]) -> None:
    for i in range(x.size):
        out[i] = cube_root(x[i])
