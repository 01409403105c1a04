"""Densities on each other: shifts and hands that intensities do not show, and how far two of them agree."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from xfeldask.orient.models import radii


def laid_on(density: NDArray[Any], reference: NDArray[Any]) -> NDArray[Any]:
    """Shift a density, or its mirror image through a point, so that it lies on another, by whole voxels.

    Examples
    --------
    >>> still = np.random.default_rng(0).random((9, 9, 9))
    >>> moved = np.roll(still[::-1, ::-1, ::-1], (1, 3, -2), axis=(0, 1, 2))
    >>> bool((laid_on(moved, still) == still).all())
    True
    """
    target, best = fft.rfftn(reference), (-np.inf, density)
    for each in (density, np.roll(density[::-1, ::-1, ::-1], 1, axis=(0, 1, 2))):
        overlap = fft.irfftn(target * np.conj(fft.rfftn(each)), density.shape)
        if overlap.max() > best[0]:
            shift = np.unravel_index(int(overlap.argmax()), overlap.shape)
            best = float(overlap.max()), np.roll(each, shift, axis=(0, 1, 2))
    return best[1]


def fourier_shell_correlation(a: NDArray[Any], b: NDArray[Any]) -> NDArray[np.float64]:
    """Correlate two densities by shells of their transforms, after one was shifted onto the other.

    Parameters
    ----------
    a, b : (m, m, m)

    Returns
    -------
    float64 (shell,), of the shells 1 to m // 2 - 1

    Notes
    -----
    G. Harauz and M. van Heel, Optik 73, 146 (1986).

    Examples
    --------
    >>> a = np.random.default_rng(0).random((9, 9, 9))
    >>> fourier_shell_correlation(a, a).round(6).tolist()
    [1.0, 1.0, 1.0]
    """
    size = len(a)
    one = fft.fftn(np.asarray(a, np.float64))
    other = fft.fftn(laid_on(np.asarray(b, np.float64), np.asarray(a, np.float64)))
    other = other * np.exp(2j * np.pi * _rest(one * np.conj(other)))
    shell = np.rint(fft.ifftshift(radii(size))).astype(np.int64).reshape(-1)
    cross, power, others = (
        np.bincount(shell, part.reshape(-1))[1 : size // 2]
        for part in ((one * np.conj(other)).real, np.abs(one) ** 2, np.abs(other) ** 2)
    )
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.nan_to_num(cross / np.sqrt(power * others)))


def _rest(product: NDArray[np.complex128]) -> NDArray[np.float64]:
    """Return the turns of phases (m, m, m) by which a shift of less than a voxel makes two transforms alike."""
    overlap, turns = fft.ifftn(product).real, np.zeros(product.shape)
    for axis in range(3):
        line = overlap[tuple(slice(None) if each == axis else 0 for each in range(3))]
        below, top, above = line[-1], line[0], line[1]
        curved = below - 2 * top + above
        shift = 0.5 * (below - above) / curved if curved < 0 else 0.0
        frequency = fft.fftfreq(len(line)).reshape([-1 if each == axis else 1 for each in range(3)])
        turns -= np.clip(shift, -0.5, 0.5) * frequency
    return turns
