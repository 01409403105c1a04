"""How what a detector gave becomes photons."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from xfeldask.config.base import Model

CommonMode = Literal["none", "row", "half_row", "asic"]
THRESHOLD = 0.7
"""Photons from which one is counted; half-way the noise of all dark pixels would give many."""


class Photonize(Model):
    """From ADU to photons, as `xfeldask.physics.photonizing.photonize` does it.

    Attributes
    ----------
    gain : float, ADU of a photon, or str, a .npy file of that for each pixel
    dark : str, optional, .npy file of the ADU of no photon for each pixel
    common_mode : what pixels share one: "none", "row", "half_row", or "asic", of `asic` rows and columns
    asic : (int, int), optional
    threshold : float, photons from which one is counted
    digest : str, SHA-256 of the files, filled in when they are read

    Examples
    --------
    >>> Photonize(gain=8, common_mode="half_row").threshold
    0.7
    """

    gain: Annotated[float, Field(gt=0)] | str = Field(description="ADU of a photon, or .npy file of each pixel's")
    dark: str | None = Field(None, description=".npy file, ADU of no photon in each pixel")
    common_mode: CommonMode = Field("none", description="none, row, half_row or asic")
    asic: tuple[int, int] | None = Field(None, description="rows and columns of an ASIC")
    threshold: Annotated[float, Field(gt=0, le=1)] = Field(THRESHOLD, description="photons from which one is counted")
    digest: str = ""
