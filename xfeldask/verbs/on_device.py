"""On which device shots are compared with slices."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from xfeldask.devices import ADVICE, Device, device_of
from xfeldask.errors import MemoryNeededError
from xfeldask.orient.dense import memory_needed
from xfeldask.orient.rotations import rotation_grid
from xfeldask.orient.schedule import Level
from xfeldask.orient.sparse import Pixels
from xfeldask.work.progress import Tell, say


def device_for(
    name: str, pixels: Pixels, levels: Sequence[Level], group: NDArray[np.float64] | None, progress: bool | Tell,
    *, models: int = 1,
) -> Device | None:  # fmt: skip
    """Return the device that is asked for, none for the CPU, and say which GPU it is.

    Parameters
    ----------
    name : "auto", "cpu" or "cuda"; "auto" takes a GPU on which the slices of all levels fit
    pixels, levels, group : as of `expand_maximise_compress`
    progress : as of `embed`
    models : int, that are compared at once

    Raises
    ------
    InputError
        There is no such device.
    MemoryNeededError
        The slices do not fit on the GPU that is asked for.
    """
    device = device_of(name)
    if device is None:
        return None
    free = device.free()
    rotations = [models * len(rotation_grid(level.refinement, group).quaternion) for level in levels]
    needed = max(memory_needed(n, pixels.within(level.radius)) for n, level in zip(rotations, levels, strict=True))
    which = f"{device.label}, {free / 1e9:.1f} GB free"
    if needed <= free:
        say(f"on {which}", progress)
        return device
    if name == "auto":
        say(f"on the CPU: the slices need {needed / 1e9:.1f} GB on {which}", progress)
        return None
    raise MemoryNeededError(f"slicing at {max(rotations):,} rotations on {device.label}", needed, free, ADVICE)
