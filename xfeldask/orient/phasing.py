"""From an intensity to a density: what phases make it a compact, positive particle.

Relaxed averaged alternating reflections (D. R. Luke, Inverse Problems 21, 37, 2005) within a support that shrinks with
the density (S. Marchesini et al., Physical Review B 68, 140101, 2003), then error reduction; from several random
starts, whose results are laid on each other and averaged. What is done in each iteration is written against the Python
array API, for NumPy, CuPy and whatever else has its functions.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from xfeldask.devices import Device
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

AXES = (0, 1, 2)
"""Axes of a density, all of which are transformed."""

LEAST = 1e-20
"""Amplitude that is divided by, at least."""

PER_VOXEL = 100
"""Memory that phasing takes for a voxel, at most [bytes]."""

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
    device: Device | None = None,
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
    device : Device, optional, that iterates; the CPU by default

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
    if intensity.shape != (len(intensity),) * 3 or len(intensity) % 2 == 0:
        raise InputError(f"an intensity to be phased is a cube of odd size, got {intensity.shape}")
    if starts < 1 or iterations < 1:
        raise InputError(f"phasing takes at least 1 start and 1 iteration, got {starts} and {iterations}")
    known = radii(len(intensity)) > 0.5 if known is None else known
    reach, size = len(intensity) // 2, phased_size(len(intensity))
    around = size // 2 - reach
    far = radii(size)
    measured = np.pad(known, around) | (far >= reach)
    amplitude = np.sqrt(np.maximum(np.pad(intensity, around), 0)) * (far < reach) * np.exp(-TAPER * (far / reach) ** 2)
    support = _first_support(amplitude**2)
    onto = _OntoAmplitudes.of(amplitude, measured, device or Device())
    rng = np.random.default_rng(seed)
    with ThreadPoolExecutor(threads) as pool:
        begun = (rng.random(support.shape, np.float32) * support for _ in range(starts))
        found = list(pool.map(partial(_phased_from, onto, iterations, support), begun))
        laid = [found[0], *pool.map(partial(laid_on, reference=found[0]), found[1:])]
    mean = np.asarray(np.mean(laid, axis=0, dtype=np.float64))
    spectrum = _amplitude_of(mean)
    one = np.mean([_amplitude_of(each.astype(np.float64)) for each in laid], axis=0)
    shell, shells = np.rint(far).astype(np.int64).reshape(-1), np.arange(1, reach)
    above, below = (np.bincount(shell, each.reshape(-1))[shells] for each in (spectrum, one))
    seen = measured & (far < reach)
    return Density(
        values=_centred(fft.fftshift(mean).astype(np.float32)),
        pitch=1 / (size * step),
        s=np.asarray(shells * step, np.float64),
        transfer=np.asarray(above / below),
        residual=float(np.abs(spectrum - amplitude)[seen].sum() / amplitude[seen].sum()),
    )


def phased_size(size: int) -> int:
    """Voxels a side of the density of an intensity of so many points a side: odd, and fast to transform.

    Examples
    --------
    >>> phased_size(23), phased_size(25)
    (25, 25)
    """
    while size != fft.next_fast_len(size):
        size += 2
    return size


def _amplitude_of(density: NDArray[np.float64]) -> NDArray[np.float64]:
    """Size of the transform of a density (m, m, m); index m // 2 is s = 0."""
    return np.asarray(np.abs(fft.fftshift(fft.fftn(density))))


def _first_support(intensity: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Half of the autocorrelation, which is twice as wide as the particle; index 0 is the middle."""
    far = fft.ifftshift(radii(len(intensity)))
    correlation = np.abs(fft.ifftn(fft.ifftshift(intensity)))
    # without the middle, which the beam stop hides, it dips below 0 around the particle
    wide = far[correlation > 0.03 * correlation.max()].max()
    return np.asarray(far <= max(2.0, 0.6 * min(wide, len(intensity) / 2)))


@dataclass(frozen=True, eq=False)
class _OntoAmplitudes:
    """Gives densities the measured amplitudes, where there are any.

    Attributes
    ----------
    amplitude : float32 (m, m, m // 2 + 1), half of what `rfftn` gives, on the device
    measured : bool (m, m, m // 2 + 1), on the device
    device : Device
    """

    amplitude: Any
    measured: Any
    device: Device

    @classmethod
    def of(cls, amplitude: NDArray[np.float64], measured: NDArray[np.bool_], device: Device) -> Self:
        """Take amplitudes (m, m, m), whose index m // 2 is s = 0, to a device."""
        half = (..., slice(amplitude.shape[-1] // 2 + 1))
        size = device.array(fft.ifftshift(amplitude.astype(np.float32))[half])
        return cls(size, device.array(fft.ifftshift(measured)[half]), device)

    def __call__(self, density: Any) -> Any:
        """Return the nearest density (m, m, m) of these amplitudes."""
        xp, fft = self.device.xp, self.device.fft
        spectrum = fft.rfftn(density, axes=AXES)
        size = xp.abs(spectrum)
        scale = xp.where(self.measured, self.amplitude, size) / xp.clip(size, LEAST, None)
        return fft.irfftn(spectrum * scale, s=density.shape, axes=AXES)


def _phased_from(onto: _OntoAmplitudes, iterations: int, support: NDArray[np.bool_], begun: Grid) -> Grid:
    """Phase from a density that was begun within the first support."""
    device, xp = onto.device, onto.device.xp
    x, inside = device.array(begun), device.array(support)
    nothing, refining = xp.zeros_like(x), int(iterations * (1 - REFINING))
    for i in range(iterations):
        projected = onto(x)
        if i and i % SHRINK_EVERY == 0:
            inside = _support(device, projected, SMEAR[0] + (SMEAR[1] - SMEAR[0]) * min(1.0, i / refining))
        if i < refining:
            kept = inside & (2 * projected - x > 0)
            x = xp.where(kept, projected, BETA * x + (1 - 2 * BETA) * projected)
        else:
            x = xp.where(inside & (projected > 0), projected, nothing)
    return device.host(xp.where(inside & (x > 0), x, nothing))


def _support(device: Device, density: Any, smear: float) -> Any:
    """Voxels where the smeared density is large."""
    smeared = device.smeared(device.xp.clip(density, 0.0, None), smear)
    return smeared > DENSE * device.xp.max(smeared)


def _centred(density: Grid) -> Grid:
    """Shift a density so that its middle lies in the middle of the grid, by whole voxels."""
    shift = []
    for axis in range(3):
        others = tuple(a for a in range(3) if a != axis)
        turn = np.exp(2j * np.pi * np.arange(len(density)) / len(density))
        middle = np.angle((density.sum(axis=others) * turn).sum()) / (2 * np.pi) * len(density)
        shift.append(round(len(density) // 2 - middle))
    return np.roll(density, shift, axis=(0, 1, 2))
