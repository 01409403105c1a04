"""Rows that tell how a particle lies, by a reconstruction: what `embed` calls the method "orientation"."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xfeldask.errors import InputError
from xfeldask.orient.cycle import judged
from xfeldask.orient.models import profile
from xfeldask.orient.rotation_space import rotation_coordinates
from xfeldask.orient.rotations import rotation_grid
from xfeldask.orient.schedule import Level
from xfeldask.orient.sparse import Pixels, SparseFrames, pixels_of
from xfeldask.orient.state import State
from xfeldask.physics.orientations import symmetry_group
from xfeldask.store.results.reconstructed import state_of
from xfeldask.store.results.reconstruction import Reconstruction, refuse_unfinished
from xfeldask.store.run import Run
from xfeldask.work.reconstructing import read_frames

COORDINATES = 12
"""Of rotations, in a row."""


@dataclass(frozen=True, eq=False)
class OrientationFeature:
    """Coordinates of the orientation of each shot, found by comparing it with a reconstructed intensity.

    A shot whose orientation is not known has those of all that are likely, on average: a blank lies in the middle.

    Attributes
    ----------
    name : str
    pixels : Pixels
    state : State, of the reconstruction
    plan : tuple of Level
    group : float64 (order, 4)
    mean : dict, mean profile of the shots that the reconstruction is of, by radius [bins]
    coordinates : float32 (rotation, coordinate), as of `rotation_coordinates`, of the rotations of the last level
    """

    name: str
    pixels: Pixels
    state: State
    plan: tuple[Level, ...]
    group: NDArray[np.float64]
    mean: dict[float, NDArray[np.float64]]
    coordinates: NDArray[np.float32]

    def __call__(self, images: NDArray[Any]) -> NDArray[np.float32]:
        """Return rows of images, float32 (shot, coordinate)."""
        frames = SparseFrames.of(images, self.pixels.index)
        found = judged(frames, self.pixels, self.state.models, self.plan, group=self.group, mean=self.mean.__getitem__)
        at = self.coordinates[np.maximum(found.rotation, 0)]
        return np.asarray((found.probability[..., None] * at).sum(axis=1), np.float32)


def orientation_feature(run: Run, name: str | None) -> OrientationFeature:
    """Make the feature of a reconstruction of a run.

    Parameters
    ----------
    run : Run
    name : str, optional, of the reconstruction; the only one by default

    Raises
    ------
    MissingFileError, InputError
        No reconstruction, several and no name, one that is not finished, or one of "low_q".
    """
    chosen = Reconstruction.chosen(run, name, "reconstruction")
    refuse_unfinished(chosen)
    parameters = chosen.parameters
    if parameters.images != "image":
        raise InputError(
            f"{chosen.name} of {run.path} was reconstructed from {parameters.images}; orientations are embedded by a "
            "reconstruction from image"
        )
    state, shots = state_of(chosen.dataset().load())
    pixels, group = pixels_of(run.geometry, run.wavelength), symmetry_group(parameters.symmetry)
    plan = tuple(Level(**level) for level in parameters.schedule)
    known = None if parameters.background is None else run.known_background
    frames = read_frames(run, shots, pixels, "image", known, False)
    mean = {level.radius: profile(frames, pixels, level.radius) for level in plan}
    at = rotation_coordinates(rotation_grid(plan[-1].refinement, group).quaternion, group, COORDINATES)
    return OrientationFeature(f"orientation_by_{chosen.name}", pixels, state, plan, group, mean, at.astype(np.float32))
