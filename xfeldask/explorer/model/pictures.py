"""The two spaces of a shot: its pattern, binned or whole, and its particles as the beam sees them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from xfeldask.errors import CorruptStoreError
from xfeldask.explorer.model.particle import center_of, electrons, extent_of, projection
from xfeldask.physics.atoms import Atoms
from xfeldask.physics.binning import ImageGrid, image_grid
from xfeldask.physics.members import Members, taken_apart, whole
from xfeldask.physics.species import Body, Mixture
from xfeldask.store.accessor import XfelAccessor
from xfeldask.store.run import Run
from xfeldask.units import shown

Array = NDArray[np.float32]

PARTICLE_PIXELS = 128
SPHEROID_POINTS = 50_000
"""By which a spheroid is shown."""
PLACED = ("orientation", "position", "size")
"""Where particles were, and how large."""
NM = shown("m").factor


@dataclass(frozen=True, eq=False)
class Picture:
    """An image with its place, x to the right and y up as seen along the beam's transverse axes.

    Attributes
    ----------
    values : float32 (y, x); NaN where nothing is known
    extent : left, bottom, width, height [1/nm] for a pattern, [nm] for particles

    Examples
    --------
    >>> Picture(np.zeros((2, 3), np.float32), (-3.0, -2.0, 6.0, 4.0)).values.shape
    (2, 3)
    """

    values: Array
    extent: tuple[float, float, float, float]


class Pictures:
    """Pictures of the shots of a run, read as they are asked for.

    Parameters
    ----------
    run : Run

    Examples
    --------
    >>> import tempfile, xfeldask
    >>> path, two = tempfile.mkdtemp() + "/run.zarr", ([[0, 0, 0], [2e-9, 0, 0]], ["C", "C"])
    >>> _ = xfeldask.simulate(path, particle=two, detector="square-32", n_shots=4, progress=False)
    >>> pictures = Pictures(xfeldask.open_run(path))
    >>> pictures.binned(0).values.shape, pictures.particles(0).extent[2] > 0
    ((32, 32), True)
    """

    def __init__(self, run: Run) -> None:
        self.run = run
        self._counted: dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]] = {}

    @cached_property
    def has_particles(self) -> bool:
        """Whether the store holds the places of the particles and what they are made of."""
        return self.run.mixture is not None and all(name in self.run for name in PLACED)

    def binned(self, shot: int) -> Picture:
        """Read the photons of a shot in bins; raise CorruptStoreError where they cannot be read."""
        values = self._read("image", shot).astype(np.float32)
        values[self.grid.weight == 0] = np.nan
        return Picture(values, _extent(self.grid))

    def whole(self, shot: int) -> Picture:
        """Read the photons of a shot in each pixel; raise CorruptStoreError where they cannot be read."""
        frame = self._read("photons", shot)
        return Picture(self._accessor.assemble(frame).astype(np.float32), self.whole_extent)

    def particles(self, shot: int) -> Picture | None:
        """Project a shot's particles along the beam [electrons/nm2]; None where the store does not tell."""
        mixture = self.run.mixture
        if mixture is None or not self.has_particles:
            return None
        members, position = self._members(mixture, shot)
        middle = center_of(position)
        matter = [self._points(mixture.bodies[body]) for body in members.body]
        where = members.position[:, None], members.size[:, None], members.orientation[:, None]
        extents = [
            extent_of(points, place, size, middle) for (points, _), place, size in zip(matter, *where[:2], strict=True)
        ]
        # a blank is as wide as a particle would be
        extent = max(extents, default=extent_of(self._points(mixture.wanted_body)[0], np.full((1, 3), np.nan)))
        image = np.zeros((PARTICLE_PIXELS, PARTICLE_PIXELS))
        for (points, weight), place, size, turn, growth in zip(matter, *where, members.growth, strict=True):
            image += projection(points, weight * growth, turn, place, extent, PARTICLE_PIXELS, size, middle)
        (x, y), side = middle, 2 * extent * NM
        return Picture(image.astype(np.float32), ((x - extent) * NM, (y - extent) * NM, side, side))

    def _members(self, mixture: Mixture, shot: int) -> tuple[Members, NDArray[np.float64]]:
        """Bodies of a shot's particles, and the places of these (particle, 3)."""
        at = [np.asarray(array[shot], np.float64) for array in (self._truth[name] for name in PLACED)]
        there = np.isfinite(at[1]).all(axis=1) & np.isfinite(at[0]).all(axis=1)
        orientation, position, size = (values[there] for values in at)
        if not self.run.species:
            return whole(orientation, position, size), position
        species, variant = (np.asarray(self.run.array(name)[shot])[there] for name in ("species", "variant"))
        return taken_apart(mixture, species, variant, orientation, position, size), position

    @cached_property
    def _truth(self) -> dict[str, zarr.Array[Any]]:
        return {name: self.run.array(name) for name in PLACED}

    def _points(self, body: Body) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Places (n, 3) [m] and electrons (n,) of a body's atoms, or of points all over a spheroid."""
        if body.name not in self._counted:
            matter = body.matter
            if isinstance(matter, Atoms):
                found = matter.position, electrons(matter.element, matter.occupancy)
            else:
                found = matter.points(SPHEROID_POINTS), np.full(SPHEROID_POINTS, matter.electrons / SPHEROID_POINTS)
            self._counted[body.name] = found
        return self._counted[body.name]

    def _read(self, name: str, shot: int) -> NDArray[Any]:
        try:
            return self.run.read(name, shot)
        except Exception as error:  # a decoder may raise anything on damaged bytes
            told = f"shot {shot:,} cannot be read ({error}); xfeldask verify names what is broken"
            raise CorruptStoreError(told) from error

    @property
    def grid(self) -> ImageGrid:
        """Bins of the stored images in reciprocal space."""
        return self.run.image_grid

    @cached_property
    def _accessor(self) -> XfelAccessor:
        return XfelAccessor(self.run.dataset(chunks=None))

    @cached_property
    def whole_extent(self) -> tuple[float, float, float, float]:
        """Place of assembled patterns: left, bottom, width, height [1/nm]."""
        return _extent(image_grid(self.run.geometry, self.run.wavelength, 1))


def _extent(grid: ImageGrid) -> tuple[float, float, float, float]:
    """Return left, bottom, width, height of an image [1/nm]."""
    (bottom, height), (left, width) = (
        (-(center + 0.5) * step / NM, n * step / NM)
        for center, step, n in zip(grid.center, grid.step, grid.shape, strict=True)
    )
    return left, bottom, width, height
