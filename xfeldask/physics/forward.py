"""The forward model: particle, detector and beam put together once, shots drawn from it many times."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, pairwise

import numpy as np
from numpy.typing import NDArray

from xfeldask.config import Beam
from xfeldask.physics import sampling, scattering
from xfeldask.physics.bounds import Bound, bound_volume
from xfeldask.physics.detectors import (
    R_E,
    Geometry,
    length_of,
    polarization,
    scattering_vector,
    solid_angle,
    wavelength,
)
from xfeldask.physics.images import Photons
from xfeldask.physics.interpolation import TAPS, Table
from xfeldask.physics.orientations import even_directions
from xfeldask.physics.scattering import Level, Scatterer, Screen, Shot
from xfeldask.physics.shot_blocks import Shots, join, some, split
from xfeldask.physics.species import Form, form_amplitude
from xfeldask.physics.tiles import Tiles, cut
from xfeldask.physics.volume import OVERSAMPLING, Volume

REACH = 1.4
"""How far a tile reaches in reciprocal space, in grid steps."""

MOST_REACH = 8.0
"""Steps that a tile may reach: bounds of larger ones promise nothing and take for ever."""

LEAST_S = 1.0
"""Of a detector of one pixel, which the beam meets in its middle [1/m]."""

ZOOM = 0.25
"""Fraction of the detector's radius within which tiles are quartered and bounds are finer."""

ENOUGH = 1 << 20
"""Photons after which no further shot is drawn into the same block."""

NOT_DRAWN = -1
"""End of the photons of a shot that was not drawn."""

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
    screens : tuple of Screen, one for each body, its tiles small against that body's form factor
    step : float64 (body,), how far the form factor of each varies little [1/m]
    shape : (panel, ss, fs)
    """

    scatterer: Scatterer
    screens: tuple[Screen, ...]
    step: NDArray[np.float64]
    shape: tuple[int, int, int]

    @property
    def screen(self) -> Screen:
        """Screen of the first body."""
        return self.screens[0]

    def screen_of(self, shot: Shot) -> Screen:
        """Return the finest of the screens of a shot's bodies; the bounds of all of them hold for its tiles."""
        return self.screens[self._finest(shot.body)]

    def _finest(self, bodies: NDArray[np.int64]) -> int:
        return int(bodies[self.step[bodies].argmin()]) if bodies.size else 0

    def expected(self, shot: Shot) -> NDArray[np.float32]:
        """Compute the expected photons of a shot, float32 (panel, ss, fs)."""
        out = np.empty(self.screen.pixel.shape[0], np.float32)
        scattering.expected(self.scatterer, self.screen, shot, out)
        return out.reshape(self.shape)

    def draw(self, shot: Shot) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
        """Draw the photons of a shot by the cheaper of the two samplers.

        Returns
        -------
        uint32 (event,), flat index of a pixel, and int64 (event,), photons in it; in no order
        """
        ((drawn,),) = self.draw_blocks(join([shot]))
        return drawn

    def draw_blocks(self, shots: Shots) -> Iterator[Photons]:
        """Draw the photons of shots as `draw` does, a block of shots at a time."""
        screens = [0] * len(shots.key)
        if len(self.screens) > 1:
            screens = [self._finest(shots.body[first:last]) for first, last in pairwise(shots.start.tolist())]
        begun = 0
        for index, alike in groupby(screens):
            end = begun + len(list(alike))
            while begun < end:
                block = self._draw_block(self.screens[index], some(shots, begun, end))
                yield block
                begun += len(block)

    def _draw_block(self, screen: Screen, shots: Shots) -> Photons:
        """Draw the first of some shots, or the first few."""
        start = np.full(len(shots.key) + 1, NOT_DRAWN)
        start[0] = 0
        most = sampling.CANDIDATES_PER_PIXEL * screen.pixel.shape[0]
        pixel = sampling.draw_several(self.scatterer, screen, shots, most, ENOUGH, start)
        start = start[start != NOT_DRAWN]
        if start.size > 1:
            return Photons(pixel, np.ones(pixel.size, np.int64), start)
        pixel, count = sampling.draw_every_pixel(self.scatterer, screen, next(split(shots)))
        return Photons(pixel, count, np.array([0, pixel.size]))


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
    across, z = length_of(position[..., :2]) + margins.center, position[..., 2]
    r = np.sqrt(across * across + z * z)
    # 2 sin(theta / 2), from cos(theta) = z / r
    return max(LEAST_S, float(np.sqrt(2 * across * across / (r * (r + z))).max() / wavelength * margins.scale))


