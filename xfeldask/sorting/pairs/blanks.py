"""Which shots hold nothing but background, told by the shots themselves."""

from __future__ import annotations

from contextlib import suppress

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from xfeldask.errors import InputError
from xfeldask.physics.binning import ImageGrid
from xfeldask.sorting.pairs.batches import Images
from xfeldask.sorting.pairs.networks import HIT
from xfeldask.sorting.pairs.window import Window, checked, excess, find_window

DIMMEST = (0.25, 0.04)
"""Fractions of the shots, the dimmest, that are taken for blanks at first, one after the other."""
LEAST_BLANKS = 30
TURNS = 10
SAME = 0.002
"""Fraction of the shots that may still change sides when blanks have been found."""
ALIKE = 1.0
"""Largest spread of the excess of blanks, in units of counting noise; that of dim hits is larger: they differ."""
WIDE = 3.0
"""Standard deviation of the filter, in bins, under which backgrounds are compared with all shots."""
LEAST_LIT = 0.1
"""Fraction of the background's photons that lie where particles scatter the least."""
ADVICE = "say which are (--where), measure it on the single hits (hits), or give it as a file"


def find_blanks(images: Images, grid: ImageGrid) -> tuple[NDArray[np.bool_], Window]:
    """Find the shots that are nothing but background, whatever its shape is.

    Parameters
    ----------
    images : (shot, y, x), `low_q`
    grid : ImageGrid, of `low_q`

    Returns
    -------
    blank : bool (shot,)
    window : Window, by which other shots are told

    Raises
    ------
    InputError
        The shots do not tell, as where there are no blanks, or no hits.

    Notes
    -----
    The dimmest shots give a first background, which is then made of all shots that hold no more than that and counting
    noise (`xfeldask.sorting.pairs.window.excess`), until these stay the same. Dim hits would pass for blanks in a run
    that has none of them; but what they hold beyond their mean differs by more than counting noise does.

    Examples
    --------
    >>> from xfeldask.physics.binning import low_q_grid
    >>> from xfeldask.physics.detectors import square
    >>> grid = low_q_grid(square(32, 1e-3, 0.1), 1e-10)
    >>> radius, rng = np.hypot(*(np.indices(grid.shape) - 15.5)), np.random.default_rng(0)
    >>> ring, particle = np.exp(-((radius - 8) ** 2) / 4), 3 * np.exp(-((radius / 4) ** 2))
    >>> fluence = np.where(np.arange(400) < 150, 0, rng.gamma(4, 1, 400))
    >>> images = rng.poisson(rng.gamma(4, 0.25, (400, 1, 1)) * ring + fluence[:, None, None] * particle)
    >>> blank, _ = find_blanks(images, grid)
    >>> int(blank.sum()), bool(blank[:150].all())
    (150, True)
    """
    images = checked(images, grid.shape)
    order = np.argsort(images.sum(axis=(1, 2), dtype=np.float64), kind="stable")
    for part in DIMMEST:
        dim = np.zeros(len(images), bool)
        dim[order[: max(LEAST_BLANKS, round(part * len(images)))]] = True
        # of hits alone nothing may be left
        with suppress(InputError):
            blank, window, above = _grown(images, grid, dim)
            if LEAST_BLANKS <= blank.sum() < len(blank) and above[blank].std() < ALIKE:
                return blank, window
    raise InputError(f"the {len(images)} shots do not tell which of them are blank; {ADVICE}")


def _grown(
    images: Images, grid: ImageGrid, blank: NDArray[np.bool_]
) -> tuple[NDArray[np.bool_], Window, NDArray[np.float64]]:
    """Blanks, the window and the excess of all shots, from the first blanks on until they stay the same."""
    mean = images.mean(axis=0)
    for _ in range(TURNS):
        window = find_window(images, grid, _leveled(images[blank].mean(axis=0), mean))
        above = excess(images, window)
        before, blank = blank, above <= HIT
        if not blank.any() or (blank != before).mean() < SAME:
            break
    return blank, window, above


def _leveled(background: NDArray[np.float64], mean: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scale a background (y, x) to the mean of all shots in the bins with the least scattering from particles."""
    under, whole = (gaussian_filter(image, WIDE) for image in (background, mean))
    order = np.argsort((whole / np.maximum(under, 1e-9)).ravel())
    place = np.searchsorted(np.cumsum(under.ravel()[order]), LEAST_LIT * under.sum())
    return background * float((whole / np.maximum(under, 1e-9)).ravel()[order[place]])
