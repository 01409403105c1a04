"""What a store says of its detector and its particle."""

from __future__ import annotations

import numpy as np
import zarr

from xfeldask.physics.atoms import Atoms, make_atoms
from xfeldask.physics.detectors import Geometry, make_geometry
from xfeldask.store.layout import shot_array


def stored_geometry(root: zarr.Group) -> Geometry:
    """The detector of a store."""
    return make_geometry(
        np.asarray(shot_array(root, "pixel_position")[...]),
        float(str(root.attrs["pixel_size"])),
        np.asarray(shot_array(root, "mask")[...]),
    )


def stored_atoms(root: zarr.Group) -> Atoms:
    """The atoms of a store's particle."""
    position, element, occupancy = (
        np.asarray(shot_array(root, f"atom_{part}")[...]) for part in ("position", "element", "occupancy")
    )
    return make_atoms(position, element.tolist(), occupancy)
