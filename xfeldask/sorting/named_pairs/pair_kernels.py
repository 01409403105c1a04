"""Compiled loops: how likely photons of a shot are under one particle, and under two that interfere.

Likelihoods are products over photons, taken in single precision and brought back to the largest after every `AWHILE`
of them; what is then too small to be seen beside the largest is 0.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from xfeldask.physics.jit import inner_kernel, kernel

Array = NDArray[Any]

AWHILE = 16
"""Photons after which products are brought back to the largest."""
LEAST = 1e-30
"""Value that is taken for a largest one of 0."""
DARKEST = 0.05
"""Light of two particles that interfere, over that of two that do not, that there is at least."""


@inner_kernel
def _rescaled(product: Array) -> float:
    """Divide products by the largest of them, and return its logarithm."""
    largest = np.float32(LEAST)
    for i in range(product.size):
        largest = max(largest, product[i])
    by = np.float32(1) / largest
    for i in range(product.size):
        product[i] *= by
    return float(np.log(largest))


@inner_kernel
def _log_sum(product: Array) -> float:
    total = 0.0
    for i in range(product.size):
        total += product[i]
    return float(np.log(max(total, LEAST)))


@kernel
def densities(amplitude: Array, dark: Array, share: float, pixel: Array, out: Array) -> None:
    """Relative densities of photons under one particle at each rotation.

    Parameters
    ----------
    amplitude : complex64 (pixel, rotation), of a mean square of 1 over all rotations
    dark : float32 (pixel,), density of the background over that of a particle's mean pattern
    share : float, part of the photons that are background
    pixel : int (photon,)
    out : float32 (photon, rotation)
    """
    light = np.float32(1 - share)
    for i in range(pixel.size):
        own, under = amplitude[pixel[i]], np.float32(share) * dark[pixel[i]]
        for r in range(out.shape[1]):
            out[i, r] = light * (own[r].real * own[r].real + own[r].imag * own[r].imag) + under


@kernel
def likelihoods(density: Array, weight: Array, out: Array) -> float:
    """Likelihoods of a shot at each rotation, over the largest; return the logarithm of what they are over.

    Parameters
    ----------
    density : float32 (photon, rotation)
    weight : float32 (rotation,), prior
    out : float32 (rotation,)
    """
    out[:] = weight
    scale = 0.0
    for i in range(density.shape[0]):
        own = density[i]
        for r in range(out.size):
            out[r] *= own[r]
        if i % AWHILE == AWHILE - 1:
            scale += _rescaled(out)
    return scale + _rescaled(out)


@kernel
def pairs(
    density: Array, weight: Array, rows: Array, bright: float, product: Array, log_likelihood: Array, first: Array,
    second: Array,
) -> float:  # fmt: skip
    """Likelihood of two particles that do not interfere, the brighter at each of some rotations, the other at any.

    Parameters
    ----------
    density : float32 (photon, rotation)
    weight : float32 (rotation,), prior
    rows : int64 (some,), rotations of the brighter
    bright : float, its part of the light
    product : float32 (rotation,), working space
    log_likelihood : float64 (kept,), filled with those of the likeliest pairs
    first, second : int64 (kept,), filled with their rotations

    Returns
    -------
    float, logarithm of the sum over all of these pairs
    """
    log_likelihood[:] = -np.inf
    total, one, other = -np.inf, np.float32(bright), np.float32(1 - bright)
    for row in rows:
        scale = np.log(weight[row])
        product[:] = weight
        for i in range(density.shape[0]):
            own, known = density[i], one * density[i, row]
            for r in range(product.size):
                product[r] *= known + other * own[r]
            if i % AWHILE == AWHILE - 1:
                scale += _rescaled(product)
        scale += _rescaled(product)
        total = np.logaddexp(total, scale + _log_sum(product))
        _keep(product, scale, row, log_likelihood, first, second)
    return float(total)


@inner_kernel
def _keep(product: Array, scale: float, row: int, log_likelihood: Array, first: Array, second: Array) -> None:
    """Put those of a row that are likelier than the least likely pair that is kept in its place."""
    low = log_likelihood.argmin()
    bar = np.exp(min(log_likelihood[low] - scale, 1.0))
    for r in range(product.size):
        if product[r] > bar:
            log_likelihood[low], first[low], second[low] = scale + np.log(product[r]), row, r
            low = log_likelihood.argmin()
            bar = np.exp(min(log_likelihood[low] - scale, 1.0))


@kernel
def interference(
    amplitude: Array, cell_amplitude: Array, density: Array, share: float, pixel: Array, bright: float,
    first: Array, second: Array, cosine: Array, sine: Array, cell_cosine: Array, cell_sine: Array, prior: Array,
    out: Array,
) -> None:  # fmt: skip
    """Log of the mean over distances of the likelihood of two particles that interfere, over that of two that do not.

    Parameters
    ----------
    amplitude : complex64 (pixel, rotation), as of `densities`
    cell_amplitude : complex64 (cell, rotation), of cells of the detector, each times the root of what it sees; of a
        square sum of 1
    density : float32 (photon, rotation), as of `densities`
    share, pixel : as of `densities`
    bright : float, part of the light of the first
    first, second : int64 (pair,), rotations
    cosine, sine : float32 (photon, distance), of the phase between particles that far apart
    cell_cosine, cell_sine : float32 (cell, near), the same of those at which they overlap as they are seen
    prior : float32 (distance,)
    out : float64 (pair,)
    """
    one, other, light = np.float32(bright), np.float32(1 - bright), np.float32(1 - share)
    both = light * np.float32(2 * np.sqrt(bright * (1 - bright)))
    beyond, product = np.ones(prior.size, np.float32), np.empty(prior.size, np.float32)
    for k in range(first.size):
        a, b = first[k], second[k]
        _overlap(cell_amplitude, a, b, both, cell_cosine, cell_sine, beyond)
        product[:] = prior
        scale = 0.0
        for i in range(pixel.size):
            apart = one * density[i, a] + other * density[i, b]
            beat = both * amplitude[pixel[i], a] * np.conj(amplitude[pixel[i], b]) / apart
            re, im, c, s = beat.real, beat.imag, cosine[i], sine[i]
            for d in range(product.size):
                product[d] *= (np.float32(1) + re * c[d] - im * s[d]) * beyond[d]
            if i % AWHILE == AWHILE - 1:
                scale += _rescaled(product)
        out[k] = scale + _rescaled(product) + _log_sum(product)


@inner_kernel
def _overlap(amplitude: Array, a: int, b: int, both: np.float32, cosine: Array, sine: Array, out: Array) -> None:
    """Fill in 1 over all light of two particles that interfere, over that of two that do not, for near distances."""
    near = cosine.shape[1]
    out[:near] = 1
    for i in range(len(amplitude)):
        beat = both * amplitude[i, a] * np.conj(amplitude[i, b])
        re, im, c, s = beat.real, beat.imag, cosine[i], sine[i]
        for d in range(near):
            out[d] += re * c[d] - im * s[d]
    for d in range(near):
        out[d] = 1 / max(out[d], np.float32(DARKEST))
