"""From an intensity to a density: what phases make it a compact, positive particle.

Relaxed averaged alternating reflections (D. R. Luke, Inverse Problems 21, 37, 2005) within a support that shrinks with
the density (S. Marchesini et al., Physical Review B 68, 140101, 2003), then error reduction; from several random
starts, whose results are laid on each other and averaged.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy import fft
from scipy.ndimage import gaussian_filter

from xfeldask.errors import InputError
from xfeldask.orient.densities import laid_on
from xfeldask.orient.models import radii

BETA = 0.9
"""Relaxation of the alternating reflections."""

SHRINK_EVERY, SMEAR = 20, (2.5, 1.0)
"""Iterations between two new supports; width that a support is smeared by, at first and at last [voxels]."""

DENSE = 0.12
"""Smeared density, over its largest, from which on a voxel is in the support."""

TAPER = 1.5
"""Amplitudes fall by exp(-TAPER s^2 / s_max^2): a density that was cut off at s_max sharply has ripples below 0."""

REFINING = 0.3
"""Fraction of the iterations that are error reduction, at the end."""

Grid = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Density:
    """A density that was phased; made by `phased`.

    Attributes
    ----------
    values : float32 (m, m, m), average of the starts, of an arbitrary scale; its middle is at index m // 2. Amplitudes
        fall by exp(-1.5 s^2 / s_max^2) towards the rim, so that no ripples surround the particle
    pitch : float, width of a voxel [m]
    s : float64 (shell,), [1/m]
    transfer : float64 (shell,), phase retrieval transfer function: how well the starts agree on phases, 1 at best
    residual : float, relative difference of the amplitudes of the average from those measured
    """

    values: Grid
    pitch: float
    s: NDArray[np.float64]
    transfer: NDArray[np.float64]
    residual: float


def phased(
    intensity: NDArray[np.float64],
    step: float,
    known: NDArray[np.bool_] | None = None,
    starts: int = 8,
    iterations: int = 200,
    seed: int = 0,
    threads: int = 1,
) -> Density:
    """Phase an intensity.

    Parameters
    ----------
    intensity : float64 (n, n, n), n odd; index n // 2 is s = 0
    step : of the grid [1/m]
    known : bool (n, n, n), optional, points that were measured; all but the middle by default, which is hidden by the
        beam stop as a rule
    starts : int
    iterations : int, of each start
    seed : int
    threads : int, in which starts are phased side by side; what is found is the same

    Returns
    -------
    Density

    Raises
    ------
    InputError
        An intensity that is no cube of odd size, no start.

    Examples
    --------
    >>> axis = np.arange(25) - 12
    >>> intensity = np.exp(-(axis[:, None, None] ** 2 + axis[:, None] ** 2 + axis**2) / 40.0)
    >>> found = phased(intensity, 2e7, starts=1, iterations=20)
    >>> found.values.shape, f"{found.pitch:.3g}"
    ((25, 25, 25), '2e-09')
    """
    size = len(intensity)
    if intensity.shape != (size,) * 3 or size % 2 == 0:
        raise InputError(f"an intensity to be phased is a cube of odd size, got {intensity.shape}")
    if starts < 1 or iterations < 1:
        raise InputError(f"phasing takes at least 1 start and 1 iteration, got {starts} and {iterations}")
    most = size // 2
    known = radii(size) > 0.5 if known is None else known
    while most * 2 + 1 != fft.next_fast_len(most * 2 + 1):
        most += 1
    intensity, known = np.pad(intensity, most - size // 2), np.pad(known, most - size // 2)
    far, reach, size = radii(2 * most + 1), size // 2, 2 * most + 1
    measured = known | (far >= reach)
    amplitude = np.sqrt(np.maximum(intensity, 0)) * (far < reach) * np.exp(-TAPER * (far / reach) ** 2)
    half = fft.ifftshift(amplitude)[..., : size // 2 + 1].astype(np.float32)
    fixed = fft.ifftshift(measured)[..., : size // 2 + 1]
    support = _first_support(amplitude**2)
    rng = np.random.default_rng(seed)
    with ThreadPoolExecutor(threads) as pool:
        begun = (rng.random(support.shape, np.float32) * support for _ in range(starts))
        found = list(pool.map(partial(_start, half, fixed, support, iterations), begun))
        laid = [found[0], *pool.map(partial(laid_on, reference=found[0]), found[1:])]
    mean = np.mean(laid, axis=0, dtype=np.float64)
    shell = np.rint(far).astype(np.int64).reshape(-1)
    spectrum = np.abs(fft.fftshift(fft.fftn(mean)))
    one = np.mean([np.abs(fft.fftshift(fft.fftn(each.astype(np.float64)))) for each in laid], axis=0)
    shells = np.arange(1, reach)
    above, below = (np.bincount(shell, each.reshape(-1))[shells] for each in (spectrum, one))
    seen = measured & (far < reach)
    residual = np.abs(spectrum - amplitude)[seen].sum() / amplitude[seen].sum()
    values = fft.fftshift(mean).astype(np.float32)
    return Density(
        _centred(values),
        1 / (size * step),
        np.asarray(shells * step, np.float64),
        np.asarray(above / below),
        float(residual),
    )


def _first_support(intensity: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Half of the autocorrelation, which is twice as wide as the particle; index 0 is the middle."""
    far = fft.ifftshift(radii(len(intensity)))
    correlation = np.abs(fft.ifftn(fft.ifftshift(intensity)))
    # without the middle, which the beam stop hides, it dips below 0 around the particle
    wide = far[correlation > 0.03 * correlation.max()].max()
    return np.asarray(far <= max(2.0, 0.6 * min(wide, len(intensity) / 2)))


