"""Background that is not the same on all pixels, with a weight for each shot."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from xfeldask.config.base import Model


class Background(Model):
    """Where background photons fall, and how many in each shot; how many on average says ``nuisance.background``.

    Attributes
    ----------
    source : str, "gas" (``exp(-r^2 / (2 x 4e-5 m^2)) + 0.02``, r from the beam's axis), "uniform", or a .npy file: a
        profile (n, 2) of r [m] and relative brightness, or an image (panel, ss, fs)
    spread : float, optional, relative spread of a Gamma variate of mean 1, the weight of a shot; it is that of the
        pulse when neither this nor `weights` is given
    weights : str, optional, a .npy file of weights (n,); shot i takes weight i modulo n
    digest : str, SHA-256 of what was read, filled in when it is

    Examples
    --------
    >>> Background(source="gas", spread=0.5).spread
    0.5
    """

    source: str = Field("gas", min_length=1, description="gas, uniform, or a .npy file: profile (n, 2) or image")
    spread: Annotated[float, Field(ge=0, le=3)] | None = Field(None, description="relative, Gamma, on each shot")
    weights: str | None = Field(None, min_length=1, description=".npy file of weights (n,)")
    digest: str = ""

    @model_validator(mode="after")
    def _one_weight(self) -> Self:
        if self.spread is not None and self.weights is not None:
            raise ValueError("give spread or weights, not both")
        return self
