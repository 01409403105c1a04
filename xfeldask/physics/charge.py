"""Charge in pixels: where photons leave it, what pixels read of it, and what is counted; see `readout`."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from xfeldask.physics.draws import GOLDEN, exponential, mix, normal_quantile, normal_tail, unit
from xfeldask.physics.elementary import log
from xfeldask.physics.jit import inner_inline_kernel, inner_kernel, kernel

LEAST_SHARE = 1e-3
"""Of a photon's charge in a pixel."""
MOST_ADU = 2.0**31 - 1


class Pixels(NamedTuple):
    """Pixels as kernels take them, flat but for `shape`; in photons of the nominal energy.

    Attributes
    ----------
    gain : float32 (pixel,), over the nominal one; 0 where a pixel is blind
    good : bool (pixel,)
    hot : int64 (hot,), pixels that are good and hot
    shape : (panel, ss, fs)
    cloud : float, standard deviation of a photon's charge [pixels]
    noise : float
    most : float, saturation
    threshold : float
    """

    gain: NDArray[np.float32]
    good: NDArray[np.bool_]
    hot: NDArray[np.int64]
    shape: tuple[int, int, int]
    cloud: float
    noise: float
    most: float
    threshold: float


class Keys(NamedTuple):
    """Random streams of a shot."""

    sharing: np.uint64
    hot: np.uint64
    noise: np.uint64
    false: np.uint64


@inner_inline_kernel
def _normal_at(bits: np.uint64) -> float:
    return normal_quantile(unit(bits) + 2.0**-54)


@inner_inline_kernel
def _beyond(distance: float, cloud: float) -> float:
    """Part of a photon's charge that lies beyond a straight edge at a distance [pixels]; 0 where it is next to none."""
    found = normal_tail(distance / cloud)
    return found if found >= LEAST_SHARE else 0.0


@kernel
def spread(
    pixel: NDArray[np.uint32],
    count: NDArray[np.int64],
    pixels: Pixels,
    keys: Keys,
    held: NDArray[np.float32],
    touched: NDArray[np.int64],
) -> tuple[int, int]:
    """Add the charge of photons to `held`, list its pixels; return their number, and the first event that cannot be."""
    n, (_, rows, columns), state = 0, pixels.shape, keys.sharing
    across, along = np.empty(3), np.empty(3)
    for e in range(pixel.size):
        p = np.int64(pixel[e])
        if p >= held.size or count[e] < 0:
            return n, e
        if not pixels.good[p]:
            continue
        i, j = p // columns % rows, p % columns
        for _ in range(count[e]):
            if pixels.cloud > 0:
                state += GOLDEN
                u = unit(mix(state))
                state += GOLDEN
                v = unit(mix(state))
                across[0], across[2] = _beyond(u, pixels.cloud), _beyond(1.0 - u, pixels.cloud)
                along[0], along[2] = _beyond(v, pixels.cloud), _beyond(1.0 - v, pixels.cloud)
                across[1], along[1] = 1.0 - across[0] - across[2], 1.0 - along[0] - along[2]
            else:
                across[:], along[:] = 0.0, 0.0
                across[1], along[1] = 1.0, 1.0
            for a in range(3):
                if across[a] == 0 or not 0 <= i + a - 1 < rows:
                    continue
                for b in range(3):
                    share = across[a] * along[b]
                    if share < LEAST_SHARE or not 0 <= j + b - 1 < columns:
                        continue
                    q = p + (a - 1) * columns + b - 1
                    if pixels.good[q]:
                        if held[q] == 0:
                            touched[n] = q
                            n += 1
                        held[q] += np.float32(share)
    state = keys.hot
    for h in range(pixels.hot.size):
        q = pixels.hot[h]
        state += GOLDEN
        if held[q] == 0:
            touched[n] = q
            n += 1
        # a charge of 0 would leave the pixel unlisted
        held[q] += np.float32(exponential(mix(state)) + 1e-30)
    return n, -1


