"""A particle as a small detector sees it."""

from __future__ import annotations

from typing import Any

import numpy as np

from xfeldask.config import Hits
from xfeldask.orient.sparse import Pixels, pixels_of
from xfeldask.physics.chaperonin import chaperonin
from xfeldask.physics.detectors import square
from xfeldask.physics.volume import build_volume
from xfeldask.sorting.named_pairs.pair_places import Distances
from xfeldask.sorting.named_pairs.views import Views, photon_rms

GEOMETRY, WAVELENGTH = square(64, 3e-4, 0.15), 2.7e-10


def views_of(reach: float = 24.0, background: float = 0.0, **changes: Any) -> Views:
    """Views of the chaperonin, as far as so many bins, over so many photons of a flat background."""
    pixels = pixels_of(GEOMETRY, WAVELENGTH, "low_q")
    m = pixels.within(reach)
    pixels = Pixels(pixels.s[:m], pixels.factor[:m], pixels.index[:m], pixels.step)
    atoms = chaperonin()
    volume = build_volume(atoms, 1.2 * (reach + 3) * pixels.step)
    far = Distances.of(Hits(single_fraction=0.9), 5e-7, bin=pixels.step, rms=photon_rms(volume, pixels))
    dark = background * pixels.factor / pixels.factor.sum()
    return Views(**{"volume": volume, "radius": atoms.radius, "pixels": pixels, "background": np.asarray(dark),
                    "distances": far} | changes)  # fmt: skip
