"""Features of shots by name: rows for estimators, made of binned images shot by shot."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from inspect import signature

import numpy as np

from xfeldask.errors import InputError, UnknownNameError
from xfeldask.features.autocorrelation import autocorrelation, lag_shape
from xfeldask.features.profiles import autocorrelation_profile, radial_profile
from xfeldask.features.rows import (
    Images,
    Rows,
    counts,
    fourier_crop,
    normalised,
    unit_root,
    variance_stabilised,
)
from xfeldask.physics.binning import ImageGrid


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


def _simple(function: Callable[[Images], Rows], units: str) -> Callable[[ImageGrid], Feature]:
    return lambda grid: Feature(function.__name__, grid.shape, units, function)


def _fourier_crop(grid: ImageGrid, n: int | None = None) -> Feature:
    n = min(128, *grid.shape) if n is None else n
    return Feature("fourier_crop", (n, n), "count", partial(fourier_crop, n=n))


def _autocorrelation(grid: ImageGrid) -> Feature:
    return Feature("autocorrelation", lag_shape(grid), "1", partial(autocorrelation, grid=grid))


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