def _start(amplitude: Grid, fixed: NDArray[np.bool_], support: NDArray[np.bool_], iterations: int, x: Grid) -> Grid:
    """Phase from a density `x` within the support."""
    refining = int(iterations * (1 - REFINING))
    for i in range(iterations):
        projected = _onto_amplitudes(x, amplitude, fixed)
        if i and i % SHRINK_EVERY == 0:
            support = _support(projected, SMEAR[0] + (SMEAR[1] - SMEAR[0]) * min(1.0, i / refining))
        inside = support & (projected > 0)
        if i >= refining:
            x = np.where(inside, projected, np.float32(0))
        else:
            inside = support & (2 * projected - x > 0)
            x = np.where(inside, projected, BETA * x + (1 - 2 * BETA) * projected).astype(np.float32)
    return np.where(support & (x > 0), x, np.float32(0))


def _onto_amplitudes(x: Grid, amplitude: Grid, fixed: NDArray[np.bool_]) -> Grid:
    """Give a density the measured amplitudes, where there are any."""
    spectrum = fft.rfftn(x)
    size = np.abs(spectrum)
    scale = np.where(fixed, amplitude / np.maximum(size, np.float32(1e-20)), np.float32(1))
    return np.asarray(fft.irfftn(spectrum * scale, x.shape), np.float32)


def _support(density: Grid, smear: float) -> NDArray[np.bool_]:
    """Voxels where the smeared density is large."""
    smeared = gaussian_filter(np.maximum(density, 0), smear, mode="wrap")
    return np.asarray(smeared > DENSE * smeared.max())


def _centred(density: Grid) -> Grid:
    """Shift a density so that its middle lies in the middle of the grid, by whole voxels."""
    shift = []
    for axis in range(3):
        others = tuple(a for a in range(3) if a != axis)
        turn = np.exp(2j * np.pi * np.arange(len(density)) / len(density))
        middle = np.angle((density.sum(axis=others) * turn).sum()) / (2 * np.pi) * len(density)
        shift.append(round(len(density) // 2 - middle))
    return np.roll(density, shift, axis=(0, 1, 2))
