"""What a detector makes of the photons that reach it."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from xfeldask.config.base import Model, by_name
from xfeldask.config.photonize import THRESHOLD, CommonMode

Energy = Annotated[float, Field(ge=0, le=1e9)]
Spread = Annotated[float, Field(ge=0, le=0.2)]
Part = Annotated[float, Field(ge=0, lt=1)]


class Response(Model):
    """How a detector reads photons, and how they are counted again; energies are those that silicon absorbed.

    A photon of 4,600 eV that is read with ``noise=690`` is read with a noise of 0.15 photon; an electron is 3.65 eV.

    Attributes
    ----------
    noise : float, standard deviation of what a pixel reads without a photon [eV]
    cloud : float, standard deviation of the charge of a photon along each axis, where pixels collect it [m]
    adu_per_kev : float, what a keV reads
    gain_spread : float, relative, normal, of each pixel's gain around the one that it is divided by
    common_mode : what pixels share a level: "none", "row", "half_row", or "asic", of `asic` rows and columns
    asic : (int, int), optional
    common_mode_spread : float, standard deviation of a level [eV]; photonizing subtracts what it finds of it
    threshold : float, photons from which one is counted
    saturation : float, optional, the most that a pixel reads [eV]
    dead_fraction : float, fraction of the pixels that see no photon, and that no mask tells of
    hot_fraction : float, fraction of the pixels that read more in every shot, exponential, a photon on average, and
        that no mask tells of
    adu : bool, store frames in ADU too; photons are then counted from these

    Examples
    --------
    >>> Response(preset="pnccd", noise=690).common_mode
    'half_row'
    """

    noise: Energy = Field(0.0, description="eV, standard deviation of what a pixel reads without a photon")
    cloud: Annotated[float, Field(ge=0, le=1e-3)] = Field(0.0, description="m, standard deviation of a photon's charge")
    adu_per_kev: Annotated[float, Field(gt=0, le=1e6)] = Field(1000.0, description="what a keV reads")
    gain_spread: Spread = Field(0.0, description="relative, normal, of each pixel")
    common_mode: CommonMode = Field("none", description="none, row, half_row or asic")
    asic: tuple[Annotated[int, Field(gt=0)], Annotated[int, Field(gt=0)]] | None = Field(
        None, description="rows and columns of an ASIC"
    )
    common_mode_spread: Energy = Field(0.0, description="eV, standard deviation of a level")
    threshold: Annotated[float, Field(gt=0, le=1)] = Field(THRESHOLD, description="photons from which one is counted")
    saturation: Annotated[float, Field(gt=0)] | None = Field(None, description="eV, the most that a pixel reads")
    dead_fraction: Part = Field(0.0, description="fraction of the pixels, unmasked")
    hot_fraction: Part = Field(0.0, description="fraction of the pixels, unmasked")
    adu: bool = Field(False, description="store frames in ADU too")

    @model_validator(mode="before")
    @classmethod
    def _preset(cls, data: Any) -> Any:
        """Take a preset by its name, beside parts that differ from it."""
        if not isinstance(data, dict) or "preset" not in data:
            return data
        base = by_name("response", str(data["preset"]), RESPONSES)
        return {**base, **{key: value for key, value in data.items() if key != "preset"}}

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.common_mode == "asic" and self.asic is None:
            raise ValueError("the common mode of ASICs needs their rows and columns; give asic")
        if self.common_mode == "none" and self.common_mode_spread:
            raise ValueError("common_mode_spread needs what pixels share a level; give common_mode")
        return self


ELECTRON = 3.65
"""Energy of an electron-hole pair in silicon [eV]."""

RESPONSES: dict[str, dict[str, Any]] = {
    "pnccd": {
        "noise": 3 * ELECTRON, "cloud": 6.3e-6, "adu_per_kev": 1250.0, "gain_spread": 0.01,
        "common_mode": "half_row", "common_mode_spread": 10.0, "saturation": 300_000 * ELECTRON,
    },
    "agipd": {"noise": 1000.0, "cloud": 5.1e-6, "adu_per_kev": 7.5, "gain_spread": 0.01, "saturation": 1.2e8},
    "jungfrau": {
        "noise": 83 * ELECTRON, "cloud": 5.1e-6, "adu_per_kev": 42.0, "gain_spread": 0.01, "saturation": 1.2e8,
    },
    "epix10k": {"noise": 245.0, "cloud": 8.0e-6, "adu_per_kev": 16.4, "gain_spread": 0.01, "saturation": 8.8e7},
}  # fmt: skip
"""Detectors by name, in their highest gain, in which single photons are read.

Of these numbers the abstracts of the papers confirm the charge that fills a pixel of ``pnccd``, and noise and range of
``agipd``. The noise of ``pnccd``, both numbers of ``jungfrau`` and both of ``epix10k`` are given as they are known of
the papers named, whose text was not at hand to check them.

``pnccd``: 3 electrons of noise (Kuster et al., J. Synchrotron Rad. 28, 576, 2021), 300,000 fill a pixel (Send et al.,
Nucl. Instrum. Methods A 711, 132, 2013); levels of half rows as in ten frames of LCLS (docs/real-data.md). In the low
gains that LCLS used for bright particles the noise was larger: those frames have 226 eV in 16 pixels summed.
``agipd``: less than 1 keV of noise, more than 10,000 photons of 12 keV (Allahgholi et al., J. Synchrotron Rad. 26, 74,
2019); ADU as CrystFEL's geometries of it have them.
``jungfrau``: 83 electrons of noise, 10,000 photons of 12 keV (Mozzanica et al., Synchrotron Radiat. News 31, 16,
2018); ADU as CrystFEL's geometries of it have them.
``epix10k``: 245 eV of noise, 11,000 photons of 8 keV (Blaj et al., AIP Conf. Proc. 2054, 060062, 2019); ADU as psana
has them.
The charge of a photon diffuses to d sqrt(2 k T / q V) on its way through a sensor of thickness d under a bias V: in
this order 450 µm and 200 V at 230 K, then at room temperature 500 µm and 500 V, 320 µm and 200 V, 500 µm and 200 V. The
biases are assumed, and repulsion of the electrons is left out. That gains are known to 1 % is assumed too, as by skopi
for the last two.
"""
