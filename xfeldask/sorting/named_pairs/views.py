"""What a particle looks like at a grid of rotations, and how likely shots are under one of it, and under two."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from xfeldask.latent.sent import FieldsOnly
from xfeldask.orient.rotations import RotationGrid, rotation_grid
from xfeldask.orient.sparse import Pixels, SparseFrames
from xfeldask.physics.volume import Volume, interpolate
from xfeldask.sorting.named_pairs import pair_kernels
from xfeldask.sorting.named_pairs.pair_places import Distances

REFINEMENT = 3
"""Of the rotations that shots are compared with: 1,380."""
ROWS = 12
"""Rotations of the brighter of two particles, those at which one alone is likeliest."""
KEPT = 8
"""Pairs of rotations whose fringes are looked for, the likeliest without them."""
BRIGHT = (0.5, 0.7, 0.85)
"""Parts of the light that the brighter of two particles has."""
HOW_OFTEN = (0.2, 0.4, 0.4)
"""How frequent these are, about, where particles lie anywhere in a Gaussian focus."""
MOST_PHOTONS = 1000
"""Photons of a shot that are compared, at most: of a brighter one as many, evenly taken, which tell enough."""
CELL = 4
"""Bins a side of the cells over which light is summed up."""
GOLDEN = 0.6180339887498949
"""Part of a turn by which photons are taken in turn from all radii."""
TINY = 1e-30
"""Sum of likelihoods that is taken for one of 0."""
DARK = 1e-6
"""Of the mean pattern's largest density, that it has at least."""
MOST_DARK = 0.9
"""Part of a shot's photons that are background, at most."""


