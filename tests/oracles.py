"""Slow, obviously right twins of the package's kernels, in plain Python and numpy."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import islice, product

import numpy as np
import xraydb
from scipy.special import ndtr

from xfeldask.physics.volume import interpolate

WORD = 2**64
R_E = 2.8179403205e-15


def splitmix64(state: int) -> Iterator[int]:
    """The generator as in Vigna's splitmix64.c."""
    while True:
        state = (state + 0x9E3779B97F4A7C15) % WORD
        z = state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) % WORD
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) % WORD
        yield z ^ (z >> 31)


def nth(state: int, n: int) -> int:
    """Output `n` of the generator, counted from 0."""
    return next(splitmix64((state + n * 0x9E3779B97F4A7C15) % WORD))


def hashed(z: int) -> int:
    """The generator's output function alone."""
    return next(splitmix64((z - 0x9E3779B97F4A7C15) % WORD))


def stream_key(seed: int, stream: int, shot: int) -> int:
    """Output `shot` of the stream's generator, whose state is hashed from the seed's first output."""
    return nth(hashed((nth(seed, 0) + stream * 0x9E3779B97F4A7C15) % WORD), shot)


def unit(bits: int) -> float:
    """The upper 53 of 64 bits as a fraction."""
    return (bits >> 11) / 2**53


def uniform(seed: int, stream: int, shot: int, count: int) -> list[float]:
    """The first `count` fractions of a shot's stream."""
    return [unit(bits) for bits in islice(splitmix64(stream_key(seed, stream, shot)), count)]


def poisson_by_gaps(state: int, mean: float) -> int:
    """How many unit exponential gaps fit below `mean`."""
    reached, count = 0.0, -1
    bits = splitmix64(state)
    while reached <= mean:
        reached -= math.log(1 - unit(next(bits)))
        count += 1
    return count


def poisson_by_rejection(state: int, mean: float) -> int:
    """Algorithm PTRS of Hörmann (1993), as its steps are printed."""
    bits = splitmix64(state)
    b = 0.931 + 2.53 * math.sqrt(mean)
    a = -0.059 + 0.02483 * b
    while True:
        u, v = unit(next(bits)) - 0.5, 1 - unit(next(bits))
        us = 0.5 - abs(u)
        k = math.floor((2 * a / us + b) * u + mean + 0.43)
        if us >= 0.07 and v <= 0.9277 - 3.6224 / (b - 2):
            return k
        if k < 0 or (us < 0.013 and v > us):
            continue
        scaled = v * (1.1239 + 1.1328 / (b - 3.4)) / (a / us**2 + b)
        if math.log(scaled) <= -mean + k * math.log(mean) - math.lgamma(k + 1):
            return k


def part_key(key: int, part: int) -> int:
    """Output `part` of the generator whose state is a shot's key: the state of that part's own generator."""
    return nth(key, part)


