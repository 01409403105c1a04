"""From what a detector gave, in analogue-to-digital units (ADU), to photons."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xfeldask.config import CommonMode
from xfeldask.config.photonize import THRESHOLD
from xfeldask.errors import InputError
from xfeldask.physics.detectors import follows_pixels
from xfeldask.physics.jit import kernel

WINDOW = 0.5
"""Photons around the level of a group in which its dark pixels are sought."""
FEWEST = 8
"""Dark pixels of a group by which its level is told; groups with fewer stay as they are."""
LOW, HIGH, BINS = -2.0, 6.0, 400
"""Range of the histogram [photons] and its bins."""
_STEPS = 100
"""Bins in which the level of a group is sought."""
_SPARSE = 8
"""One pixel in so many tells roughly where the level is, before all of them tell exactly."""


@dataclass(frozen=True, eq=False)
class Correction:
    """How ADU become photons; make it by `make_correction`, which checks it.

    Attributes
    ----------
    gain : float32 (panel, ss, fs), ADU of a photon in each pixel; NaN where it or the dark is unknown: a bad pixel
    dark : float32 (panel, ss, fs), ADU of no photon
    block : rows and columns of a group of pixels that share a common mode; (0, 0) where there is none
    threshold : float, photons from which one is counted

    Examples
    --------
    >>> correction = make_correction((1, 1, 3), gain=8.0, dark=np.full((1, 1, 3), 100.0))
    >>> leveled(np.array([[[100.0, 108, 116]]]), correction, np.ones((1, 1, 3), bool)).tolist()
    [[[0.0, 1.0, 2.0]]]
    """

    gain: NDArray[np.float32]
    dark: NDArray[np.float32]
    block: tuple[int, int]
    threshold: float


class Photonized(NamedTuple):
    """What `photonize` returns.

    Attributes
    ----------
    photons : uint32 (shot, panel, ss, fs); 0 where a pixel is bad
    bad : bool (shot, panel, ss, fs), pixels that gave no finite number
    histogram : int64 (bin,), how often good pixels had how many photons, not rounded; see `histogram_centers`

    Examples
    --------
    >>> found = photonize([[[[0.0, 8.4, 17.0, np.nan]]]], gain=8.0)
    >>> found.photons.tolist(), found.bad.tolist(), int(found.histogram.sum())
    ([[[[0, 1, 2, 0]]]], [[[[False, False, False, True]]]], 3)
    """

    photons: NDArray[np.uint32]
    bad: NDArray[np.bool_]
    histogram: NDArray[np.int64]


def make_correction(
    shape: tuple[int, int, int],
    gain: ArrayLike,
    dark: ArrayLike | None = None,
    common_mode: CommonMode = "none",
    asic: tuple[int, int] | None = None,
    threshold: float = THRESHOLD,
) -> Correction:
    """Check how ADU are to become photons.

    Parameters
    ----------
    shape : (panel, ss, fs) of the detector
    gain : ADU of a photon, one number or one for each pixel
    dark : ADU of no photon, for each pixel; 0 by default. Pixels of no finite dark or no finite, positive gain are bad
    common_mode : what pixels share one: "none", "row", "half_row", or "asic", of `asic` rows and columns
    asic : rows and columns of an ASIC
    threshold : photons from which one is counted

    Raises
    ------
    InputError
        A gain that is not positive, of all pixels or of each, arrays of another shape, an unknown common mode.

    Examples
    --------
    >>> make_correction((1, 4, 6), 8.0, common_mode="half_row").block
    (1, 3)
    """
    if common_mode not in get_args(CommonMode):
        raise InputError(f"common_mode is one of {', '.join(get_args(CommonMode))}, got {common_mode!r}")
    if common_mode == "asic" and (asic is None or min(asic) < 1):
        raise InputError(f"the common mode of ASICs needs their rows and columns, got asic={asic}")
    if not 0 < threshold <= 1:
        raise InputError(f"one photon is counted from a threshold above 0 and up to 1 photon, got {threshold}")
    gains, darks = (np.asarray(a, np.float64) for a in (gain, 0.0 if dark is None else dark))
    for name, values in (("gain", gains), ("dark", darks)):
        if values.ndim and not follows_pixels(values.shape, shape):
            raise InputError(f"the {name} has the shape {values.shape}, the detector {shape}; give one for each pixel")
    if not gains.ndim and not 0 < gains < np.inf:
        raise InputError(f"the gain is the ADU of a photon, finite and positive, got {gains}")
    if not darks.ndim and not np.isfinite(darks):
        raise InputError(f"the dark is the ADU of no photon and finite, got {darks}")
    columns = {"none": 0, "row": shape[2], "half_row": -(-shape[2] // 2), "asic": 0 if asic is None else asic[1]}
    rows = asic[0] if common_mode == "asic" and asic is not None else int(common_mode != "none")
    gains, darks = (np.broadcast_to(a if a.ndim == 0 else a.reshape(shape), shape) for a in (gains, darks))
    known = (gains > 0) & (gains < np.inf) & np.isfinite(darks)
    if not known.any():
        raise InputError("no pixel has a finite, positive gain and a finite dark; photonize needs both of good pixels")
    full = [np.where(known, a, unknown).astype(np.float32) for a, unknown in ((gains, np.nan), (darks, 0.0))]
    return Correction(full[0], full[1], (rows, columns[common_mode]), threshold)


def photonize(
    adu: ArrayLike,
    *,
    gain: ArrayLike,
    dark: ArrayLike | None = None,
    common_mode: CommonMode = "none",
    asic: tuple[int, int] | None = None,
    threshold: float = THRESHOLD,
    mask: ArrayLike | None = None,
) -> Photonized:
    """Turn ADU into photons.

    The dark is subtracted, and what is left divided by the gain; then, from each group of pixels, its level is
    subtracted: the median of those within half a photon of it, which are dark ones wherever it is bright (found in
    three rounds, in bins of a hundredth of a photon). The rest is rounded, and below the threshold there is no photon.

    Parameters
    ----------
    adu : numbers (shot, panel, ss, fs)
    gain, dark, common_mode, asic, threshold : as of `make_correction`
    mask : (panel, ss, fs), true where a pixel is good; others tell nothing of levels, and hold no photon

    Returns
    -------
    Photonized

    Raises
    ------
    InputError
        Frames of another shape, or values that cannot be.

    Examples
    --------
    >>> photonize([[[[0.3, 8.1, 5.0, np.inf, 15.0, -0.4]]]], gain=8).photons.tolist()
    [[[[0, 1, 0, 0, 2, 0]]]]
    """
    values = np.ascontiguousarray(adu, np.float32)
    if values.ndim != 4:
        raise InputError(f"ADU have the shape {values.shape}; give frames (shot, panel, ss, fs)")
    _, panels, rows, columns = values.shape
    correction = make_correction((panels, rows, columns), gain, dark, common_mode, asic, threshold)
    return corrected(values, correction, mask)


def corrected(adu: NDArray[Any], correction: Correction, mask: ArrayLike | None = None) -> Photonized:
    """Turn ADU (shot, panel, ss, fs) into photons as a correction says; see `photonize`.

    Raises
    ------
    InputError
        Frames of another shape.

    Examples
    --------
    >>> correction = make_correction((1, 1, 3), gain=10.0)
    >>> corrected(np.array([[[[1.0, 11, 20]]]]), correction).photons.tolist()
    [[[[0, 1, 2]]]]
    """
    values = np.ascontiguousarray(adu, np.float32)
    shape: tuple[int, int, int] = correction.gain.shape
    if values.shape[1:] != shape:
        raise InputError(f"ADU have the shape {values.shape}, the detector is {shape}; give (shot, panel, ss, fs)")
    good = np.ones(shape, np.bool_) if mask is None else np.ascontiguousarray(mask, np.bool_)
    if not follows_pixels(good.shape, shape):
        raise InputError(f"the mask has the shape {good.shape}, the detector {shape}; give one for each pixel")
    good = good.reshape(shape)
    photons, bad = np.zeros(values.shape, np.uint32), np.zeros(values.shape, np.bool_)
    histogram = np.zeros(BINS, np.int64)
    for shot, out, wrong in zip(values, photons, bad, strict=True):
        left = leveled(shot, correction, good)
        _count(left.ravel(), good.ravel(), correction.threshold, out.ravel(), wrong.ravel(), histogram)
    return Photonized(photons, bad, histogram)


def histogram_centers() -> NDArray[np.float64]:
    """Middles of the histogram's bins, float64 (bin,) [photons].

    Examples
    --------
    >>> centers = histogram_centers()
    >>> len(centers), centers[[0, -1]].round(3).tolist()
    (400, [-1.99, 5.99])
    """
    edges = np.linspace(LOW, HIGH, BINS + 1)
    return np.asarray((edges[:-1] + edges[1:]) / 2)


def bad_pixels(adu: ArrayLike, correction: Correction, mask: ArrayLike) -> NDArray[np.bool_]:
    """Pixels that are bad throughout, from some frames, bool (panel, ss, fs).

    Those that give no finite number in more than half of the frames, and those that lie further below the level of
    no photon than half a photon in at least two frames and a fifth of them: photons add, they never take away.

    Parameters
    ----------
    adu : numbers (shot, panel, ss, fs)
    correction : Correction
    mask : (panel, ss, fs), true where a pixel is good as far as is known

    Examples
    --------
    >>> # the second pixel gives nothing, the third too little
    >>> adu = np.array([[[[0.0, np.nan, -9.0]]]] * 5)
    >>> bad_pixels(adu, make_correction((1, 1, 3), gain=10.0), np.ones((1, 1, 3), bool)).tolist()
    [[[False, True, True]]]
    """
    values = np.ascontiguousarray(adu, np.float32)
    good = np.asarray(mask, np.bool_)
    gone, below = np.zeros(values.shape[1:], np.int64), np.zeros(values.shape[1:], np.int64)
    for shot in values:
        left = leveled(shot, correction, good)
        gone += ~np.isfinite(left)
        below += np.nan_to_num(left) < -WINDOW
    n = len(values)
    return np.asarray((gone > n / 2) | ((below >= 2) & (below >= n / 5)))


def leveled(adu: NDArray[np.floating[Any]], correction: Correction, mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Frame (panel, ss, fs) without its dark and the levels of its groups, float32 [photons].

    Examples
    --------
    >>> # a row that was read too high by 3 ADU, with a photon of 10 in it
    >>> row = np.full((1, 1, 256), 3.0)
    >>> row[0, 0, 7] += 10
    >>> correction = make_correction(row.shape, gain=10.0, common_mode="row")
    >>> (leveled(row, correction, np.ones(row.shape, bool))[0, 0, 6:9].round(1) + 0).tolist()
    [0.0, 1.0, 0.0]
    """
    out = (np.asarray(adu, np.float32) - correction.dark) / correction.gain
    rows, columns = correction.block
    if rows:
        _subtract_levels(out, mask, rows, columns)
    return out


