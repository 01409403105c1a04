"""The forward model: particle, detector and beam put together once, shots drawn from it many times."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from xfeldask.config import Beam
from xfeldask.physics import sampling
from xfeldask.physics.bounds import Bound, bound_volume
from xfeldask.physics.detectors import (
    R_E,
    Geometry,
    polarization,
    scattering_vector,
    solid_angle,
    wavelength,
)
from xfeldask.physics.interpolation import Table
from xfeldask.physics.orientations import even_directions
from xfeldask.physics.sampling import Level, Scatterer, Screen, Shot
from xfeldask.physics.tiles import Tiles, cut
from xfeldask.physics.volume import Volume, interpolate

REACH = 1.4
"""How far a tile reaches in reciprocal space, in grid steps."""

MOST_REACH = 8.0
"""Steps that a tile may reach: bounds of larger ones promise nothing and take for ever."""

LEAST_S = 1.0
"""Of a detector of one pixel, which the beam meets in its middle [1/m]."""

ZOOM = 0.25
"""Fraction of the detector's radius within which tiles are quartered and bounds are finer."""

FINENESS = 3
"""Bound cells a grid step near the beam, where the form factor is steep; 1 elsewhere."""


@dataclass(frozen=True)
class Margins:
    """How far shots may leave the nominal geometry.

    Attributes
    ----------
    center : float, largest distance of the beam's centre from the axis [m]
    scale : float, largest factor on abs(s), from photon energy and particle size

    Examples
    --------
    >>> from xfeldask.physics.detectors import square
    >>> exact, spread = (largest_s(square(8, 1e-3, 0.1), 1e-10, Margins(scale=scale)) for scale in (1, 1.1))
    >>> round(spread / exact, 6)
    1.1
    """

    center: float = 0.0
    scale: float = 1.0


@dataclass(frozen=True)
class ForwardModel:
    """Everything that does not change from shot to shot.

    Attributes
    ----------
    scatterer : Scatterer
    screen : Screen
    shape : (panel, ss, fs)
    """

    scatterer: Scatterer
    screen: Screen
    shape: tuple[int, int, int]

    def expected(self, shot: Shot) -> NDArray[np.float32]:
        """Compute the expected photons of a shot, float32 (panel, ss, fs)."""
        out = np.empty(self.screen.pixel.shape[0], np.float32)
        sampling.expected(self.scatterer, self.screen, shot, out)
        return out.reshape(self.shape)

    def draw(self, shot: Shot) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
        """Draw the photons of a shot by the cheaper of the two samplers.

        Returns
        -------
        uint32 (event,), flat index of a pixel, and int64 (event,), photons in it; in no order
        """
        rate = np.empty(self.screen.spread.size)
        candidates = sampling.tile_rates(self.scatterer, self.screen, shot, rate)
        if not candidates <= sampling.CANDIDATES_PER_PIXEL * self.screen.pixel.shape[0]:
            return sampling.draw_every_pixel(self.scatterer, self.screen, shot)
        pixel = sampling.draw_thinned(self.scatterer, self.screen, shot, rate)
        return pixel, np.ones(pixel.size, np.int64)


def largest_s(geometry: Geometry, wavelength: float, margins: Margins) -> float:
    """Largest abs(s) at which an amplitude can be asked for [1/m].

    Examples
    --------
    >>> from xfeldask.physics.detectors import square
    >>> # in a corner: 2 sin(theta / 2) / wavelength
    >>> f"{largest_s(square(64, 1e-3, 0.1), 1e-10, Margins()):.3e}"
    '4.160e+09'
    """
    position = geometry.pixel_position
    across, z = np.linalg.norm(position[..., :2], axis=-1) + margins.center, position[..., 2]
    r = np.sqrt(across * across + z * z)
    # 2 sin(theta / 2), from cos(theta) = z / r
    return max(LEAST_S, float(np.sqrt(2 * across * across / (r * (r + z))).max() / wavelength * margins.scale))


