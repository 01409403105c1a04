"""How far apart two particles of a shot may be, as seen along the beam, and how probable that is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from xfeldask.config import Hits

MOST = 1500
"""Distances that are tried."""
SPACING = 0.21
"""From one of them to the next, over the wavelength of the fringes at the root mean square of the photons' places."""
REACH = 0.4
"""Of the period of the finest fringes that bins show, as far as they are looked for."""


@dataclass(frozen=True, eq=False)
class Distances:
    """Places of one particle beside the other, the nearest first.

    Attributes
    ----------
    place : float64 (distance, 2) [m], along x and y
    prior : float64 (distance,), of a sum of 1; the last stands for all whose fringes are too fine to be seen
    spacing : float, from one to the next [m]

    Examples
    --------
    >>> found = Distances.of(Hits(single_fraction=0.9), 5e-7, bin=4e6, rms=5e7)
    >>> len(found.place), bool(np.hypot(*found.place.T).max() < 50e-9), float(found.prior.sum().round(6))
    (438, True, 1.0)
    >>> far = Distances.of(Hits(single_fraction=0.9, placement="focus"), 5e-7, bin=4e6, rms=5e7)
    >>> float(far.prior[-1].round(2))
    0.99
    """

    place: NDArray[np.float64]
    prior: NDArray[np.float64]
    spacing: float

    @classmethod
    def of(cls, hits: Hits, focus: float, bin: float, rms: float) -> Self:
        """Spread distances over all that are probable and whose fringes are seen.

        Parameters
        ----------
        hits : Hits, that say where particles are
        focus : float, its radius [m]
        bin : float, width of bins [1/m]
        rms : float, root mean square distance of the photons from the beam [1/m]
        """
        near, far = (0.0, 2 * focus) if hits.placement == "focus" else hits.separation
        seen, spacing = min(far, REACH / bin), SPACING / rms
        seen = min(seen, spacing * np.sqrt(MOST / np.pi))
        count = int(seen / spacing)
        axis = spacing * np.arange(-count, count + 1)
        place = np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1).reshape(-1, 2)
        length = np.hypot(*place.T)
        # of places that are uniform in the ball between both distances, as much as lies along the beam there
        depth = np.sqrt(np.maximum(far**2 - length**2, 0)) - np.sqrt(np.maximum(near**2 - length**2, 0))
        whole = 2 / 3 * np.pi * (far**3 - near**3)
        inside = (length <= seen) & (depth > 0)
        order = np.argsort(length[inside], kind="stable")
        prior = (depth * spacing**2 / whole)[inside][order]
        unseen = max(0.0, 1 - prior.sum()) if seen < far else 0.0
        prior = np.append(prior * (1 - unseen) / prior.sum(), unseen)
        return cls(np.append(place[inside][order], [[0.0, 0.0]], axis=0), prior, spacing)
