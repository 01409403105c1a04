"""What a shot scatters: the amplitude of its bodies and the photons that are expected; what kernels know of it all."""

from __future__ import annotations

from math import sqrt
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from xfeldask.physics.elementary import cosine_sine
from xfeldask.physics.jit import inline_kernel, inner_inline_kernel, inner_kernel, kernel
from xfeldask.physics.spheroid import spheroid_at, turns_of
from xfeldask.physics.volume import interpolate_at


class Level(NamedTuple):
    """Bounds of all bodies as kernels take them, one behind another: see `Bound`.

    Attributes
    ----------
    cell, reach : float32 (cells of all bodies,)
    start : int64 (body,), the first cell of each
    side : int64 (body,), cells a side
    origin, per_s : float64 (body,), coordinate of s = 0 in cells, and cells a 1/m
    distance : float64 (body,), how far from where it is looked up a bound holds [1/m]
    """

    cell: NDArray[np.float32]
    reach: NDArray[np.float32]
    start: NDArray[np.int64]
    side: NDArray[np.int64]
    origin: NDArray[np.float64]
    per_s: NDArray[np.float64]
    distance: NDArray[np.float64]


class Scatterer(NamedTuple):
    """Form factors of all bodies and their bounds as kernels take them.

    Attributes
    ----------
    grid : float32, see `interpolate_at`
    start : int64 (body,), the first number of each on `grid`
    side : int64 (body,), grid points a side; 0 for a spheroid in closed form
    taps : float32 (body, 4, 4)
    origin, per_s : float64 (body,), grid coordinate of s = 0, and grid steps a 1/m
    spheroid : float64 (body, 3), semi-axes across and along z [m], electrons
    coarse, fine : Level
    """

    grid: NDArray[np.float32]
    start: NDArray[np.int64]
    side: NDArray[np.int64]
    taps: NDArray[np.float32]
    origin: NDArray[np.float64]
    per_s: NDArray[np.float64]
    spheroid: NDArray[np.float64]
    coarse: Level
    fine: Level


class Screen(NamedTuple):
    """Pixels and tiles as kernels take them.

    Attributes
    ----------
    pixel : float32 (n, 4), position x, y, z [m], and 1 for a good pixel, 0 for a masked one
    stride : int, pixels from one row of a panel to the next
    center, spread, tile : see `Tiles`
    first_fine : int, the first tile of level 1; those before it are of level 0
    shade : float32 (n,), background of each pixel over the mean of all; empty where it is uniform
    shaded : float64 (n,), their cumulative sums; empty likewise
    """

    pixel: NDArray[np.float32]
    stride: int
    center: NDArray[np.float64]
    spread: NDArray[np.float64]
    tile: NDArray[np.int64]
    first_fine: int
    shade: NDArray[np.float32]
    shaded: NDArray[np.float64]


class Shot(NamedTuple):
    """What is known of a shot before its photons are drawn; ``k`` bodies, each a particle or a member of one.

    Attributes
    ----------
    rotation : float64 (k, 3, 3), r' = R r
    position : float64 (k, 3) [m]
    strength : float64 (k,), square root of fluence x pixel area x r_e^2
    size : float64 (k,), F(s) is taken at size x s
    wavenumber : float, 1 / wavelength [1/m]
    center : float64 (2,), where the beam meets the detector [m]
    background : float, expected photons a pixel, on average over all
    key : uint64, of the photons' random stream
    body : int64 (k,), whose form factor each has
    """

    rotation: NDArray[np.float64]
    position: NDArray[np.float64]
    strength: NDArray[np.float64]
    size: NDArray[np.float64]
    wavenumber: float
    center: NDArray[np.float64]
    background: float
    key: np.uint64
    body: NDArray[np.int64]


@inline_kernel
def scattering(shot: Shot, x: float, y: float, z: float) -> tuple[float, float, float, float]:
    """Scattering vector [1/m] and polarization x solid angle / area [1/m^2] of a pixel at (x, y, z) [m].

    Examples
    --------
    >>> one = Shot(np.eye(3)[None], np.zeros((1, 3)), np.ones(1), np.ones(1), 1e10, np.zeros(2), 0.0, np.uint64(1),
    ...            np.zeros(1, np.int64))
    >>> # where the beam meets the detector nothing is scattered off, and a pixel's area counts in full
    >>> scattering(one, 0.0, 0.0, 0.1)
    (0.0, 0.0, -0.0, 100.0)
    """
    x, y = x - shot.center[0], y - shot.center[1]
    inverse_r = 1.0 / sqrt(x * x + y * y + z * z)
    f = shot.wavenumber * inverse_r
    # z / r - 1 without cancellation
    sz = -(x * x + y * y) * inverse_r / (1.0 + z * inverse_r) * f
    cosine = x * inverse_r
    return x * f, y * f, sz, (1.0 - cosine * cosine) * z * inverse_r * inverse_r * inverse_r


