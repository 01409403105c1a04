"""Several shots as kernels take them together, their bodies one behind another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from xfeldask.physics.jit import inner_inline_kernel
from xfeldask.physics.scattering import Shot


class Shots(NamedTuple):
    """Several shots; see `Shot`.

    Attributes
    ----------
    start : int64 (shot + 1,), the first body of each shot
    rotation, position, strength, size, body : along bodies
    wavenumber, center, background, key : along shots
    """

    start: NDArray[np.int64]
    rotation: NDArray[np.float64]
    position: NDArray[np.float64]
    strength: NDArray[np.float64]
    size: NDArray[np.float64]
    body: NDArray[np.int64]
    wavenumber: NDArray[np.float64]
    center: NDArray[np.float64]
    background: NDArray[np.float64]
    key: NDArray[np.uint64]


def join(shots: Sequence[Shot]) -> Shots:
    """Join shots.

    Examples
    --------
    >>> one = Shot(np.eye(3)[None], np.zeros((1, 3)), np.ones(1), np.ones(1), 1e10, np.zeros(2), 0.0, np.uint64(1),
    ...            np.zeros(1, np.int64))
    >>> shots = join([one, one])
    >>> shots.start.tolist(), shots.rotation.shape, [shot.key for shot in split(shots)] == [one.key] * 2
    ([0, 1, 2], (2, 3, 3), True)
    """
    bodies = [shot.strength.size for shot in shots]
    joined = {
        name: np.ascontiguousarray(np.concatenate([getattr(shot, name) for shot in shots]))
        for name in ("rotation", "position", "strength", "size", "body")
    }
    return Shots(
        start=np.concatenate([[0], np.cumsum(bodies)]).astype(np.int64),
        **joined,
        wavenumber=np.array([shot.wavenumber for shot in shots], np.float64),
        center=np.array([shot.center for shot in shots], np.float64),
        background=np.array([shot.background for shot in shots], np.float64),
        key=np.array([shot.key for shot in shots], np.uint64),
    )


def split(shots: Shots) -> Iterator[Shot]:
    """Each of several shots."""
    for i, (wavenumber, background) in enumerate(
        zip(shots.wavenumber.tolist(), shots.background.tolist(), strict=True)
    ):
        own = slice(shots.start[i], shots.start[i + 1])
        yield Shot(
            shots.rotation[own],
            shots.position[own],
            shots.strength[own],
            shots.size[own],
            wavenumber,
            shots.center[i],
            background,
            shots.key[i],
            shots.body[own],
        )


def some(shots: Shots, first: int, last: int) -> Shots:
    """Take consecutive shots, from `first` to before `last`.

    Examples
    --------
    >>> one = Shot(np.eye(3)[None], np.zeros((1, 3)), np.ones(1), np.ones(1), 1e10, np.zeros(2), 0.0, np.uint64(1),
    ...            np.zeros(1, np.int64))
    >>> shots = some(join([one, one._replace(key=np.uint64(2)), one]), 1, 3)
    >>> shots.key.tolist(), shots.start.tolist()
    ([2, 1], [0, 1, 2])
    """
    mine, bodies = slice(first, last), slice(shots.start[first], shots.start[last])
    return Shots(
        shots.start[first : last + 1] - shots.start[first],
        shots.rotation[bodies],
        shots.position[bodies],
        shots.strength[bodies],
        shots.size[bodies],
        shots.body[bodies],
        shots.wavenumber[mine],
        shots.center[mine],
        shots.background[mine],
        shots.key[mine],
    )


@inner_inline_kernel
def shot_at(shots: Shots, i: int) -> Shot:
    """One of several shots, for kernels."""
    own = slice(shots.start[i], shots.start[i + 1])
    return Shot(
        shots.rotation[own],
        shots.position[own],
        shots.strength[own],
        shots.size[own],
        shots.wavenumber[i],
        shots.center[i],
        shots.background[i],
        shots.key[i],
        shots.body[own],
    )
