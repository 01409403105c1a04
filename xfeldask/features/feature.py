"""Features of shots: rows for estimators, made of binned images shot by shot. Found by name; users add their own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from inspect import Parameter, signature
from typing import Any, Protocol

import numpy as np

from xfeldask.errors import InputError
from xfeldask.features.autocorrelation import autocorrelation, lag_shape
from xfeldask.features.own import own_feature
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
from xfeldask.registry import Registry


class Feature(Protocol):
    """Rows of numbers from images.

    Rows do not know of one another: however shots are cut into batches, theirs are the same. Workers get a pickled
    copy, so what it holds should be small.

    Examples
    --------
    >>> from xfeldask.physics.binning import image_grid
    >>> from xfeldask.physics.detectors import square
    >>> feature = make_feature("counts", image_grid(square(4, 1e-3, 0.1), 1e-10, 1))
    >>> feature.name, feature.shape, feature.units
    ('counts', (4, 4), 'count')
    """

    @property
    def name(self) -> str:
        """What it is called in a store."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of a row when it is shown, of an image (y, x), a profile (n,), several profiles (k, n)."""

    @property
    def units(self) -> str:
        """Unit of the numbers, CF style; "1" for pure numbers."""

    def __call__(self, images: Images, /) -> Rows:
        """Compute float32 (shot, feature) from photon counts (shot, y, x)."""


@dataclass(frozen=True, eq=False)
class ImageFeature:
    """A feature of this package, by a function that workers can import.

    Attributes
    ----------
    name : str
    shape : tuple of int
    units : str
    function : callable, images (shot, y, x) to float32 (shot, feature)

    Examples
    --------
    >>> total = ImageFeature("total", (1,), "count", lambda images: images.sum(axis=(1, 2))[:, None])
    >>> total(np.ones((2, 3, 3))).tolist()
    [[9.0], [9.0]]
    """

    name: str
    shape: tuple[int, ...]
    units: str
    function: Callable[[Images], Rows]

    def __call__(self, images: Images) -> Rows:
        """Rows of images."""
        return self.function(images)


def _simple(function: Callable[[Images], Rows], units: str) -> Callable[[ImageGrid], Feature]:
    return lambda grid: ImageFeature(function.__name__, grid.shape, units, function)


def _fourier_crop(grid: ImageGrid, n: int | None = None) -> Feature:
    n = min(128, *grid.shape) if n is None else n
    return ImageFeature("fourier_crop", (n, n), "count", partial(fourier_crop, n=n))


def _autocorrelation(grid: ImageGrid) -> Feature:
    return ImageFeature("autocorrelation", lag_shape(grid), "1", partial(autocorrelation, grid=grid))


def _autocorrelation_profile(grid: ImageGrid, n_rings: int | None = None) -> Feature:
    n = min(grid.shape) // 2 if n_rings is None else n_rings
    return ImageFeature("autocorrelation_profile", (2, n), "1", partial(autocorrelation_profile, grid=grid, n_rings=n))


def _radial_profile(grid: ImageGrid, n_rings: int | None = None) -> Feature:
    n = max(1, min(grid.shape) // 2) if n_rings is None else n_rings
    return ImageFeature("radial_profile", (n,), "count", partial(radial_profile, grid=grid, n_rings=n))


_OURS: dict[str, Callable[..., object]] = {
    "counts": _simple(counts, "count"),
    "normalised": _simple(normalised, "1"),
    "variance_stabilised": _simple(variance_stabilised, "1"),
    "unit_root": _simple(unit_root, "1"),
    "fourier_crop": _fourier_crop,
    "autocorrelation": _autocorrelation,
    "autocorrelation_profile": _autocorrelation_profile,
    "radial_profile": _radial_profile,
}
FEATURES: Registry[Callable[..., object]] = Registry("feature", _OURS)
"""Makers of features by name, called with a grid and the options of the feature."""


def register_feature(name: str, maker: Callable[..., object]) -> None:
    """Let a feature of your own be found by name, as ``features=name`` of `embed`.

    Parameters
    ----------
    name : str
    maker : callable, a class or a function; called with the `ImageGrid` of the images (their ``shape``, ``s`` [1/m],
        ``weight``, ``center``) and the options given beside the name, it returns a `Feature`, or a plain function of
        images (shot, y, x)

    Raises
    ------
    InputError
        A name that is no identifier, or that of a feature of this package.

    Examples
    --------
    >>> from xfeldask.physics.binning import image_grid
    >>> from xfeldask.physics.detectors import square
    >>> def brightest(grid, n=3):
    ...     return lambda images: np.sort(images.reshape(len(images), -1), axis=1)[:, -n:]
    >>> register_feature("brightest", brightest)
    >>> make_feature("brightest", image_grid(square(8, 1e-3, 0.1), 1e-10, 1), n=2).shape
    (2,)
    """
    FEATURES.register(name, maker)


def make_feature(feature: str | Callable[[Images], object], grid: ImageGrid, **options: int) -> Feature:
    """Make a feature for images of a grid.

    Parameters
    ----------
    feature : a name in `FEATURES`, or an object like `Feature`, or a plain function of images (shot, y, x)
    grid : ImageGrid, of the images that it will be called with
    options : of a named one: ``n`` of `fourier_crop` (128, or the smaller side), ``n_rings`` of profiles (half the
        smaller side)

    Raises
    ------
    UnknownNameError
        Any other name.
    InputError
        An option that the feature does not take, a value that is no whole number or does not fit the grid, a function
        that fails.

    Examples
    --------
    >>> from xfeldask.physics.binning import image_grid
    >>> from xfeldask.physics.detectors import square
    >>> feature = make_feature("autocorrelation_profile", image_grid(square(64, 1e-3, 0.1), 1e-10, 1), n_rings=20)
    >>> feature.shape, feature(np.zeros((5, 64, 64))).shape
    ((2, 20), (5, 40))
    """
    if not isinstance(feature, str):
        if options:
            raise InputError(f"options are for features by name, got {', '.join(options)}; set them in your own object")
        return own_feature(feature, grid)
    maker = FEATURES[feature]
    _refuse_options(feature, maker, options)
    made = maker(grid, **options)
    if not isinstance(made, ImageFeature):
        return own_feature(made, grid, feature)
    # no shots at all tell whether the options fit
    made(np.zeros((0, *grid.shape), np.uint16))
    return made


def _refuse_options(name: str, maker: Callable[..., object], options: dict[str, Any]) -> None:
    """Refuse options that a named feature does not take, and what is no whole number for one of this package."""
    taken = list(signature(maker).parameters.values())[1:]
    names = [option.name for option in taken if option.kind is not Parameter.VAR_KEYWORD]
    if len(names) == len(taken) and not options.keys() <= set(names):
        told = " and ".join(names) or "no options"
        raise InputError(f"the feature {name!r} takes {told}, got {', '.join(options)}")
    if name not in _OURS:
        return
    for option, value in options.items():
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | np.integer)):
            raise InputError(f"{option} of the feature {name!r} is a whole number, got {value!r:.60}")