@inner_inline_kernel
def _photons(value: float, threshold: float) -> int:
    """Photons counted where a pixel reads as many as `value`."""
    return 0 if value < threshold else max(1, int(np.floor(value + 0.5)))


@kernel
def count_photons(
    pixels: Pixels, keys: Keys, scale: float, held: NDArray[np.float32], touched: NDArray[np.int64]
) -> tuple[NDArray[np.uint32], NDArray[np.int64], int]:
    """Count photons in pixels with charge, which is taken out, and in those whose noise alone passes for a photon."""
    where, what, n = _false_photons(pixels, keys, held, touched.size)
    state = keys.noise
    for t in range(touched.size):
        q = touched[t]
        value = scale * pixels.gain[q] * held[q]
        held[q] = 0
        if pixels.noise > 0:
            state += GOLDEN
            value += pixels.noise * _normal_at(mix(state))
        photons = _photons(min(value, pixels.most), pixels.threshold)
        where[n], what[n] = q, photons
        n += photons > 0
    return where, what, n


@inner_kernel
def _false_photons(
    pixels: Pixels, keys: Keys, held: NDArray[np.float32], room: int
) -> tuple[NDArray[np.uint32], NDArray[np.int64], int]:
    """List pixels without charge that count photons, and how many, with room for more behind them."""
    above = normal_tail(pixels.threshold / pixels.noise) if pixels.noise > 0 else 0.0
    # twice what is expected and more, and it grows where that is not enough
    where, n = np.empty(room + 64 + int(2 * above * held.size), np.uint32), 0
    what = np.empty(where.size, np.int64)
    if above == 0:
        return where, what, n
    # log(1 - above), which cancels where that is small
    per_gap = log(1.0 - above) if above > 1e-5 else -above - 0.5 * above * above
    state, place = keys.false, -1.0
    while True:
        state += GOLDEN
        place += 1.0 + np.floor(-exponential(mix(state)) / per_gap)
        if place >= held.size:
            return where, what, n
        state += GOLDEN
        p = np.int64(place)
        if pixels.good[p] and held[p] == 0:
            # a uniform number above 0
            tail = above * (1.0 - unit(mix(state)))
            if n == where.size - room:
                where, what = _doubled(where, what)
            value = max(pixels.threshold, -pixels.noise * normal_quantile(tail))
            where[n], what[n] = p, _photons(min(value, pixels.most), pixels.threshold)
            n += what[n] > 0


@inner_inline_kernel
def _doubled(where: NDArray[np.uint32], what: NDArray[np.int64]) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
    wider, more = np.empty(2 * where.size, np.uint32), np.empty(2 * where.size, np.int64)
    for i in range(where.size):
        wider[i], more[i] = where[i], what[i]
    return wider, more


@kernel
def read_pixels(
    pixels: Pixels,
    keys: Keys,
    scale: float,
    held: NDArray[np.float32],
    levels: NDArray[np.float64],
    rows: int,
    columns: int,
    photon: float,
    out: NDArray[np.int32],
) -> None:
    """Read every pixel [ADU]; `photon` is what one reads, `levels` those of groups of `rows` and `columns`."""
    state, p, group_columns = keys.noise, 0, 0
    if rows:
        group_columns = -(-out.shape[2] // columns)
    for panel in range(out.shape[0]):
        for i in range(out.shape[1]):
            for j in range(out.shape[2]):
                value = scale * pixels.gain[p] * held[p]
                if pixels.noise > 0:
                    state += GOLDEN
                    value += pixels.noise * _normal_at(mix(state))
                if rows:
                    group_rows = -(-out.shape[1] // rows)
                    value += levels[(panel * group_rows + i // rows) * group_columns + j // columns]
                read = np.floor(min(value, pixels.most) * photon + 0.5)
                out[panel, i, j] = np.int32(min(max(read, -MOST_ADU), MOST_ADU))
                p += 1
