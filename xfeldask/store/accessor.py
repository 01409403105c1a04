"""``ds.xfel``: what a person does with a Dataset of shots."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray


@xr.register_dataset_accessor("xfel")  # type: ignore[no-untyped-call]
class XfelAccessor:
    """Assembled patterns, radii in reciprocal space, and one shot at a time.

    Examples
    --------
    >>> pixels = ("panel", "ss", "fs")
    >>> ds = xr.Dataset({
    ...     "photons": (("shot", *pixels), [[[[1, 2]], [[3, 4]]]]),
    ...     "assembled_row": (pixels, [[[0, 0]], [[2, 2]]]),
    ...     "assembled_col": (pixels, [[[0, 1]], [[0, 1]]]),
    ...     "mask": (pixels, [[[1, 1]], [[1, 0]]]),
    ...     "q": ((*pixels, "xyz"), np.full((2, 1, 2, 3), 0.1)),
    ... })
    >>> # two panels with a gap between them, and a bad pixel
    >>> ds.xfel.assemble(ds.photons[0], gap=0).tolist()
    [[1, 2], [0, 0], [3, 0]]
    >>> f"{ds.xfel.resolution.min():.2f} angstrom"
    '5.77 angstrom'
    """

    def __init__(self, dataset: xr.Dataset) -> None:
        self._dataset = dataset

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of an assembled pattern."""
        rows, columns = self._dataset.assembled_row, self._dataset.assembled_col
        return int(rows.max()) + 1, int(columns.max()) + 1

    @property
    def q(self) -> xr.DataArray:
        """abs(s) of each pixel, (panel, ss, fs) [1/angstrom]."""
        q: xr.DataArray = np.sqrt((self._dataset.q.astype(np.float64) ** 2).sum("xyz"))
        meaning = {"units": "angstrom-1", "long_name": "length of the scattering vector"}
        return xr.DataArray(q.rename("abs_q"), attrs=meaning)

    @property
    def resolution(self) -> xr.DataArray:
        """1 / abs(s) of each pixel, (panel, ss, fs) [angstrom]."""
        out: xr.DataArray = (1 / self.q).rename("resolution").assign_attrs(units="angstrom", long_name="resolution")
        return out

    def shot(self, index: int) -> NDArray[Any]:
        """Photons of one shot, (panel, ss, fs)."""
        return np.asarray(self._dataset.photons[index])

    def assemble(self, pixels: Any, gap: float = np.nan) -> NDArray[Any]:
        """Lay pixels out as they stand in the laboratory, seen along the beam.

        Parameters
        ----------
        pixels : (..., panel, ss, fs)
        gap : float, value between the panels and at masked pixels; the result's type holds it, NaN makes it floating

        Returns
        -------
        (..., row, col)
        """
        values = np.asarray(pixels)
        dtype = values.dtype
        if not float(gap).is_integer():
            dtype = np.result_type(dtype, np.float32)
        elif dtype.kind in "iu":
            dtype = np.result_type(dtype, np.min_scalar_type(int(gap)))
        out = np.full((*values.shape[:-3], *self.shape), gap, dtype)
        good = np.asarray(self._dataset.mask).astype(bool)
        row, column = (np.asarray(self._dataset[f"assembled_{axis}"])[good] for axis in ("row", "col"))
        out[..., row, column] = values[..., good]
        return out
