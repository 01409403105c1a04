"""What features and rules know of how shots were measured."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol, Self

import numpy as np
import xarray as xr

from xfeldask.config.limits import LIMITS
from xfeldask.errors import InputError
from xfeldask.physics.binning import MOST_BIN, ImageGrid, image_grid, low_q_grid
from xfeldask.physics.detectors import Geometry, make_geometry, wavelength
from xfeldask.sorting.protocol import Grids


class Instrument(Grids, Protocol):
    """A detector, a wavelength, and the bins of images in reciprocal space; a `Run` is one."""

    @property
    def geometry(self) -> Geometry:
        """Pixels of the detector."""

    @property
    def wavelength(self) -> float:
        """Nominal wavelength [m]."""

    @property
    def bin(self) -> int:
        """Pixels a side of a bin of `image`."""


@dataclass(frozen=True, eq=False)
class DatasetInstrument:
    """The instrument that a Dataset tells of.

    Attributes
    ----------
    geometry : Geometry
    photon_energy : float, nominal [eV]
    bin : int, pixels a side of a bin of `image`

    Examples
    --------
    >>> from xfeldask.physics.detectors import square
    >>> pixels = ("panel", "ss", "fs")
    >>> ds = xr.Dataset(coords={"pixel_position": ((*pixels, "xyz"), square(8, 1e-3, 0.1).pixel_position)})
    >>> instrument = DatasetInstrument.of(ds.assign_attrs(pixel_size=1e-3, wavelength=2.7e-10, bin=2))
    >>> instrument.image_grid.shape, f"{instrument.photon_energy:.0f} eV"
    ((4, 4), '4592 eV')
    """

    geometry: Geometry
    photon_energy: float
    bin: int

    @classmethod
    def of(cls, ds: xr.Dataset) -> Self:
        """Read the instrument from variables and attributes.

        Parameters
        ----------
        ds : Dataset with `pixel_position` (panel, ss, fs, xyz) [m], if there are bad pixels `mask` (panel, ss, fs), and
            as attributes, or variables without dimensions, `photon_energy` [eV] or `wavelength` [m], `pixel_size` [m]
            and `bin` [pixels], of `image`; 1 by default

        Raises
        ------
        InputError
            One of these is missing, or out of range.
        """
        if "pixel_position" not in ds:
            raise InputError("the Dataset has no pixel_position (panel, ss, fs, xyz) [m]; add it as a coordinate")
        mask = ds["mask"].values.astype(bool) if "mask" in ds else None
        size = _number(ds, "pixel_size")
        if size is None:
            raise InputError("the Dataset tells no pixel_size [m]; add it as an attribute")
        energy, length = _number(ds, "photon_energy"), _number(ds, "wavelength")
        if energy is None and length is not None and length > 0:
            energy = wavelength(1.0) / length
        if energy is None or not np.isfinite(energy) or energy <= 0:
            raise InputError(
                "the Dataset tells no photon_energy [eV] above 0; add it as an attribute, or wavelength [m]"
            )
        LIMITS["photon_energy"].check("photon_energy of the Dataset", energy)
        bin = _number(ds, "bin")
        if bin is not None and not (1 <= bin <= MOST_BIN and bin == int(bin)):
            raise InputError(f"bin of the Dataset is a whole number of pixels from 1, got {bin:g}")
        geometry = make_geometry(ds["pixel_position"].values, size, mask)
        return cls(geometry, energy, 1 if bin is None else int(bin))

    @property
    def wavelength(self) -> float:
        """Nominal wavelength [m]."""
        return wavelength(self.photon_energy)

    @cached_property
    def image_grid(self) -> ImageGrid:
        """Bins of `image` in reciprocal space."""
        return image_grid(self.geometry, self.wavelength, self.bin)

    @cached_property
    def low_q_grid(self) -> ImageGrid:
        """Bins of `low_q` in reciprocal space."""
        return low_q_grid(self.geometry, self.wavelength)


def _number(ds: xr.Dataset, name: str) -> float | None:
    """Return a number from an attribute, or from a variable without dimensions; None where there is neither."""
    found = ds.attrs[name] if name in ds.attrs else ds[name] if name in ds and not ds[name].dims else None
    try:
        return None if found is None else float(found)
    except (TypeError, ValueError):
        raise InputError(f"{name} of the Dataset is {found!r}; give a number") from None
