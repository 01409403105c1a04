"""Features of shots: rows for estimators, made of binned images shot by shot.

Rows do not know of one another: however shots are cut into batches, their bits are the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from inspect import signature
from typing import Any

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from xfeldask.errors import InputError, UnknownNameError
from xfeldask.physics.binning import ImageGrid

Images = NDArray[Any]
Rows = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Feature:
    """A feature made by `make_feature`; call it with images (shot, y, x) for float32 (shot, feature).

    Attributes
    ----------
    name : str
    shape : shape of one row when it is shown as an image, a profile, or (maximum, mean) profiles
    units : str
    function : callable, importable by workers
    """

    name: str
    shape: tuple[int, ...]
    units: str
    function: Callable[[Images], Rows]

    def __call__(self, images: Images) -> Rows:
        """Rows of images."""
        return self.function(images)


def counts(images: Images) -> Rows:
    """Photons of every bin, (shot, y * x) [count].

    Raises
    ------
    InputError
        Images that are not (shot, y, x), or hold anything but finite numbers of 0 and above; so do all features.

    Examples
    --------
    >>> counts(np.array([[[0, 3], [1, 0]]])).tolist()
    [[0.0, 3.0, 1.0, 0.0]]
    """
    if images.ndim != 3:
        raise InputError(f"images must have shape (shot, y, x), got {images.shape}")
    rows = np.ascontiguousarray(images, np.float32).reshape(len(images), images.shape[1] * images.shape[2])
    if images.dtype.kind != "u" and not ((rows >= 0) & (rows < np.inf)).all():
        raise InputError("images must hold finite numbers of photons, 0 or more; set bins without pixels to 0")
    return rows


def normalised(images: Images) -> Rows:
    """Photons of every bin over those of the shot, (shot, y * x); each row sums to 1, or is 0 without photons.

    Examples
    --------
    >>> normalised(np.array([[[0, 3], [1, 0]]])).tolist()
    [[0.0, 0.75, 0.25, 0.0]]
    """
    rows = counts(images)
    out = np.zeros(rows.shape, np.float32)
    # shot by shot: a sum over an axis may round by how many shots there are
    for row, share in zip(rows, out, strict=True):
        total = row.sum(dtype=np.float64)
        if total > 0:
            np.divide(row, total, out=share, casting="same_kind")
    return out


def variance_stabilised(images: Images) -> Rows:
    """Counts n of nearly equal variance, 2 sqrt(n + 3/8) less its value at 0, (shot, y * x).

    Notes
    -----
    F. J. Anscombe, Biometrika 35, 246 (1948): the variance of a Poisson count is then 1, for means above about 4.

    Examples
    --------
    >>> variance_stabilised(np.array([[[0, 10]]])).round(3)
    array([[0.   , 5.217]], dtype=float32)
    """
    offset = np.float32(0.375)
    return np.asarray(np.float32(2) * (np.sqrt(counts(images) + offset) - np.sqrt(offset)))


def unit_root(images: Images) -> Rows:
    """Square root of the counts, of norm 1, (shot, y * x); 0 without photons.

    Examples
    --------
    >>> unit_root(np.array([[[9, 16]]]))
    array([[0.6, 0.8]], dtype=float32)
    """
    return np.asarray(np.sqrt(normalised(images)))


def fourier_crop(images: Images, n: int) -> Rows:
    """Images brought to n x n by keeping their n x n lowest frequencies, (shot, n * n) [count].

    Sums are kept; of an even n the frequency -n/2 is kept and n/2 is not, and the real part is taken.

    Raises
    ------
    InputError
        An n below 1 or above a side of the images.

    Examples
    --------
    >>> fourier_crop(np.ones((1, 4, 6)), 2).round(6).tolist()
    [[6.0, 6.0, 6.0, 6.0]]
    """
    rows = counts(images)
    shape = images.shape[1:]
    if not 1 <= n <= min(shape):
        raise InputError(f"images of {shape[0]} x {shape[1]} are cropped to 1 to {min(shape)} a side, got {n}")
    low = np.r_[0 : (n + 1) // 2, -(n // 2) : 0]
    out = np.empty((len(rows), n * n), np.float32)
    for row, kept in zip(rows, out, strict=True):
        spectrum = scipy.fft.fft(scipy.fft.fft(row.reshape(shape), axis=1)[:, low], axis=0)[low]
        kept[:] = scipy.fft.ifft2(spectrum).real.reshape(-1)
    return out


def autocorrelation_lags(grid: ImageGrid) -> NDArray[np.float64]:
    """Lags (x, y) of `autocorrelation`, float64 (row, column, 2) [m].

    A(-r) = A(r), so columns begin at lag 0; rows have it in their middle. Both end just below 1 / (2 step). One lag
    is half of 1/extent of the image, or as much less as makes the padded length a fast one to transform.

    Examples
    --------
    >>> from xfeldask.physics.binning import image_grid
    >>> from xfeldask.physics.detectors import square
    >>> lags = autocorrelation_lags(image_grid(square(100, 1e-3, 0.1), 1e-10, 1))
    >>> lags.shape, (lags[0, 1] * 1e9).round(3).tolist()
    ((199, 100, 2), [-4.95, 0.05])
    """
    (rows, columns), step = _lag_shape(grid), 1 / (grid.step * _padded(grid))
    return np.stack(
        np.meshgrid((np.arange(rows) - rows // 2) * step[0], np.arange(columns) * step[1], indexing="ij"), -1
    )


def autocorrelation(images: Images, grid: ImageGrid) -> Rows:
    """Patterson map of each shot over its photons, (shot, row * column) of `autocorrelation_lags`.

    A(r) = sum_s n(s) cos(2 pi r.s) / sum_s n(s) over the bins that have pixels, s = ``step * (index - center)``.
    Two particles at a distance d in projection give a peak at r = d.

    Raises
    ------
    InputError
        Images that do not fit the grid.

    Examples
    --------
    >>> from xfeldask.physics.binning import image_grid
    >>> from xfeldask.physics.detectors import square
    >>> grid = image_grid(square(3, 1e-3, 0.1), 1e-10, 1)
    >>> autocorrelation(np.ones((1, 3, 3)), grid).reshape(5, 3)[2:].round(3) + 0.0
    array([[1.   , 0.667, 0.   ],
           [0.667, 0.444, 0.   ],
           [0.   , 0.   , 0.   ]], dtype=float32)
    """
    rows = normalised(_good(images, grid))
    out = np.empty((len(rows), *_lag_shape(grid)), np.float32)
    for shot, lags in enumerate(_patterson_maps(rows, grid)):
        out[shot] = lags
    return out.reshape(len(rows), out.shape[1] * out.shape[2])


def _padded(grid: ImageGrid) -> tuple[int, int]:
    y, x = (scipy.fft.next_fast_len(2 * n) for n in grid.shape)
    return y, x


def _lag_shape(grid: ImageGrid) -> tuple[int, int]:
    y, x = _padded(grid)
    return 2 * ((y + 1) // 2) - 1, (x + 1) // 2


def _patterson_maps(rows: Rows, grid: ImageGrid) -> Iterator[Rows]:
    (y, x), columns = _padded(grid), _lag_shape(grid)[1]
    # the beam's place turns the phases
    down, across = np.fft.fftfreq(y)[:, None] * grid.center[0], np.fft.rfftfreq(x)[:columns] * grid.center[1]
    phase = (np.exp(2j * np.pi * down) * np.exp(2j * np.pi * across)).astype(np.complex64)
    for row in rows:
        f = scipy.fft.fft(scipy.fft.rfft(row.reshape(grid.shape), x, axis=1)[:, :columns], y, axis=0)
        f *= phase
        # negative lags come last, and before them the one of both signs where the length is even
        yield np.concatenate([f.real[y // 2 + 1 :], f.real[: (y + 1) // 2]])


def lag_edges(grid: ImageGrid, n_rings: int) -> NDArray[np.float64]:
    """Radii between the rings of `autocorrelation_profile`, float64 (n_rings + 1,) [m].

    Raises
    ------
    InputError
        Rings narrower than a lag, or none.

    Examples
    --------
    >>> from xfeldask.physics.binning import image_grid
    >>> from xfeldask.physics.detectors import square
    >>> (lag_edges(image_grid(square(100, 1e-3, 0.1), 1e-10, 1), 3) * 1e9).round(3).tolist()
    [0.0, 1.65, 3.3, 4.95]
    """
    if not 1 <= n_rings < min(grid.shape):
        raise InputError(f"the lags of {grid.shape} bins make 1 to {min(grid.shape) - 1} rings, got {n_rings}")
    lags = autocorrelation_lags(grid)
    return np.linspace(0, lags[-1, -1].min(), n_rings + 1)


def autocorrelation_profile(images: Images, grid: ImageGrid, n_rings: int) -> Rows:
    """Maximum, then mean, of `autocorrelation` over rings of equal width, (shot, 2 * n_rings).

    The rings fill the largest circle of lags; see `lag_edges`.

    Examples
    --------
    >>> from xfeldask.physics.binning import image_grid
    >>> from xfeldask.physics.detectors import square
    >>> autocorrelation_profile(np.ones((1, 9, 9)), image_grid(square(9, 1e-3, 0.1), 1e-10, 1), 2).shape
    (1, 4)
    """
    distance = np.linalg.norm(autocorrelation_lags(grid), axis=-1)
    ring = _ring(distance.reshape(-1), lag_edges(grid, n_rings))
    order = np.argsort(ring, kind="stable")[: np.count_nonzero(ring < n_rings)]
    first, size = np.searchsorted(ring[order], np.arange(n_rings)), np.bincount(ring[order])
    rows = normalised(_good(images, grid))
    out = np.empty((len(rows), 2, n_rings), np.float32)
    for shot, lags in enumerate(_patterson_maps(rows, grid)):
        by_ring = lags.reshape(-1)[order]
        out[shot, 0] = np.maximum.reduceat(by_ring, first)
        out[shot, 1] = np.add.reduceat(by_ring, first, dtype=np.float64) / size
    return out.reshape(len(rows), 2 * n_rings)


def s_edges(grid: ImageGrid, n_rings: int) -> NDArray[np.float64]:
    """Radii between the rings of `radial_profile`, float64 (n_rings + 1,) [1/m].

    Raises
    ------
    InputError
        No ring.

    Examples
    --------
    >>> from xfeldask.physics.binning import image_grid
    >>> from xfeldask.physics.detectors import square
    >>> (s_edges(image_grid(square(9, 1e-3, 0.1), 1e-10, 1), 2) / 1e6).round().tolist()
    [0.0, 282.0, 565.0]
    """
    if n_rings < 1:
        raise InputError(f"a profile has at least 1 ring, got {n_rings}")
    return np.linspace(0, float(np.linalg.norm(grid.s[grid.weight > 0], axis=-1).max()), n_rings + 1)


def radial_profile(images: Images, grid: ImageGrid, n_rings: int) -> Rows:
    """Photons over `weight` of the bins in rings of abs(s) of equal width, (shot, n_rings) [count].

    Rings without good bins are 0.

    Examples
    --------
    >>> from xfeldask.physics.binning import image_grid
    >>> from xfeldask.physics.detectors import square
    >>> radial_profile(np.full((1, 9, 9), 7.0), image_grid(square(9, 1e-3, 0.1), 1e-10, 1), 2).tolist()
    [[7.0, 7.0]]
    """
    ring = _ring(np.linalg.norm(grid.s, axis=-1).reshape(-1), s_edges(grid, n_rings)).clip(max=n_rings - 1)
    weight = np.bincount(ring, grid.weight.reshape(-1), n_rings)
    rows = counts(_good(images, grid))
    out = np.empty((len(rows), n_rings), np.float32)
    for shot, row in enumerate(rows):
        out[shot] = np.bincount(ring, row, n_rings) / np.where(weight > 0, weight, 1)
    return out


def _ring(radius: NDArray[np.float64], edges: NDArray[np.float64]) -> NDArray[np.int64]:
    # rounding puts no radius on the wrong side of its edge; what lies outside gets the number of rings
    inner, outer = edges[:-1] * (1 - 1e-9), edges[-1] * (1 + 1e-9)
    return np.where(radius > outer, len(inner), np.searchsorted(inner, radius, side="right") - 1)


def _good(images: Images, grid: ImageGrid) -> Images:
    if images.shape[1:] != grid.shape:
        raise InputError(f"images of shape (shot, y, x) must fit the grid's {grid.shape}, got {images.shape}")
    return images * (grid.weight > 0)


def _simple(function: Callable[[Images], Rows], units: str) -> Callable[[ImageGrid], Feature]:
    return lambda grid: Feature(function.__name__, grid.shape, units, function)


def _fourier_crop(grid: ImageGrid, n: int | None = None) -> Feature:
    n = min(128, *grid.shape) if n is None else n
    return Feature("fourier_crop", (n, n), "count", partial(fourier_crop, n=n))


def _autocorrelation(grid: ImageGrid) -> Feature:
    return Feature("autocorrelation", _lag_shape(grid), "1", partial(autocorrelation, grid=grid))


def _autocorrelation_profile(grid: ImageGrid, n_rings: int | None = None) -> Feature:
    n = min(grid.shape) // 2 if n_rings is None else n_rings
    return Feature("autocorrelation_profile", (2, n), "1", partial(autocorrelation_profile, grid=grid, n_rings=n))


def _radial_profile(grid: ImageGrid, n_rings: int | None = None) -> Feature:
    n = max(1, min(grid.shape) // 2) if n_rings is None else n_rings
    return Feature("radial_profile", (n,), "count", partial(radial_profile, grid=grid, n_rings=n))


FEATURES: dict[str, Callable[..., Feature]] = {
    "counts": _simple(counts, "count"),
    "normalised": _simple(normalised, "1"),
    "variance_stabilised": _simple(variance_stabilised, "1"),
    "unit_root": _simple(unit_root, "1"),
    "fourier_crop": _fourier_crop,
    "autocorrelation": _autocorrelation,
    "autocorrelation_profile": _autocorrelation_profile,
    "radial_profile": _radial_profile,
}
"""Makers of features by name, called with a grid and the options of the feature."""


def make_feature(name: str, grid: ImageGrid, **options: int) -> Feature:
    """A feature by name.

    Parameters
    ----------
    name : a key of `FEATURES`
    grid : ImageGrid, of the images that it will be called with
    options : ``n`` of `fourier_crop` (128, or the smaller side), ``n_rings`` of profiles (half the smaller side)

    Raises
    ------
    UnknownNameError
        Any other name.
    InputError
        An option that the feature does not take, or a value that does not fit the grid.

    Examples
    --------
    >>> from xfeldask.physics.binning import image_grid
    >>> from xfeldask.physics.detectors import square
    >>> feature = make_feature("autocorrelation_profile", image_grid(square(64, 1e-3, 0.1), 1e-10, 1), n_rings=20)
    >>> feature.shape, feature(np.zeros((5, 64, 64))).shape
    ((2, 20), (5, 40))
    """
    if name not in FEATURES:
        raise UnknownNameError("feature", name, FEATURES)
    taken = list(signature(FEATURES[name]).parameters)[1:]
    if not options.keys() <= set(taken):
        told = " and ".join(taken) or "no options"
        raise InputError(f"the feature {name!r} takes {told}, got {', '.join(options)}")
    feature = FEATURES[name](grid, **options)
    # no shots at all tell whether the options fit
    feature(np.zeros((0, *grid.shape), np.uint16))
    return feature
