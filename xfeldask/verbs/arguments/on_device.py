"""On which device shots are compared with slices and measured, and intensities are phased."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from xfeldask.devices import ADVICE, Device, device_of
from xfeldask.errors import InputError, MemoryNeededError
from xfeldask.orient.dense import memory_needed
from xfeldask.orient.parallel import By
from xfeldask.orient.rotations import rotation_grid
from xfeldask.orient.schedule import Level
from xfeldask.orient.sparse import Pixels
from xfeldask.sorting.rules import measures_on_devices
from xfeldask.work.compute import in_each_process
from xfeldask.work.progress import Tell, say
from xfeldask.work.reconstructing import ByDask


def compared_by(
    name: str, pixels: Pixels, levels: Sequence[Level], group: NDArray[np.float64] | None, progress: bool | Tell,
    *, models: int = 1,
) -> By:  # fmt: skip
    """Return what shots are compared by: the device that is asked for, or on the CPU tasks that Dask shares out.

    Which GPU it is, is said.

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
        return ByDask()
    rotations = [models * len(rotation_grid(level.refinement, group).quaternion) for level in levels]
    needed = max(memory_needed(n, pixels.within(level.radius)) for n, level in zip(rotations, levels, strict=True))
    return fitting(device, name, needed, f"slicing at {max(rotations):,} rotations", progress, ADVICE) or ByDask()


def measured_on(name: str, sort: str | object | None, progress: bool | Tell) -> str:
    """Return the names of the GPUs that the processes that compute measure shots on, and say which; none for the CPU.

    Parameters
    ----------
    name : "auto", "cpu" or "cuda"
    sort : the rule that measures, as of `make_rule`
    progress : as of `embed`

    Raises
    ------
    InputError
        There is no such device in one of them, or the rule measures on none.

    Examples
    --------
    >>> measured_on("cpu", "pairs", False)
    ''
    """
    if name == "cpu":
        return ""
    if not measures_on_devices(sort):
        if name == "auto":
            return ""
        raise InputError(f"device={name!r} is for a rule that measures shots, such as 'pairs'; leave it out")
    found = in_each_process(_gpu, name)
    for problem in found:
        if isinstance(problem, InputError):
            raise problem
    gpus = ", ".join(sorted({str(label) for label in found if label}))
    if gpus:
        say(f"sorting on {gpus}", progress)
    return gpus


def _gpu(name: str) -> str | InputError:
    """Return the name of the GPU that this process measures on, none for the CPU, or why it cannot."""
    try:
        device = device_of(name)
    except InputError as error:
        return error
    return "" if device is None else device.label


def fitting(device: Device, name: str, needed: int, what: str, progress: bool | Tell, advice: str) -> Device | None:
    """Return a device with enough free memory, none for the CPU, and say which it is.

    Parameters
    ----------
    device : Device
    name : "auto" or "cuda", as it was asked for; "auto" takes the CPU where the device has too little
    needed : int [bytes]
    what : str, that needs it
    progress : as of `embed`
    advice : str, what to do where it does not fit

    Raises
    ------
    MemoryNeededError
        It does not fit on the GPU that is asked for.

    Examples
    --------
    >>> fitting(Device(), "auto", 1000, "phasing", False, "wait").label
    'the CPU'
    """
    free = device.free()
    which = f"{device.label}, {free / 1e9:.1f} GB free"
    if needed <= free:
        say(f"on {which}", progress)
        return device
    if name == "auto":
        say(f"on the CPU: {what} needs {needed / 1e9:.1f} GB on {which}", progress)
        return None
    raise MemoryNeededError(f"{what} on {device.label}", needed, free, advice)
