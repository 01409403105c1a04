"""Intensities on grids: from noise, from photons merged, between one radius and another."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xfeldask.orient.kernels import turned
from xfeldask.orient.sparse import Pixels, SparseFrames
from xfeldask.physics.orientations import rotation_matrix, rotations_of

PSEUDO = 1.0
"""Photons of the shell's mean that stand in each grid point beside those that were merged."""

PER_BIN = 4
"""Radii of a profile within a bin."""

LEAST_PHOTONS = 100
"""Photons of all shots that a ring of a profile holds; dimmer rings are joined."""


LEAST_SIGNAL = 0.02
"""Part of a ring's photons that particles scattered, at least, whatever the background is."""


@dataclass(frozen=True, eq=False)
class Models:
    """Intensities of several kinds of particles, each on a cubic grid.

    Attributes
    ----------
    intensity : float64 (model, n, n, n), expected photons a whole bin at the beam, at fluence 1; index n // 2 is s = 0
    prior : float64 (model,), fraction of the shots of each
    step : float, grid spacing [1/m]

    Examples
    --------
    >>> Models(np.ones((2, 9, 9, 9)), np.array([0.5, 0.5]), 1e7).radius
    3
    """

    intensity: NDArray[np.float64]
    prior: NDArray[np.float64]
    step: float

    def __len__(self) -> int:
        """Return the number of models."""
        return len(self.intensity)

    @property
    def radius(self) -> int:
        """Radius up to which the grid is used [steps]."""
        return int(self.intensity.shape[-1]) // 2 - 1


def grid_size(radius: float) -> int:
    """Points a side of a grid that reaches a radius [steps], and one more on each side for interpolation.

    Examples
    --------
    >>> grid_size(10), grid_size(10.5)
    (23, 25)
    """
    return 2 * int(np.ceil(radius)) + 3


