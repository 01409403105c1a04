"""On which device photons are drawn."""

from __future__ import annotations

from xfeldask.devices import Device
from xfeldask.engines.cuda_thinning import gpu_for
from xfeldask.work.progress import say

CPU = Device.label


def told_device(device: str, engine: str, progress: bool) -> str:
    """Return the name of the device that photons are drawn on here, and say which GPU it is."""
    gpu = gpu_for(device, engine)
    if gpu is None:
        return CPU
    say(f"drawing on {gpu.label}, {gpu.free() / 1e9:.1f} GB free", progress)
    return gpu.label
