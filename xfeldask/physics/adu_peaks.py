"""The peaks of no and of one photon in the histogram of a detector that was photonized."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xfeldask.physics.photonizing import histogram_centers


class Peaks(NamedTuple):
    """Where the peaks of a histogram are; NaN where none is seen.

    Attributes
    ----------
    zero, zero_width : float, middle and standard deviation of the peak of no photon [photons]
    one, one_width : float, of the peak of one photon [photons]

    Examples
    --------
    >>> peaks = Peaks(0.0, 0.15, 1.02, 0.16)
    >>> peaks.one
    1.02
    """

    zero: float
    zero_width: float
    one: float
    one_width: float


def fit_peaks(histogram: ArrayLike) -> Peaks:
    """Fit Gaussian tops to the peaks of no and of one photon: parabolas through the logarithm of counts.

    The peak of one photon is sought from 0.6 to 1.5 photons; if the gain is right it lies at 1.

    Examples
    --------
    >>> x = histogram_centers()
    >>> counts = 1e6 * np.exp(-(x - 0.02)**2 / 0.02) + 1e5 * np.exp(-(x - 1.1)**2 / 0.03)
    >>> [round(value, 2) for value in fit_peaks(counts)]
    [0.02, 0.1, 1.1, 0.12]
    """
    counts, x = np.asarray(histogram, np.float64), histogram_centers()
    return Peaks(*_top(x, counts, -0.5, 0.5), *_top(x, counts, 0.6, 1.5))


def _top(x: NDArray[np.float64], counts: NDArray[np.float64], low: float, high: float) -> tuple[float, float]:
    """Middle and standard deviation of the highest peak between two places, by what is above half its height."""
    inside = (x >= low) & (x <= high)
    at, n = x[inside], counts[inside]
    smooth = np.convolve(np.pad(n, 2, "edge"), np.ones(5) / 5, "valid")
    top = int(smooth.argmax())
    # at the edge there is a slope and no peak
    if n.sum() < 100 or not 2 < top < len(n) - 3:
        return np.nan, np.nan
    half = smooth >= smooth[top] / 2
    first, last = top, top
    while first > 0 and half[first - 1]:
        first -= 1
    while last < len(n) - 1 and half[last + 1]:
        last += 1
    used = slice(first, last + 1)
    if last - first < 2 or (n[used] <= 0).any():
        return np.nan, np.nan
    square, slope, _ = np.polyfit(at[used] - at[top], np.log(n[used]), 2, w=np.sqrt(n[used]))
    if square >= 0:
        return np.nan, np.nan
    return float(at[top] - slope / (2 * square)), float(np.sqrt(-1 / (2 * square)))