def make_forward_model(
    forms: Form | Sequence[Form],
    geometry: Geometry,
    wavelength: float,
    margins: Margins,
    background: NDArray[np.float32] | None = None,
) -> ForwardModel:
    """Prepare bounds and tiles.

    Parameters
    ----------
    forms : Form, or one for each body; volumes to at least `largest_s`
    geometry : Geometry
    wavelength : float [m]
    margins : Margins
    background : (panel, ss, fs), that of each pixel over the mean of all; uniform when not given
    """
    several = list(forms) if isinstance(forms, Sequence) else [forms]
    step = np.array([_step(form) for form in several])
    cuttings = [_cut(geometry, wavelength, margins, length) for length in step.tolist()]
    s_max = largest_s(geometry, wavelength, margins)
    levels: list[list[tuple[Bound | None, float]]] = [[], []]
    for form, length in zip(several, step, strict=True):
        # a body is drawn on its own screen or on that of a finer one beside it
        met = [cutting for cutting, other in zip(cuttings, step, strict=True) if other <= length]
        for level, fineness in ((0, 1), (1, FINENESS)):
            reach = max(cutting.reach[level] for cutting in met)
            s_level = min(s_max, max(cutting.s_max[level] for cutting in met))
            bound = bound_volume(form, s_level, reach, fineness) if isinstance(form, Volume) else None
            levels[level].append((bound, reach))
    pixel, shade = _pixels(geometry), np.zeros(0, np.float32) if background is None else background.ravel()
    screens = tuple(_screen(pixel, geometry, cutting.tiles, shade) for cutting in cuttings)
    coarse, fine = (_level(bounds, step) for bounds in levels)
    return ForwardModel(_scatterer(several, coarse, fine), screens, step, geometry.shape)


def _step(form: Form) -> float:
    """Distance over which a form factor varies little [1/m]: the step of its grid, or what that would be."""
    return form.step if isinstance(form, Volume) else 1 / (2 * OVERSAMPLING[0] * form.radius)


@dataclass(frozen=True)
class _Cutting:
    """Tiles for one body, and by their level how far they reach and the largest abs(s) of their centres [1/m]."""

    tiles: Tiles
    reach: tuple[float, float]
    s_max: tuple[float, float]


def _cut(geometry: Geometry, wavelength: float, margins: Margins, step: float) -> _Cutting:
    position = geometry.pixel_position
    nearest = float(length_of(position).min())
    per_m = margins.scale / (wavelength * nearest)
    side = max(2, int(REACH * step / per_m * np.sqrt(2) / geometry.pixel_size) + 1)
    distance = float(length_of(position[..., :2]).max())
    tiles = cut(geometry, min(side, 64), distance * ZOOM)
    radial = np.linalg.norm(tiles.center[:, :2], axis=1) + margins.center
    apart = np.linalg.norm(tiles.center, axis=1) - margins.center - tiles.spread
    with np.errstate(divide="ignore"):
        # pixels are single precision in the kernels
        reaches = tiles.spread / apart * (margins.scale / wavelength * (1 + 1e-5))
    bounded = (apart > 0) & (reaches < MOST_REACH * step)
    reach, s_level = [0.0, 0.0], [0.0, 0.0]
    for level in (0, 1):
        mine = (tiles.level == level) & bounded
        if mine.any():
            reach[level] = float(reaches[mine].max())
            s_level[level] = float((radial[mine] / tiles.center[mine, 2]).max()) * margins.scale / wavelength
    # the others reach everywhere: where a shot has one, every pixel is drawn
    tiles = replace(tiles, spread=np.where(bounded, tiles.spread, np.inf))
    return _Cutting(tiles, (reach[0], reach[1]), (s_level[0], s_level[1]))


