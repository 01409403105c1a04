"""The two spaces of a shot: its pattern, binned or whole, and its particles as the beam sees them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from xfeldask.errors import CorruptStoreError
from xfeldask.explorer.model.particle import center_of, electrons, extent_of, projection, radius_of
from xfeldask.features.profiles import radial_profile, s_edges
from xfeldask.physics.atoms import Atoms
from xfeldask.physics.binning import ImageGrid, image_grid
from xfeldask.physics.members import Members, taken_apart, whole
from xfeldask.physics.reach import reach
from xfeldask.physics.species import Body, Mixture
from xfeldask.store.accessor import XfelAccessor
from xfeldask.store.run import Run
from xfeldask.units import shown

Array = NDArray[np.float32]

PARTICLE_PIXELS = 128
SPHEROID_POINTS = 50_000
"""By which a spheroid is shown."""
PHOTONS, LOW_Q, WHOLE = "photons", "low q", "whole detector"
ZOOMS = (PHOTONS, LOW_Q, WHOLE)
"""Parts of the detector that pictures of patterns can show: the square that holds the photons of the run, the finer
bins about the beam, everything."""
SAMPLE = 100
"""Shots by which it is found where the photons of a run lie."""
HELD = 0.9
"""Fraction of the photons about the beam that is looked at; the rest is mostly background."""
ENOUGH = 0.8
"""Fraction of the photons that the finer bins must hold, to be what is shown of them."""
AT_ONCE = 16
"""Images that are read at a time."""
RINGS = 64
"""Of a radial curve, out to the corner."""
CHUNKS = 24
"""Of truth that are kept: all of a million shots."""
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
        self._arrays: dict[str, zarr.Array[Any]] = {}
        self._rows = lru_cache(CHUNKS)(self._read_rows)
        self._found: tuple[bool, float] | None = None
        self._counted: dict[str, tuple[NDArray[np.float64], NDArray[np.float64], float]] = {}

    @cached_property
    def has_particles(self) -> bool:
        """Whether the store holds the places of the particles and what they are made of."""
        return self.run.mixture is not None and all(name in self.run for name in PLACED)

    def binned(self, shot: int) -> Picture:
        """Read the photons of a shot in bins; raise CorruptStoreError where they cannot be read."""
        values = self._read("image", shot).astype(np.float32)
        values[self.grid.weight == 0] = np.nan
        return Picture(values, self.binned_extent)

    def seen(self, shot: int, zoom: str = PHOTONS) -> Picture:
        """Read the part of a shot's photons that is looked at, one of `ZOOMS`, in the finest bins that hold it.

        Raises
        ------
        CorruptStoreError
            The photons cannot be read.
        """
        return self._shown(self._read(self.bins(zoom)[0], shot), zoom)

    def _shown(self, image: NDArray[Any], zoom: str) -> Picture:
        """Return the part that is looked at of an image in these bins."""
        grid, values = self.bins(zoom)[1], image.astype(np.float32)
        values[grid.weight == 0] = np.nan
        return self.cut(Picture(values, _extent(grid)), zoom)

    def tiles(self, shots: Sequence[int], zoom: str, labels: Sequence[str]) -> tuple[list[Array], list[str]]:
        """Read the same of several shots: values, and labels, which tell of shots that cannot be read."""
        values, told = [], []
        for image, label in zip(self._read_each(self.bins(zoom)[0], shots), labels, strict=True):
            values.append(np.full((1, 1), np.nan, np.float32) if image is None else self._shown(image, zoom).values)
            told.append(f"{label} · damaged" if image is None else label)
        return values, told

    def bins(self, zoom: str) -> tuple[str, ImageGrid]:
        """Return the array of the finest bins that hold what is looked at, and where these bins lie."""
        near = zoom == LOW_Q or (zoom == PHOTONS and self._near_beam)
        return ("low_q", self.run.low_q_grid) if near else ("image", self.grid)

    def extent_of(self, zoom: str) -> tuple[float, float, float, float]:
        """Place of these bins: left, bottom, width, height [1/nm]."""
        return _extent(self.bins(zoom)[1])

    def block(self, name: str, shots: NDArray[np.int64]) -> NDArray[Any]:
        """Read an array of images of some shots, ascending and near each other, (shot, y, x).

        Raises
        ------
        CorruptStoreError
            The photons cannot be read.
        """
        first = int(shots[0])
        return self._read(name, slice(first, int(shots[-1]) + 1))[shots - first]

    def cut(self, picture: Picture, zoom: str) -> Picture:
        """Return the part of a picture of a pattern that is looked at, whole bins."""
        if zoom == WHOLE:
            return picture
        left, bottom, width, height = picture.extent
        ny, nx = picture.values.shape
        half = self._reach if zoom == PHOTONS else max(map(abs, _extent(self.run.low_q_grid)[:2]))
        columns, rows = (
            np.flatnonzero(np.abs(start + (np.arange(n) + 0.5) * size / n) <= half * (1 + 1e-9))
            for start, size, n in ((left, width, nx), (bottom, height, ny))
        )
        if not len(columns) or not len(rows):
            return picture
        (x0, x1), (y0, y1) = ((int(at[0]), int(at[-1]) + 1) for at in (columns, rows))
        extent = left + x0 * width / nx, bottom + y0 * height / ny, (x1 - x0) * width / nx, (y1 - y0) * height / ny
        return Picture(np.ascontiguousarray(picture.values[y0:y1, x0:x1]), extent)

    def radial(self, shots: Sequence[int]) -> tuple[NDArray[np.float64], Array]:
        """Return mean photons a bin of some shots in rings about the beam, as far as photons are looked at.

        Returns
        -------
        q : float64 (ring,), middles of the rings [1/nm]
        photons : float32 (shot, ring)
        """
        return self.profiles(self.finest(shots)[1])

    def profiles(self, images: NDArray[Any]) -> tuple[NDArray[np.float64], Array]:
        """Return the same of images (shot, y, x) in the finest bins."""
        grid = self.bins(PHOTONS)[1]
        edges = s_edges(grid, RINGS) / NM
        q = (edges[1:] + edges[:-1]) / 2
        near = q <= self._reach
        return q[near], radial_profile(images, grid, RINGS)[:, near]

    def finest(self, shots: Sequence[int]) -> tuple[ImageGrid, NDArray[Any]]:
        """Read some shots in the finest bins that hold what is looked at, as stored (shot, y, x); these bins first."""
        name, grid = self.bins(PHOTONS)
        return grid, np.stack([self._read(name, int(shot)) for shot in shots])

    @property
    def _near_beam(self) -> bool:
        """Whether the finer bins about the beam hold most photons of the run."""
        return self._look()[0]

    @property
    def _reach(self) -> float:
        """Half the width of the square that holds the run's photons [1/nm], of those about the beam if most are."""
        return self._look()[1]

    def _look(self) -> tuple[bool, float]:
        """Find both by some shots; once for all who look, if these hold photons, or there are as many as need be."""
        if self._found is not None:
            return self._found
        done = np.flatnonzero(self.run.done())
        low, image = self._sums(done)
        near = bool(low.sum() >= ENOUGH * image.sum())
        summed, of = (low, self.run.low_q_grid) if near else (image, self.grid)
        left, bottom, width, height = _extent(of)
        ny, nx = summed.shape
        x, y = left + (np.arange(nx) + 0.5) * width / nx, bottom + (np.arange(ny) + 0.5) * height / ny
        found = near, reach(summed, x, y, HELD)
        if image.any() or len(done) >= min(SAMPLE, self.run.n_shots):
            self._found = found
        return found

    def _sums(self, done: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Add up `low_q` and `image` of some of these shots, evenly chosen; of what cannot be read there is nothing."""
        some = done[np.unique(np.linspace(0, len(done) - 1, SAMPLE).astype(int))] if len(done) else done
        out = np.zeros(self.run.low_q_grid.shape), np.zeros(self.grid.shape)
        for both in zip(*(self._read_each(name, some.tolist()) for name in ("low_q", "image")), strict=True):
            for total, values in zip(out, both, strict=True):
                # of the same shots, as one is compared with the other
                total += 0 if values is None or any(one is None for one in both) else values
        return out

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
            extent_of(radius, place, size, middle) for (*_, radius), place, size in zip(matter, *where[:2], strict=True)
        ] or [extent_of(self._points(mixture.wanted_body)[2], np.full((1, 3), np.nan))]
        # a blank is as wide as a particle would be
        extent = max(extents)
        image = np.zeros((PARTICLE_PIXELS, PARTICLE_PIXELS))
        for (points, weight, _), place, size, turn, growth in zip(matter, *where, members.growth, strict=True):
            image += projection(points, weight * growth, turn, place, extent, PARTICLE_PIXELS, size, middle)
        (x, y), side = middle, 2 * extent * NM
        return Picture(image.astype(np.float32), ((x - extent) * NM, (y - extent) * NM, side, side))

    def _members(self, mixture: Mixture, shot: int) -> tuple[Members, NDArray[np.float64]]:
        """Bodies of a shot's particles, and the places of these (particle, 3)."""
        at = [np.asarray(self._told(name, shot), np.float64) for name in PLACED]
        there = np.isfinite(at[1]).all(axis=1) & np.isfinite(at[0]).all(axis=1)
        orientation, position, size = (values[there] for values in at)
        if not self.run.species:
            return whole(orientation, position, size), position
        species, variant = (self._told(name, shot)[there] for name in ("species", "variant"))
        return taken_apart(mixture, species, variant, orientation, position, size), position

    def _told(self, name: str, shot: int) -> NDArray[Any]:
        """Return what is true of a shot; its neighbours, which are stored with it, are kept for the next ones."""
        if name not in self._arrays:
            self._arrays[name] = self.run.array(name)
        rows = self._arrays[name].chunks[0]
        return np.asarray(self._rows(name, shot // rows)[shot % rows])

    def _read_rows(self, name: str, chunk: int) -> NDArray[Any]:
        array = self._arrays[name]
        rows = array.chunks[0]
        return np.asarray(array[chunk * rows : (chunk + 1) * rows])

    def _points(self, body: Body) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
        """Places (n, 3) [m] and electrons (n,) of a body's atoms, or of points all over a spheroid; their radius."""
        if body.name not in self._counted:
            matter = body.matter
            if isinstance(matter, Atoms):
                found = matter.position, electrons(matter.element, matter.occupancy)
            else:
                found = matter.points(SPHEROID_POINTS), np.full(SPHEROID_POINTS, matter.electrons / SPHEROID_POINTS)
            self._counted[body.name] = *found, radius_of(found[0])
        return self._counted[body.name]

    def _read(self, name: str, shot: int | slice) -> NDArray[Any]:
        try:
            return self.run.read(name, shot)
        except Exception as error:  # a decoder may raise anything on damaged bytes
            which = f"a shot from {shot.start:,} on" if isinstance(shot, slice) else f"shot {shot:,}"
            told = f"{which} cannot be read ({error}); xfeldask verify names what is broken"
            raise CorruptStoreError(told) from error

    def _read_each(self, name: str, shots: Sequence[int]) -> Iterator[NDArray[Any] | None]:
        """Read an image of each of some shots, None where it cannot be read; a bucket takes long for any of them."""

        def read(shot: int) -> NDArray[Any] | None:
            try:
                return self._read(name, shot)
            except CorruptStoreError:
                return None

        with ThreadPoolExecutor(AT_ONCE) as pool:
            yield from pool.map(read, shots)

    @property
    def grid(self) -> ImageGrid:
        """Bins of the stored images in reciprocal space."""
        return self.run.image_grid

    @cached_property
    def _accessor(self) -> XfelAccessor:
        return XfelAccessor(self.run.dataset(chunks=None))

    @property
    def binned_extent(self) -> tuple[float, float, float, float]:
        """Place of patterns in bins: left, bottom, width, height [1/nm]."""
        return _extent(self.grid)

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
