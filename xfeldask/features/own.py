"""Features that users bring: checked, and given what they do not say of themselves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from xfeldask.errors import InputError, XfeldaskError
from xfeldask.features.rows import Images, Rows
from xfeldask.physics.binning import ImageGrid


@dataclass(frozen=True, eq=False)
class OwnFeature:
    """A user's feature; every row that it gives is checked.

    Attributes
    ----------
    name : str
    shape : tuple of int
    units : str
    function : callable, images (shot, y, x) to (shot, ...)

    Examples
    --------
    >>> rows = OwnFeature("rows", (2,), "count", lambda images: images.sum(axis=2))
    >>> rows(np.array([[[1, 2], [3, 4]]])).tolist()
    [[3.0, 7.0]]
    >>> rows(np.array([[[1, np.nan], [3, 4]]]))
    Traceback (most recent call last):
    ...
    xfeldask.errors.InputError: the feature rows gives NaN or infinity
    """

    name: str
    shape: tuple[int, ...]
    units: str
    function: Callable[[Images], Any]

    def __call__(self, images: Images) -> Rows:
        """Rows of images.

        Raises
        ------
        InputError
            The function fails, or gives other rows than it did at first.
        """
        rows = computed(self.name, self.function, images)
        if rows.shape[1:] != self.shape and rows.shape[1:] != (prod(self.shape),):
            raise InputError(f"the feature {self.name} gives rows of shape {rows.shape[1:]}, not {self.shape}")
        if not np.isfinite(rows).all():
            raise InputError(f"the feature {self.name} gives NaN or infinity")
        return np.ascontiguousarray(rows, np.float32).reshape(len(images), prod(self.shape))


def own_feature(made: object, grid: ImageGrid, name: str | None = None) -> OwnFeature:
    """Wrap a user's feature: an object like `Feature`, or a plain function of images.

    Parameters
    ----------
    made : callable; its ``name`` or ``__name__``, ``shape`` and ``units`` are taken where it has them
    grid : ImageGrid, of the images that it will be called with
    name : str, optional, under which it was registered

    Raises
    ------
    InputError
        No callable, a class, or one that fails on images of the grid.

    Examples
    --------
    >>> from xfeldask.physics.binning import image_grid
    >>> from xfeldask.physics.detectors import square
    >>> def quarters(images):
    ...     return images.reshape(len(images), 2, 4, 2, 4).sum(axis=(2, 4))
    >>> feature = own_feature(quarters, image_grid(square(8, 1e-3, 0.1), 1e-10, 1))
    >>> feature.name, feature.shape, feature(np.ones((1, 8, 8))).tolist()
    ('quarters', (2, 2), [[16.0, 16.0, 16.0, 16.0]])
    """
    if isinstance(made, type):
        raise InputError(
            f"the feature is the class {made.__name__}; pass an object of it, or register_feature() it by a name"
        )
    if not callable(made):
        raise InputError(
            f"features are a name, a mapping with a name, or a function of images (shot, y, x); got {made!r:.60}"
        )
    name = name or str(getattr(made, "name", getattr(made, "__name__", type(made).__name__)))
    found = computed(name, made, np.ones((2, *grid.shape), np.uint16)).shape[1:]
    feature = OwnFeature(name, _shape(name, getattr(made, "shape", found)), str(getattr(made, "units", "1")), made)
    feature(np.ones((2, *grid.shape), np.uint16))
    return feature


def _shape(name: str, told: Any) -> tuple[int, ...]:
    """Return the shape of a row that a feature tells."""
    if not isinstance(told, Sequence) or not all(isinstance(side, int | np.integer) for side in told):
        raise InputError(f"the feature {name} has the shape {told!r:.60}; give a tuple of whole numbers")
    return tuple(int(side) for side in told)


def computed(name: str, function: Callable[[Images], Any], images: Images) -> Any:
    """Numbers (shot, ...) that a user's function makes of images.

    Examples
    --------
    >>> computed("rows", lambda images: images.sum(axis=2), np.array([[[1, 2], [3, 4]]])).tolist()
    [[3, 7]]
    """
    try:
        rows = np.asarray(function(images))
    except XfeldaskError:
        raise
    except Exception as error:
        told = f"{type(error).__name__}: {error}"
        raise InputError(f"the feature {name} failed on images of shape {images.shape} ({told})") from error
    if rows.dtype.kind not in "buif" or rows.ndim < 2 or len(rows) != len(images):
        raise InputError(
            f"the feature {name} gives {rows.dtype} of shape {rows.shape} for {len(images)} images; it must give a row "
            "of real numbers for each, (shot, ...)"
        )
    return rows