@dataclass(frozen=True, eq=False)
class Views(FieldsOnly):
    """A particle's amplitude at all rotations, and the distances of two of them.

    Attributes
    ----------
    volume : Volume, form factor of the particle
    radius : float, of the particle [m]
    pixels : Pixels, that photons are in, as far as they are looked at
    background : float64 (pixel,), photons of background of a shot, on average
    distances : Distances
    refinement : int, of the rotations
    """

    volume: Volume
    radius: float
    pixels: Pixels
    background: NDArray[np.float64]
    distances: Distances
    refinement: int = REFINEMENT

    @cached_property
    def grid(self) -> RotationGrid:
        """Rotations that shots are compared with."""
        return rotation_grid(self.refinement)

    @cached_property
    def weight(self) -> NDArray[np.float32]:
        """Prior of each rotation, float32 (rotation,)."""
        return self.grid.weight[self.grid.weight > 0].astype(np.float32)

    @cached_property
    def _seen(self) -> tuple[NDArray[np.complex64], NDArray[np.float64]]:
        """Amplitudes (pixel, rotation) over that of their mean pattern, and this pattern (pixel,)."""
        amplitude = self._at(self.pixels.s)
        square = amplitude.real**2 + amplitude.imag**2
        total = self.pixels.factor @ square
        mean = square @ (self.weight / total)
        mean = np.maximum(mean, DARK * mean.max())
        return (amplitude / np.sqrt(total * mean[:, None])).astype(np.complex64), mean

    @property
    def mean_pattern(self) -> NDArray[np.float64]:
        """What pixels see of the particle in all orientations, up to a factor, float64 (pixel,)."""
        return np.asarray(self._seen[1] * self.pixels.factor)

    def _at(self, s: NDArray[np.float64]) -> NDArray[np.complex64]:
        """Return amplitudes (place, rotation)."""
        turns = self.grid.matrix[self.grid.weight > 0]
        out = np.empty((len(s), len(turns)), np.complex64)
        for index, turn in enumerate(turns):
            out[:, index] = interpolate(self.volume, s @ turn)
        return out

    @cached_property
    def _dark(self) -> NDArray[np.float32]:
        """Density of the background over that of the mean pattern, float32 (pixel,)."""
        density = self.background / max(self.background.sum(), 1e-300) / self.pixels.factor
        return np.asarray(density / self._seen[1], np.float32)

    @cached_property
    def _cells(self) -> tuple[NDArray[np.complex64], NDArray[np.float32], NDArray[np.float32]]:
        """Amplitudes of cells of the detector, and the phases there between two particles that overlap as seen."""
        s, factor = self.pixels.s, self.pixels.factor
        place = np.rint(s[:, :2] / (CELL * self.pixels.step)).astype(np.int64)
        cell = np.unique(place, axis=0, return_inverse=True)[1].reshape(-1)
        sees = np.bincount(cell, factor)
        middle = np.stack([np.bincount(cell, factor * s[:, axis]) / sees for axis in range(3)], axis=1)
        amplitude = self._at(middle) * np.sqrt(sees)[:, None]
        amplitude /= np.sqrt((np.abs(amplitude) ** 2).sum(axis=0))
        cosine, sine = self.phases(middle, self.distances.place[: self.near])
        return amplitude.astype(np.complex64), cosine, sine

    @cached_property
    def near(self) -> int:
        """How many of the distances are shorter than the particle is wide; they are the first."""
        return int(np.searchsorted(np.hypot(*self.distances.place[:-1].T), 2 * self.radius, "right"))

    def phases(
        self, s: NDArray[np.float64], place: NDArray[np.float64]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return cosines and sines (point, distance) of the phase between two particles, as far as bins show it."""
        turn = 2 * np.pi * (s[:, :2] @ place.T).astype(np.float32)
        shown = np.sinc(place * self.pixels.step).prod(axis=1).astype(np.float32)
        return np.cos(turn) * shown, np.sin(turn) * shown

    def log_ratios(self, frames: SparseFrames) -> NDArray[np.float64]:
        """Return how much likelier each shot is under two particles than under one, float64 (shot,) [nat].

        Parameters
        ----------
        frames : SparseFrames, of the pixels
        """
        out, inside = np.zeros(len(frames)), len(self.pixels.s)
        ends = frames.ends(inside)
        for shot in range(len(frames)):
            own = slice(frames.start[shot], ends[shot])
            out[shot] = self.log_ratio(np.repeat(frames.pixel[own].astype(np.int64), frames.count[own]))
        return out

    def log_ratio(self, pixel: NDArray[np.int64]) -> float:
        """Return how much likelier photons in these pixels are under two particles than under one [nat]."""
        if not len(pixel):
            return 0.0
        share = min(MOST_DARK, self.background.sum() / len(pixel))
        # those near the beam and far from it in turn: what is likeliest is then so from early on
        pixel = np.sort(pixel)[np.argsort(np.arange(len(pixel)) * GOLDEN % 1)[:MOST_PHOTONS]]
        amplitude, distances = self._seen[0], self.distances
        cells, cell_cosine, cell_sine = self._cells
        density = np.empty((len(pixel), len(self.weight)), np.float32)
        pair_kernels.densities(amplitude, self._dark, share, pixel, density)
        single = np.empty(len(self.weight), np.float32)
        alone = pair_kernels.likelihoods(density, self.weight, single) + np.log(max(single.sum(dtype=np.float64), TINY))
        rows = np.argsort(-single, kind="stable")[:ROWS]
        cosine, sine = self.phases(self.pixels.s[pixel], distances.place)
        cosine[:, -1] = sine[:, -1] = 0  # of fringes that are too fine
        prior, two = distances.prior.astype(np.float32), list[float]()
        first, second = np.empty((2, KEPT), np.int64)
        apart, fringes = np.empty((2, KEPT))
        for bright, often in zip(BRIGHT, HOW_OFTEN, strict=True):
            whole = pair_kernels.pairs(density, self.weight, rows, bright, single, apart, first, second)
            pair_kernels.interference(
                amplitude, cells, density, share, pixel, bright, first, second, cosine, sine, cell_cosine, cell_sine,
                prior, fringes,
            )  # fmt: skip
            # the mean over pairs, each as often as it is likely without fringes
            seen = np.logaddexp.reduce(apart + fringes) - np.logaddexp.reduce(apart)
            two.append(whole + seen + np.log(often))
        return float(np.logaddexp.reduce(two) - alone)


def photon_rms(volume: Volume, pixels: Pixels) -> float:
    """Return the root mean square distance of a particle's photons from the beam [1/m], in all orientations."""
    seen = sum(np.abs(interpolate(volume, pixels.s @ turn)) ** 2 for turn in rotation_grid(1).matrix)
    weight = pixels.factor * seen
    return float(np.sqrt(weight @ (pixels.s**2).sum(axis=1) / weight.sum()))