def make_forward_model(volume: Volume, geometry: Geometry, wavelength: float, margins: Margins) -> ForwardModel:
    """Prepare bounds and tiles.

    Parameters
    ----------
    volume : Volume, to at least `largest_s`
    geometry : Geometry
    wavelength : float [m]
    margins : Margins
    """
    position = geometry.pixel_position
    nearest = float(np.linalg.norm(position, axis=-1).min())
    per_m = margins.scale / (wavelength * nearest)
    side = max(2, int(REACH * volume.step / per_m * np.sqrt(2) / geometry.pixel_size) + 1)
    s_max = largest_s(geometry, wavelength, margins)
    distance = float(np.linalg.norm(position[..., :2], axis=-1).max())
    tiles = cut(geometry, min(side, 64), distance * ZOOM)
    radial = np.linalg.norm(tiles.center[:, :2], axis=1) + margins.center
    apart = np.linalg.norm(tiles.center, axis=1) - margins.center - tiles.spread
    with np.errstate(divide="ignore"):
        # pixels are single precision in the kernels
        reaches = tiles.spread / apart * (margins.scale / wavelength * (1 + 1e-5))
    bounded = (apart > 0) & (reaches < MOST_REACH * volume.step)
    levels = []
    for level, fineness in ((0, 1), (1, FINENESS)):
        mine = (tiles.level == level) & bounded
        reach, s_level = 0.0, 0.0
        if mine.any():
            reach = float(reaches[mine].max())
            s_level = min(s_max, float((radial[mine] / tiles.center[mine, 2]).max()) * margins.scale / wavelength)
        levels.append(_level(bound_volume(volume, s_level, reach, fineness), volume.step))
    # the others reach everywhere: where a shot has one, every pixel is drawn
    tiles = replace(tiles, spread=np.where(bounded, tiles.spread, np.inf))
    scatterer = Scatterer(
        volume.values.view(np.float32), volume.taps, volume.origin, 1 / volume.step, levels[0], levels[1]
    )
    return ForwardModel(scatterer, _screen(geometry, tiles), geometry.shape)


def mean_photons(volume: Volume, geometry: Geometry, beam: Beam) -> float:
    """Estimate the expected photons of a single hit at full fluence on all good pixels, averaged over orientations.

    abs(F)^2 is averaged over 400 directions on each of 256 shells of abs(s).

    Examples
    --------
    >>> from xfeldask.config import BEAMS
    >>> from xfeldask.physics.atoms import make_atoms
    >>> from xfeldask.physics.detectors import square
    >>> from xfeldask.physics.volume import build_volume
    >>> carbon, detector = make_atoms([[0, 0, 0]], ["C"]), square(32, 2.4e-3, 0.15)
    >>> lam = wavelength(BEAMS["amo86615"].photon_energy)
    >>> volume = build_volume(carbon, largest_s(detector, lam, Margins()))
    >>> f'{mean_photons(volume, detector, BEAMS["amo86615"]):.2g}'
    '8.4e-05'
    """
    shell = np.linspace(0, volume.s_max, 256)
    amplitude = interpolate(volume, shell[:, None, None] * even_directions(400))
    intensity = (amplitude.real * amplitude.real + amplitude.imag * amplitude.imag).mean(axis=1, dtype=np.float64)
    s = np.linalg.norm(scattering_vector(geometry.pixel_position, wavelength(beam.photon_energy)), axis=-1)
    factor = beam.fluence * R_E * R_E * polarization(geometry) * solid_angle(geometry) * geometry.mask
    return float((factor * Table(intensity, shell[1])(s)).sum())


def _level(bound: Bound, step: float) -> Level:
    return Level(bound.cell.ravel(), bound.reach.ravel(), bound.cell.shape[0], bound.origin, bound.fineness / step)


def _screen(geometry: Geometry, tiles: Tiles) -> Screen:
    pixel = np.concatenate(
        [geometry.pixel_position.reshape(-1, 3), geometry.mask.reshape(-1, 1)], axis=1, dtype=np.float32
    )
    first_fine = int(np.searchsorted(tiles.level, 1))
    return Screen(pixel, geometry.shape[2], tiles.center, tiles.spread, tiles.pixel, first_fine)