def mean_photons(form: Form, geometry: Geometry, beam: Beam, s_max: float) -> float:
    """Estimate the expected photons of a single hit at full fluence on all good pixels, averaged over orientations.

    abs(F)^2 is averaged over 400 directions on each of 256 shells of abs(s), up to `s_max` [1/m], as of
    `largest_s`.

    Examples
    --------
    >>> from xfeldask.config import BEAMS
    >>> from xfeldask.physics.atoms import make_atoms
    >>> from xfeldask.physics.detectors import square
    >>> from xfeldask.physics.volume import build_volume
    >>> carbon, detector = make_atoms([[0, 0, 0]], ["C"]), square(32, 2.4e-3, 0.15)
    >>> lam = wavelength(BEAMS["amo86615"].photon_energy)
    >>> s_max = largest_s(detector, lam, Margins())
    >>> f'{mean_photons(build_volume(carbon, s_max), detector, BEAMS["amo86615"], s_max):.2g}'
    '8.4e-05'
    """
    shell = np.linspace(0, s_max, 256)
    amplitude = form_amplitude(form, shell[:, None, None] * even_directions(400))
    intensity = (amplitude.real * amplitude.real + amplitude.imag * amplitude.imag).mean(axis=1, dtype=np.float64)
    s = length_of(scattering_vector(geometry.pixel_position, wavelength(beam.photon_energy)))
    factor = beam.fluence * R_E * R_E * polarization(geometry) * solid_angle(geometry) * geometry.mask
    return float((factor * Table(intensity, shell[1])(s)).sum())


def _level(bounds: list[tuple[Bound | None, float]], step: NDArray[np.float64]) -> Level:
    side = np.array([0 if bound is None else bound.cell.shape[0] for bound, _ in bounds])
    per_s = [0.0 if bound is None else bound.fineness / length for (bound, _), length in zip(bounds, step, strict=True)]
    return Level(
        _joined([bound.cell.ravel() for bound, _ in bounds if bound is not None]),
        _joined([bound.reach.ravel() for bound, _ in bounds if bound is not None]),
        _starts(side**3),
        side,
        np.array([0.0 if bound is None else bound.origin for bound, _ in bounds]),
        np.array(per_s),
        np.array([reach for _, reach in bounds]),
    )


def _scatterer(forms: list[Form], coarse: Level, fine: Level) -> Scatterer:
    side = np.array([form.values.shape[0] if isinstance(form, Volume) else 0 for form in forms])
    spheroid = [
        (0.0, 0.0, 0.0) if isinstance(form, Volume) else (form.across, form.along, form.electrons) for form in forms
    ]
    no_taps = np.zeros((TAPS, TAPS), np.float32)
    return Scatterer(
        _joined([form.flat for form in forms if isinstance(form, Volume)]),
        _starts(2 * side**3),
        side,
        np.stack([form.taps if isinstance(form, Volume) else no_taps for form in forms]),
        np.array([form.origin if isinstance(form, Volume) else 0.0 for form in forms]),
        np.array([1 / form.step if isinstance(form, Volume) else 0.0 for form in forms]),
        np.array(spheroid),
        coarse,
        fine,
    )


def _joined(parts: list[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Join arrays one behind another; one alone is not copied."""
    return parts[0] if len(parts) == 1 else np.concatenate([*parts, np.zeros(0, np.float32)])


def _starts(lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.cumsum(lengths) - lengths


def _pixels(geometry: Geometry) -> NDArray[np.float32]:
    return np.concatenate(
        [geometry.pixel_position.reshape(-1, 3), geometry.mask.reshape(-1, 1)], axis=1, dtype=np.float32
    )


def _screen(pixel: NDArray[np.float32], geometry: Geometry, tiles: Tiles, shade: NDArray[np.float32]) -> Screen:
    first_fine = int(np.searchsorted(tiles.level, 1))
    shaded = np.cumsum(shade, dtype=np.float64)
    return Screen(pixel, geometry.shape[2], tiles.center, tiles.spread, tiles.pixel, first_fine, shade, shaded)
