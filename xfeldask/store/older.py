"""Stores of older formats, read as those of today.

Before format 4, rows of images went along x and columns along y, though their dimensions were called (y, x).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import xarray as xr

UPRIGHT = 4
"""The first format whose images have y along their rows."""
AXES = ("y", "x", "low_y", "low_x")
"""Coordinates of bins, which older stores do not have."""
_IMAGES = (("y", "x"), ("low_y", "low_x"))
_INDEX = ("assembled_row", "assembled_col")


def is_transposed(attributes: Mapping[str, Any]) -> bool:
    """Return whether a group of these attributes holds images that lie on their side.

    Examples
    --------
    >>> is_transposed({"format": 3}), is_transposed({"format": 4}), is_transposed({})
    (True, False, True)
    """
    return int(attributes.get("format", 0)) < UPRIGHT


def upright(images: NDArray[Any]) -> NDArray[Any]:
    """Return images (..., x, y) as (..., y, x).

    Examples
    --------
    >>> upright(np.zeros((5, 3, 2))).shape
    (5, 2, 3)
    """
    return np.swapaxes(images, -1, -2)


def upright_dataset(ds: xr.Dataset) -> xr.Dataset:
    """Return a group of a store with its images upright, and the index of pixels that goes with them; stays lazy.

    Examples
    --------
    >>> import xarray as xr
    >>> image = xr.DataArray([[[1, 2, 3], [4, 5, 6]]], dims=("shot", "y", "x"), name="image")
    >>> upright_dataset(image.to_dataset()).image[0].values.tolist()
    [[1, 4], [2, 5], [3, 6]]
    """
    turned = {name: _turned(v) for name, v in ds.variables.items() if v.dims[-2:] in _IMAGES}
    if set(_INDEX) <= set(ds.variables):
        row, column = (ds.variables[name] for name in _INDEX)
        turned |= {name: v.copy(deep=False) for name, v in zip(_INDEX, (column, row), strict=True)}
        for name, v in zip(_INDEX, (row, column), strict=True):
            turned[name].attrs = v.attrs
    found = ds.drop_vars(list(turned)).assign(turned)
    return found.set_coords([name for name in _INDEX if name in turned])


def _turned(variable: xr.Variable) -> xr.Variable:
    *outer, row, column = variable.dims
    found = variable.transpose(*outer, column, row)
    found.dims = variable.dims
    return found
