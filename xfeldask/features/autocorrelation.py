"""Patterson maps of shots: what distances there are within the particles, and between them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import scipy
from numpy.typing import NDArray

from xfeldask.features.rows import Images, Rows, good, normalised
from xfeldask.physics.binning import ImageGrid


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
    ((199, 100, 2), [0.05, -4.95])
    """
    (rows, columns), step = lag_shape(grid), 1 / (grid.step * _padded(grid))
    return np.stack(np.meshgrid(np.arange(columns) * step[1], (np.arange(rows) - rows // 2) * step[0]), -1)


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
    rows = normalised(good(images, grid))
    out = np.empty((len(rows), *lag_shape(grid)), np.float32)
    for shot, lags in enumerate(patterson_maps(rows, grid)):
        out[shot] = lags
    return out.reshape(len(rows), out.shape[1] * out.shape[2])


def lag_shape(grid: ImageGrid) -> tuple[int, int]:
    """Rows and columns of `autocorrelation_lags`.

    Examples
    --------
    >>> from xfeldask.physics.binning import image_grid
    >>> from xfeldask.physics.detectors import square
    >>> lag_shape(image_grid(square(8, 1e-3, 0.1), 1e-10, 1))
    (15, 8)
    """
    y, x = _padded(grid)
    return 2 * ((y + 1) // 2) - 1, (x + 1) // 2


def patterson_maps(rows: Rows, grid: ImageGrid) -> Iterator[Rows]:
    """Sum of cos(2 pi r.s) over the bins of each row, (row, column) of `autocorrelation_lags`.

    Examples
    --------
    >>> from xfeldask.physics.binning import image_grid
    >>> from xfeldask.physics.detectors import square
    >>> grid = image_grid(square(4, 1e-3, 0.1), 1e-10, 1)
    >>> lags = next(patterson_maps(np.ones((1, 16), np.float32), grid))
    >>> # the lag of 0, in the middle of the first column, has the sum of all bins
    >>> lags.shape, round(float(lags[3, 0]), 3)
    ((7, 4), 16.0)
    """
    (y, x), columns = _padded(grid), lag_shape(grid)[1]
    # the beam's place turns the phases
    down, across = np.fft.fftfreq(y)[:, None] * grid.center[0], np.fft.rfftfreq(x)[:columns] * grid.center[1]
    phase = (np.exp(2j * np.pi * down) * np.exp(2j * np.pi * across)).astype(np.complex64)
    for row in rows:
        f = scipy.fft.fft(scipy.fft.rfft(row.reshape(grid.shape), x, axis=1)[:, :columns], y, axis=0)
        f *= phase
        # negative lags come last, and before them the one of both signs where the length is even
        yield np.concatenate([f.real[y // 2 + 1 :], f.real[: (y + 1) // 2]])


def _padded(grid: ImageGrid) -> tuple[int, int]:
    y, x = (scipy.fft.next_fast_len(2 * n) for n in grid.shape)
    return y, x