@kernel
def _level(values: NDArray[np.float32], good: NDArray[np.bool_], counts: NDArray[np.int64]) -> float:
    """Level of a group of pixels (row, column) [photons]: the median of the dark ones."""
    level = np.float32(0.0)
    scale = np.float32(_STEPS / (2 * WINDOW))
    for stride in (_SPARSE, _SPARSE, 1):
        counts[:] = 0
        n = 0
        start = level - np.float32(WINDOW)
        for i in range(values.shape[0]):
            for j in range(0, values.shape[1], stride):
                place = (values[i, j] - start) * scale
                # not true of what is not finite either
                if good[i, j] and 0 <= place < _STEPS:
                    counts[int(place)] += 1
                    n += 1
        if n * stride < FEWEST:
            return 0.0
        below = 0
        for step in range(_STEPS):
            if 2 * (below + counts[step]) >= n:
                inside = (n / 2 - below) / counts[step]
                level = np.float32(start + (step + inside) / scale)
                break
            below += counts[step]
    return float(level)


@kernel
def _subtract_levels(values: NDArray[np.float32], good: NDArray[np.bool_], rows: int, columns: int) -> None:
    counts = np.zeros(_STEPS, np.int64)
    for p in range(values.shape[0]):
        for i in range(0, values.shape[1], rows):
            for j in range(0, values.shape[2], columns):
                part = values[p, i : i + rows, j : j + columns]
                level = np.float32(_level(part, good[p, i : i + rows, j : j + columns], counts))
                for a in range(part.shape[0]):
                    for b in range(part.shape[1]):
                        part[a, b] -= level


@kernel
def _count(
    values: NDArray[np.float32],
    good: NDArray[np.bool_],
    threshold: float,
    photons: NDArray[np.uint32],
    bad: NDArray[np.bool_],
    histogram: NDArray[np.int64],
) -> None:
    """Photons of the pixels of a frame, its bad pixels, and its share of the histogram."""
    low, high, scale = np.float32(LOW), np.float32(HIGH), np.float32(BINS / (HIGH - LOW))
    least = np.float32(threshold)
    for i in range(values.size):
        n = values[i]
        if not np.isfinite(n):
            bad[i] = True
        elif good[i]:
            if low <= n < high:
                histogram[int((n - low) * scale)] += 1
            if n >= least:
                photons[i] = min(max(1.0, np.floor(n + 0.5)), 4294967295.0)