def radii(size: int) -> NDArray[np.float64]:
    """Distance of each point of a grid from its middle [steps], float64 (n, n, n).

    Examples
    --------
    >>> radii(3)[1, 1].tolist()
    [1.0, 0.0, 1.0]
    """
    axis = (np.arange(size) - size // 2).astype(np.float64) ** 2
    return np.asarray(np.sqrt(axis[:, None, None] + axis[:, None] + axis))


def profile(frames: SparseFrames, pixels: Pixels, radius: float) -> NDArray[np.float64]:
    """Mean intensity at radii from 0 to beyond `radius`, `PER_BIN` of them a bin; where nobody looks, that nearby.

    Background that is known is left out.

    Rings that hold enough photons are a fraction of a bin wide: around the beam an intensity falls many times within
    one, and what a profile misses of that is the same in all shots, as if it were structure of a particle.

    Returns
    -------
    float64 (radius,), positive
    """
    m = pixels.within(radius)
    far, seen, counted = pixels.s[:m], pixels.factor[:m], frames.mean(m) * len(frames)
    far = np.linalg.norm(far, axis=1) / pixels.step
    ring = np.rint(far * PER_BIN).astype(np.int64)
    inside = np.cumsum(np.bincount(ring, counted))
    inside[1:] = inside[:-1]
    inside[:1] = 0
    _, ring = np.unique(inside[ring] // LEAST_PHOTONS, return_inverse=True)
    photons, exposure = np.bincount(ring, counted), np.bincount(ring, seen)
    if (background := frames.background) is not None:
        dark = np.bincount(ring, background.expected(m))
        photons = np.maximum(photons - dark, LEAST_SIGNAL * photons)
    at = np.arange(PER_BIN * (int(np.ceil(radius)) + 3)) / PER_BIN
    some = (photons > 0) & (exposure > 0)
    if not some.any():
        return np.ones(len(at))
    middle = np.bincount(ring, far * seen)[some] / exposure[some]
    level = photons[some] / exposure[some] / len(frames)
    return np.asarray(np.exp(np.interp(at, middle, np.log(level))))


def at_radii(values: NDArray[np.float64], radius: NDArray[np.float64]) -> NDArray[np.float64]:
    """Read a profile at any radii [bins], in between by straight lines of its logarithm; its last value beyond.

    Examples
    --------
    >>> # the logarithm halves between 16 and 1
    >>> profile = np.exp(np.linspace(np.log(16), 0, 2 * PER_BIN + 1))
    >>> at_radii(profile, np.array([0.0, 1.0, 2.0, 9.0])).round(6).tolist()
    [16.0, 4.0, 1.0, 1.0]
    """
    return np.asarray(np.exp(np.interp(radius * PER_BIN, np.arange(len(values)), np.log(values))))


def random_models(
    frames: SparseFrames,
    pixels: Pixels,
    radius: float,
    count: int = 1,
    seed: int | tuple[int, ...] = 0,
    group: ArrayLike | None = None,
) -> Models:
    """Begin with noise: the mean profile of the shots, each grid point times a random number from 0.5 to 1.5.

    Parameters
    ----------
    frames, pixels : of all shots
    radius : [bins]
    count : int, models
    seed : int, or several
    group : (order, 4), symmetry of the particles; none when not given
    """
    size, turns = grid_size(radius), rotations_of(group)
    mean = at_radii(profile(frames, pixels, radius), radii(size))
    noise = np.random.default_rng(seed).random((count, size, size, size)) + 0.5
    merged = [symmetrised(np.stack([mean * each, mean * 0 + 1], axis=-1), turns) for each in noise]
    intensity = np.stack([estimate(each, 0.0, mean) for each in merged])
    return Models(intensity, np.full(count, 1 / count), pixels.step)


def symmetrised(grid: NDArray[np.float64], turns: NDArray[np.float64]) -> NDArray[np.float64]:
    """Add up merged photons and exposures (n, n, n, 2) over the symmetry of the particle and that of real densities."""
    out = np.zeros_like(grid)
    turned(grid, rotation_matrix(turns), out)
    return out


def estimate(grid: NDArray[np.float64], pseudo: float, mean: NDArray[np.float64]) -> NDArray[np.float64]:
    """Intensity of photons and exposures (n, n, n, 2): their ratio, drawn to the shell's mean where few looked.

    Parameters
    ----------
    grid : float64 (n, n, n, 2)
    pseudo : photons of the shell's mean in each point
    mean : float64 (n, n, n), taken where nobody looked at the whole shell
    """
    shell = np.rint(radii(len(grid))).astype(np.int64).reshape(-1)
    counted, seen = (np.bincount(shell, grid[..., i].reshape(-1)) for i in range(2))
    with np.errstate(invalid="ignore", divide="ignore"):
        average = np.where((counted > 0) & (seen > 0), counted / seen, 0.0)[shell].reshape(mean.shape)
        average = np.where(average > 0, average, mean)
        found = (grid[..., 0] + pseudo) / (grid[..., 1] + pseudo / average)
    # a point that nobody saw a photon in is dark, but no slice may be impossible
    return np.asarray(np.where(np.isfinite(found), np.maximum(found, 1e-3 * average), average))


def regridded(models: Models, radius: float, mean: NDArray[np.float64]) -> Models:
    """Carry models over to a grid of another radius; beyond the old one they have the mean profile.

    Parameters
    ----------
    models : Models
    radius : [steps]
    mean : float64 (radius,), as of `profile`
    """
    size = grid_size(radius)
    old, far = models.intensity.shape[-1], radii(size)
    shift = size // 2 - old // 2
    out = np.empty((len(models), size, size, size))
    for k, grid in enumerate(models.intensity):
        out[k] = at_radii(mean, far)
        inner: Any = slice(max(0, shift), size - max(0, shift))
        outer: Any = slice(max(0, -shift), old - max(0, -shift))
        known = far[inner, inner, inner] <= models.radius + 0.5
        out[k][inner, inner, inner][known] = grid[outer, outer, outer][known]
    return replace(models, intensity=out)


def radius_of_gyration(intensity: NDArray[np.floating], step: float) -> float:
    """Estimate the radius of gyration of a particle from its intensity around s = 0.

    Parameters
    ----------
    intensity : (n, n, n), index n // 2 is s = 0
    step : grid spacing [1/m]

    Returns
    -------
    float [m], NaN where the intensity does not fall, or the grid has less than two shells around its middle

    Notes
    -----
    ``ln I(s) = ln I(0) - (2 pi s)^2 Rg^2 / 3`` (A. Guinier, Annales de Physique 11, 161, 1939), fitted to the means of
    shells as far as ``2 pi s Rg`` is below 1.3, and to three at least, or as many as there are.

    Examples
    --------
    >>> at = (np.arange(21) - 10) * 1e6
    >>> s2 = at[:, None, None] ** 2 + at[:, None] ** 2 + at**2
    >>> round(radius_of_gyration(np.exp(-((2 * np.pi * 20e-9) ** 2) * s2 / 3), 1e6) * 1e9, 1)
    20.0
    """
    n, away = len(intensity), radii(len(intensity))
    shell = np.rint(away).astype(np.int64)
    some = shell < n // 2
    counts = np.bincount(shell[some])
    mean = np.bincount(shell[some], intensity[some]) / counts
    squared = np.bincount(shell[some], away[some] ** 2) / counts * (2 * np.pi * step) ** 2
    used = least = min(3, len(mean) - 1)
    for _ in range(5):
        lit = np.arange(1, used + 1)[mean[1 : used + 1] > 0]
        if lit.size < 2:
            return float("nan")
        slope = np.polyfit(squared[lit], np.log(mean[lit]), 1, w=np.sqrt(counts[lit]))[0]
        if slope >= 0:
            return float("nan")
        radius = float(np.sqrt(-3 * slope))
        used = int(np.clip(1.3 / (2 * np.pi * step * radius), least, max(least, n // 2 - 2)))
    return radius
