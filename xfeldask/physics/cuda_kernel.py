"""The sampler as a kernel of CUDA: a block of threads draws a shot. Imported where a GPU is used, and there alone.

Each thread bounds a tile and draws how many candidates it has; then all of them share the candidates of these tiles.
What they do is compiled from the functions that the CPU calls. Photons are appended in the order of their candidates,
which does not depend on the run and is that of `draw_thinned`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numba.cuda
import numpy as np
from numba import float64, int64, uint64

from xfeldask.physics.any_order import NONE, background_part, background_photon, holder, tile_part, tile_photon
from xfeldask.physics.scattering import Scatterer, Screen, Shot
from xfeldask.physics.shot_blocks import Shots

Function = TypeVar("Function", bound=Callable[..., object])

cuda: Any = numba.cuda
_inner: Callable[[Function], Function] = cuda.jit(device=True)
_outer: Callable[[Function], Function] = cuda.jit()

THREADS = 256
"""Of a block."""

TOO_MANY = -1
"""Told in the place of a number of photons, of a shot that promises more candidates than is allowed."""


@_inner
def add_up(values: Any, thread: int) -> None:
    """Turn the values of all threads of a block into their running sums."""
    step = 1
    while step < values.size:
        cuda.syncthreads()
        before = values[max(thread - step, 0)]
        cuda.syncthreads()
        if thread >= step:
            values[thread] += before
        step *= 2
    cuda.syncthreads()


@_inner
def append(pixel: int, thread: int, kept: Any, photons: Any, drawn: int) -> int:
    """Append the pixels that threads have, in the order of the threads; those without room are but counted."""
    kept[thread] = 0 if pixel == NONE else 1
    add_up(kept, thread)
    at = drawn + kept[thread] - 1
    if pixel != NONE and at < photons.size:
        photons[at] = pixel
    drawn += kept[kept.size - 1]
    cuda.syncthreads()
    return drawn


@_outer
def draw_shots(body: Scatterer, screen: Screen, shots: Shots, most: float, photons: Any, count: Any) -> None:
    """Draw shots, a block of threads each.

    Parameters
    ----------
    body, screen, shots : records of arrays on the device
    most : float, candidates of a shot; those that promise more are left, with `TOO_MANY` as their count
    photons : uint32 (shot, room), overwritten with the pixels of each shot's photons, as far as there is room
    count : int64 (shot,), overwritten with the photons of each
    """
    rate = cuda.shared.array(THREADS, float64)
    expected = cuda.shared.array(THREADS, float64)
    state = cuda.shared.array(THREADS, uint64)
    end = cuda.shared.array(THREADS, int64)
    kept = cuda.shared.array(THREADS, int64)
    thread, b = cuda.threadIdx.x, cuda.blockIdx.x
    own = slice(shots.start[b], shots.start[b + 1])
    shot = Shot(
        shots.rotation[own], shots.position[own], shots.strength[own], shots.size[own], shots.wavenumber[b],
        shots.center[b], shots.background[b], shots.key[b], shots.body[own],
    )  # fmt: skip
    tiles, drawn, total = screen.spread.size, 0, 0.0
    for first in range(0, tiles, THREADS):
        t = first + thread
        rate[thread], state[thread], end[thread], expected[thread] = 0.0, 0, 0, 0.0
        if t < tiles:
            rate[thread], state[thread], end[thread] = tile_part(body, screen, shot, t)
            expected[thread] = rate[thread] * screen.tile[t, 1] * screen.tile[t, 2]
        add_up(expected, thread)
        total += expected[THREADS - 1]
        if not total <= most:
            if thread == 0:
                count[b] = TOO_MANY
            return
        add_up(end, thread)
        candidates = end[THREADS - 1]
        for before in range(0, candidates, THREADS):
            c, pixel = before + thread, NONE
            if c < candidates:
                i = holder(end, c)
                c -= end[i - 1] if i > 0 else 0
                pixel = tile_photon(body, screen, shot, first + i, rate[i], state[i], c)
            drawn = append(pixel, thread, kept, photons[b], drawn)
        cuda.syncthreads()
    stream, scattered = background_part(screen, shot)
    for before in range(0, scattered, THREADS):
        pixel = NONE
        if before + thread < scattered:
            pixel = background_photon(screen, np.uint64(stream), before + thread)
        drawn = append(pixel, thread, kept, photons[b], drawn)
    if thread == 0:
        count[b] = drawn