def tile_candidates(key: int, tile: int, rate: float, height: int, width: int) -> list[tuple[int, int, float]]:
    """Row, column and threshold of each candidate of a tile that has few: counted gaps, then two fractions for each."""
    state = part_key(key, tile + 1)
    number = poisson_by_gaps(state, rate * height * width)
    fractions = [unit(bits) for bits in islice(splitmix64(state), number + 1, 3 * number + 1)]
    inside = [int(u * height * width) for u in fractions[::2]]
    return [(at // width, at % width, u * rate) for at, u in zip(inside, fractions[1::2], strict=True)]


def summed_amplitude(atoms, s, rotation=None, place=(0.0, 0.0, 0.0)):
    """F(s) of a particle turned by `rotation` and moved to `place` [m], atom by atom."""
    moved = atoms.position @ (np.eye(3) if rotation is None else rotation).T + place
    names, index = np.unique(atoms.element, return_inverse=True)
    h = np.linalg.norm(s, axis=1) * 0.5e-10
    factor = np.stack([xraydb.f0(str(name), h) for name in names])
    total = np.empty(len(s), complex)
    for i in range(len(s)):
        turns = moved @ s[i]
        # whole turns drop out; what is left of the phase is small enough for float32
        phase = (2 * np.pi * (turns - np.rint(turns))).astype(np.float32)
        weight = factor[index, i] * atoms.occupancy
        total[i] = complex((weight * np.cos(phase)).sum(), (weight * np.sin(phase)).sum())
    return total


def pixel_factors(position, pixel_size, photon_energy, center=(0.0, 0.0)):
    """Scattering vector (n, 3) [1/m], and polarization x solid angle x r_e^2 (n,) of pixels (n, 3) [m]."""
    at = position - np.array([*center, 0.0])
    r = np.linalg.norm(at, axis=1)
    n = at / r[:, None]
    wavelength = 1.23984197386209e-6 / photon_energy
    s = (n - np.array([0.0, 0.0, 1.0])) / wavelength
    polarization = 1 - (at[:, 0] / r) ** 2
    solid_angle = pixel_size**2 * np.abs(at[:, 2]) / r**3
    return s, polarization * solid_angle * R_E**2


def taps_at(volume, t):
    """Weights (n, 4) of the four taps at distances `t` from the grid points below."""
    return sum(volume.taps[p].astype(float) * t[:, None] ** p for p in range(4))


def interpolated(volume, s):
    """Amplitudes (n,) from 4 x 4 x 4 coefficients around each `s` (n, 3), in float64."""
    at = s / volume.step + volume.values.shape[0] // 2
    low = np.floor(at).astype(int)
    x, y, z = (taps_at(volume, at[:, axis] - low[:, axis]) for axis in range(3))
    total = np.zeros(len(s), complex)
    for a, b, c in product(range(4), repeat=3):
        i, j, k = (low + np.array([a, b, c]) - 1).T
        total += x[:, a] * y[:, b] * z[:, c] * volume.values[i, j, k]
    return total


def expected_photons(volume, geometry, plan_row, photon_energy, center, background):
    """Expected photons (panel, ss, fs) of particles given as (rotation, place [m], fluence [1/m^2], size)."""
    s, factor = pixel_factors(geometry.pixel_position.reshape(-1, 3), geometry.pixel_size, photon_energy, center)
    total = np.zeros(len(s), complex)
    for rotation, place, fluence, size in plan_row:
        # R^T s as a row is s R
        in_frame = size * (s @ rotation)
        total += np.sqrt(fluence) * interpolated(volume, in_frame) * np.exp(2j * np.pi * (s @ place))
    return np.where(geometry.mask, (factor * np.abs(total) ** 2 + background).reshape(geometry.shape), 0.0)


def cells_within(cell, side, distance):
    """A cell, and all others of a cube of `side` whose boxes come closer than `distance` (in cells) to its box."""
    near = []
    for other in product(range(side), repeat=3):
        gap = [max(abs(a - b) - 1, 0) for a, b in zip(cell, other, strict=True)]
        if list(other) == list(cell) or sum(g * g for g in gap) < distance**2:
            near.append(other)
    return near


def cut_tiles(geometry, side, zoom_radius):
    """Centre, spread, first pixel with rows and columns, and level of each tile, one at a time."""
    tiles, half = [], (side + 1) // 2
    panels, rows, columns = geometry.mask.shape
    for p, i, j in product(range(panels), range(0, rows, side), range(0, columns, side)):
        height, width = min(side, rows - i), min(side, columns - j)
        x, y, _ = np.moveaxis(geometry.pixel_position[p, i : i + height, j : j + width], -1, 0)
        level = int(np.hypot(x, y).max() <= zoom_radius)
        step = half if level else side
        for di, dj in product(range(0, height, step), range(0, width, step)):
            tile = slice(i + di, min(i + height, i + di + step)), slice(j + dj, min(j + width, j + dj + step))
            if geometry.mask[p, *tile].any():
                place = geometry.pixel_position[p, *tile].reshape(-1, 3)
                center = (place.min(axis=0) + place.max(axis=0)) / 2
                first = np.ravel_multi_index((p, i + di, j + dj), geometry.mask.shape)
                size = [part.stop - part.start for part in tile]
                tiles.append((center, np.linalg.norm(place - center, axis=1).max(), (first, *size), level))
    return [np.array(column) for column in zip(*sorted(tiles, key=lambda tile: tile[3]), strict=True)]


def cell_bounds(values, matrices):
    """Largest modulus of the control points of each cell; `matrices` are those of `bernstein`, of a cell's parts."""
    windows = np.lib.stride_tricks.sliding_window_view(values, (4, 4, 4))
    points = np.einsum("ijkabc,xpa,yqb,zrc->ixjykzpqr", windows, matrices, matrices, matrices, optimize=True)
    return np.abs(points).max(axis=(-3, -2, -1)).reshape([n * len(matrices) for n in windows.shape[:3]])


def tiles_over_pixels(tiles, shape):
    """How many tiles hold each pixel, int (panel, ss, fs)."""
    covered = np.zeros(shape, int)
    for first, height, width in tiles.pixel:
        panel, row, column = np.unravel_index(first, shape)
        covered[panel, row : row + height, column : column + width] += 1
    return covered


def binned(frame, row, column, bin, shape):
    """Sum of a frame's pixels in each bin of the assembled image, at most 65535."""
    image = np.zeros(shape, int)
    for count, i, j in zip(frame.ravel().tolist(), row.ravel() // bin, column.ravel() // bin, strict=True):
        image[i, j] += count
    return np.minimum(image, 65535)


def sliced(model, s, rotation):
    """Intensities of a cubic grid at R^T s, point by point from the eight around."""
    middle = len(model) // 2
    out = []
    for point in s:
        place = rotation.T @ point + middle
        low = np.floor(place).astype(int)
        t = place - low
        total = 0.0
        for corner in product((0, 1), repeat=3):
            total += np.prod(np.where(corner, t, 1 - t)) * model[tuple(low + corner)]
        out.append(total)
    return np.array(out)


def merged(values, seen, s, rotation, size):
    """A slice and how much of it was seen, spread over the eight points around each place."""
    grid, middle = np.zeros((size, size, size, 2)), size // 2
    for value, exposure, point in zip(values, seen, s, strict=True):
        place = rotation.T @ point + middle
        low = np.floor(place).astype(int)
        t = place - low
        for corner in product((0, 1), repeat=3):
            share = np.prod(np.where(corner, t, 1 - t))
            grid[tuple(low + corner)] += share * np.array([value, exposure])
    return grid


def posterior(images, factor, slices, prior, exponent, under=0.0, share=None):
    """Probabilities (shot, slice), log of the mean likelihood (shot,): multinomial shots, slice by slice.

    Of each shot's photons a share (shot,) may be background, which lies as `under` says, of sum 1.
    """
    share = np.zeros(len(images)) if share is None else share
    log_likelihood = np.array(
        [
            [sum(image * np.log((1 - f) * factor * w / (factor * w).sum() + f * under)) for w in slices]
            for image, f in zip(images, share, strict=True)
        ]
    )
    tempered = np.exp(exponent * (log_likelihood - log_likelihood.max(axis=1, keepdims=True))) * prior
    top = log_likelihood.max(axis=1)
    evidence = np.log((np.exp(log_likelihood - top[:, None]) * prior).sum(axis=1)) + top
    return tempered / tempered.sum(axis=1, keepdims=True), evidence


def spheroid(matter, s):
    """Amplitudes (n,) of a spheroid at `s` (n, 3) in its frame, from the closed form of a sphere."""
    u = 2 * np.pi * np.linalg.norm(s * np.array([matter.across, matter.across, matter.along]), axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        shape = 3 * (np.sin(u) - u * np.cos(u)) / u**3
    return matter.electrons * np.where(u < 1e-3, 1 - u**2 / 10, shape)


def read_out(photons, asked, pixel_size, photon_energy, gain, rng):
    """ADU of frames of photons (shot, panel, ss, fs), by a normal variate a pixel and a place a photon."""
    columns = photons.shape[-1]
    place = np.argwhere(photons > 0).repeat(photons[photons > 0], axis=0)
    edges = (np.arange(-1, 3) - rng.random((2, len(place), 1))) * pixel_size
    across, along = np.diff(ndtr(edges / asked.cloud) if asked.cloud else (edges > 0).astype(float), axis=-1)
    collected = np.zeros((*photons.shape[:2], photons.shape[2] + 2, columns + 2))
    for a, b in product(range(3), range(3)):
        shot, panel, i, j = (place + np.array([0, 0, a, b])).T
        np.add.at(collected, (shot, panel, i, j), across[:, a] * along[:, b])
    read = gain * collected[:, :, 1:-1, 1:-1] + rng.normal(0, asked.noise / photon_energy, photons.shape)
    width = {"none": columns, "row": columns, "half_row": columns // 2}[asked.common_mode]
    levels = rng.normal(0, asked.common_mode_spread / photon_energy, (*photons.shape[:3], columns // width))
    read += levels.repeat(width, axis=-1)
    if asked.saturation is not None:
        read = np.minimum(read, asked.saturation / photon_energy)
    return np.round(read * asked.adu_per_kev * photon_energy / 1000)


def own_background(known, images, shots):
    """Photons of a `KnownBackground` to expect in the bins of "image" or "low_q", of each of some shots, (n, y, x)."""
    shape = getattr(known, images)[None] if known.cells is None else getattr(known.cells, images)[known.cells.of[shots]]
    return known.weight[shots, None, None] * shape


def log_ratio_of_two(views, pixel, bright, how_often):
    """How much likelier photons in these pixels are under two particles than under one, by all of their rotations."""
    s, factor, places = views.pixels.s, views.pixels.factor, views.distances.place
    turns, prior = views.grid.matrix[views.grid.weight > 0], views.grid.weight[views.grid.weight > 0]
    amplitudes = [interpolate(views.volume, s @ turn) for turn in turns]
    amplitudes = [each / np.sqrt((factor * abs(each) ** 2).sum()) for each in amplitudes]
    dark = views.background / max(views.background.sum(), 1e-300)
    share = views.background.sum() / len(pixel)

    def likelihood(seen):
        expected = (1 - share) * factor * seen / (factor * seen).sum() + share * dark
        return np.prod(expected[pixel] * len(s))

    one = sum(w * likelihood(abs(f) ** 2) for w, f in zip(prior, amplitudes, strict=True))
    two = 0.0
    for part, often in zip(bright, how_often, strict=True):
        for w, f in zip(prior, amplitudes, strict=True):
            for v, g in zip(prior, amplitudes, strict=True):
                apart = part * abs(f) ** 2 + (1 - part) * abs(g) ** 2
                for place, p in zip(places, views.distances.prior, strict=True):
                    shown = 0 if place is places[-1] or not place.any() else np.sinc(place * views.pixels.step).prod()
                    beat = (f * np.conj(g) * np.exp(2j * np.pi * (s[:, :2] @ place))).real * shown
                    fringes = 2 * np.sqrt(part * (1 - part)) * beat
                    two += often * w * v * p * likelihood(apart + fringes)
    return np.log(two) - np.log(one)
