"""On which device photons are drawn."""

from __future__ import annotations

from typing import NamedTuple

from xfeldask.devices import Device
from xfeldask.engines.cuda_thinning import gpu_for
from xfeldask.errors import InputError
from xfeldask.work.compute import in_each_process
from xfeldask.work.progress import Tell, say

CPU = Device.label


class Drawing(NamedTuple):
    """What a process draws on: name of the device, free memory [bytes], or why it cannot."""

    label: str
    free: int = 0
    problem: InputError | None = None


def drawn_on(name: str, engine: str) -> list[Drawing]:
    """Return what each process that computes draws on; of a cluster, those of its workers that are there.

    Parameters
    ----------
    name : "auto", "cpu" or "cuda"
    engine : name of the engine that draws

    Raises
    ------
    UnknownNameError
    InputError
        "cuda", and photons cannot be drawn on a GPU in one of them.
    """
    if name == "cpu":
        return [Drawing(CPU)]
    found = in_each_process(drawing, name, engine)
    problems = [each.problem for each in found if each.problem is not None]
    if problems and len(found) > 1:
        raise InputError(f"{len(problems)} of {len(found)} workers cannot draw on a GPU: {problems[0]}")
    if problems:
        raise problems[0]
    return found


def drawing(name: str, engine: str) -> Drawing:
    """Return what this process draws on.

    Examples
    --------
    >>> drawing("cpu", "xfeldask")
    Drawing(label='the CPU', free=0, problem=None)
    """
    try:
        gpu = gpu_for(name, engine)
    except InputError as error:
        return Drawing("", problem=error)
    return Drawing(CPU) if gpu is None else Drawing(gpu.label, gpu.free())


def told_device(found: list[Drawing], progress: bool | Tell) -> str:
    """Return the names of the devices that photons are drawn on, and say which they are, unless it is the CPU.

    Examples
    --------
    >>> told_device([Drawing("NVIDIA H100", 9), Drawing("NVIDIA H100", 8)], progress=False)
    'NVIDIA H100'
    """
    label = ", ".join(sorted({each.label for each in found}))
    if label != CPU:
        free = f"{min(each.free for each in found if each.label != CPU) / 1e9:.1f} GB free"
        several = f"{len(found)} processes draw on {label}, {free} or more"
        say(f"drawing on {label}, {free}" if len(found) == 1 else several, progress)
    return label
