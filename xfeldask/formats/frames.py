"""Frames: photons in blocks of shots, with the detector that counted them, whatever they come from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from numpy.typing import NDArray

from xfeldask.physics.detectors import Geometry
from xfeldask.physics.images import Counts


class Frames(Protocol):
    """A source of frames: a simulation, a file, or anything else with these five.

    Attributes
    ----------
    name : str, for titles: what was shot at, or the name of a file
    n_shots : int
    geometry : Geometry
    wavelength : float, nominal [m]
    """

    @property
    def name(self) -> str: ...  # noqa: D102

    @property
    def n_shots(self) -> int: ...  # noqa: D102

    @property
    def geometry(self) -> Geometry: ...  # noqa: D102

    @property
    def wavelength(self) -> float: ...  # noqa: D102

    def read(self, shots: range, /) -> Counts:
        """Photons of consecutive shots, unsigned integers (shot, panel, ss, fs)."""

    def truth(self, shots: range, /) -> Mapping[str, NDArray[Any]]:
        """Read what is known of shots besides photons: variables of the role "truth" in `xfeldask.schema`, by name.

        Nothing of measured shots, mostly; a photon energy shot by shot is such a variable.
        """


class FramesKind(Protocol):
    """What opens one kind of frames: a class with a static method `recognises`, mostly."""

    def recognises(self, source: str, /) -> bool:
        """Whether a path leads to frames of this kind, by what is there and not by its name."""

    def __call__(self, source: str, geometry: Geometry | None, photon_energy: float | None, /) -> Frames:
        """Open frames.

        Parameters
        ----------
        source : str, path
        geometry : Geometry, or None where the caller gives none
        photon_energy : float, or None where the caller gives none [eV]

        Raises
        ------
        InputError
            What is there cannot be read, or needs a geometry or an energy that was not given.
        """
