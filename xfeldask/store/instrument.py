"""What features and rules know of how shots were measured."""

from __future__ import annotations

from typing import Protocol

from xfeldask.physics.binning import ImageGrid
from xfeldask.physics.detectors import Geometry


class Instrument(Protocol):
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

    @property
    def image_grid(self) -> ImageGrid:
        """Bins of `image` in reciprocal space."""

    @property
    def low_q_grid(self) -> ImageGrid:
        """Bins of `low_q` in reciprocal space."""
