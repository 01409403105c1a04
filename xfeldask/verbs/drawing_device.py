"""On which device photons are drawn."""

from __future__ import annotations

from xfeldask.devices import Device
from xfeldask.work.progress import say

CPU = Device.label


def told_device(gpu: Device | None, progress: bool) -> str:
    """Return the name of the device that photons are drawn on, and say which GPU it is.

    It is that of the calling process; each worker looks for its own, so that workers need the same kind of machine.
    """
    if gpu is None:
        return CPU
    say(f"drawing on {gpu.label}, {gpu.free() / 1e9:.1f} GB free", progress)
    return gpu.label