@inner_inline_kernel
def in_frame(shot: Shot, k: int, sx: float, sy: float, sz: float) -> tuple[float, float, float]:
    """``size * R^T s`` of body `k`."""
    r, size = shot.rotation[k], shot.size[k]
    return (
        (r[0, 0] * sx + r[1, 0] * sy + r[2, 0] * sz) * size,
        (r[0, 1] * sx + r[1, 1] * sy + r[2, 1] * sz) * size,
        (r[0, 2] * sx + r[1, 2] * sy + r[2, 2] * sz) * size,
    )


@inner_inline_kernel
def _amplitude(body: Scatterer, shot: Shot, k: int, sx: float, sy: float, sz: float) -> tuple[float, float]:
    """Amplitude of body `k`, as if it were at 0."""
    a, b, c = in_frame(shot, k, sx, sy, sz)
    which = shot.body[k]
    if body.side[which] == 0:
        turns = turns_of(body.spheroid[which, 0], body.spheroid[which, 1], a, b, c)
        return body.spheroid[which, 2] * spheroid_at(turns) * shot.strength[k], 0.0
    per_s, origin = body.per_s[which], body.origin[which]
    f_re, f_im = interpolate_at(
        body.grid,
        body.start[which],
        body.side[which],
        body.taps[which],
        a * per_s + origin,
        b * per_s + origin,
        c * per_s + origin,
    )
    return f_re * shot.strength[k], f_im * shot.strength[k]


@inner_inline_kernel
def intensity_at(body: Scatterer, shot: Shot, sx: float, sy: float, sz: float) -> float:
    """Squared modulus of the bodies' summed amplitudes, each at its place."""
    re = im = 0.0
    for k in range(shot.strength.size):
        f_re, f_im = _amplitude(body, shot, k, sx, sy, sz)
        if shot.strength.size == 1:
            return float(f_re * f_re + f_im * f_im)
        d = shot.position[k]
        cosine, sine = cosine_sine(sx * d[0] + sy * d[1] + sz * d[2])
        re += f_re * cosine - f_im * sine
        im += f_re * sine + f_im * cosine
    return re * re + im * im


@inner_inline_kernel
def background_at(screen: Screen, shot: Shot, p: int) -> float:
    """Return the expected background photons of a pixel."""
    return shot.background if screen.shade.size == 0 else shot.background * screen.shade[p]


@kernel
def expected(body: Scatterer, screen: Screen, shot: Shot, out: NDArray[np.float32]) -> None:
    """Write the expected photons of every pixel, background included; 0 where masked. `out` (n,)."""
    for p in range(out.size):
        out[p] = 0.0
        if screen.pixel[p, 3] > 0:
            sx, sy, sz, factor = scattering(shot, screen.pixel[p, 0], screen.pixel[p, 1], screen.pixel[p, 2])
            out[p] = factor * intensity_at(body, shot, sx, sy, sz) + background_at(screen, shot, p)


@inner_kernel
def intensities(body: Scatterer, shot: Shot, s: NDArray[np.float64], out: NDArray[np.float64]) -> None:
    """Write `intensity_at` at each `s` (n, 3), by a loop of its own where there is but one body, on a grid."""
    if shot.strength.size != 1 or body.side[shot.body[0]] == 0:
        for c in range(len(s)):
            out[c] = intensity_at(body, shot, s[c, 0], s[c, 1], s[c, 2])
        return
    which, strength = shot.body[0], shot.strength[0]
    start, side, taps = body.start[which], body.side[which], body.taps[which]
    per_s, origin = body.per_s[which], body.origin[which]
    for c in range(len(s)):
        x, y, z = in_frame(shot, 0, s[c, 0], s[c, 1], s[c, 2])
        f_re, f_im = interpolate_at(
            body.grid, start, side, taps, x * per_s + origin, y * per_s + origin, z * per_s + origin
        )
        re, im = f_re * strength, f_im * strength
        out[c] = re * re + im * im
