"""Photons drawn on a GPU: those of `ForwardModel.draw`, in the same order."""

from __future__ import annotations

import importlib
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xfeldask.devices import ON_CPU, Device, device_of, in_blocks
from xfeldask.errors import InputError, RunError
from xfeldask.physics.forward import ForwardModel
from xfeldask.physics.sampling import CANDIDATES_PER_PIXEL
from xfeldask.physics.scattering import Shot
from xfeldask.physics.shot_blocks import join

Drawn = tuple[NDArray[np.uint32], NDArray[np.int64]]
"""Pixels and counts of a shot, see `ForwardModel.draw`."""

ROOM = 2048
"""Photons of a shot that there is room for at first."""
AT_ONCE = 4096
"""Shots drawn together, at most."""
TRIED = 4
"""Shots that are drawn on the CPU as well before a GPU is relied on."""
ROUNDING = 1e-9
"""Relative room for rounding in how many candidates a shot promises: what is close is left to the CPU."""
"""What to do where a GPU does not do."""
OTHER_ROUNDINGS = (
    f"this version of numba-cuda compiles other roundings than the CPU has, so that photons would differ; {ON_CPU}"
)
INSTALL = f"install 'xfeldask[cuda]' for CUDA 12 or 'xfeldask[cuda13]' for CUDA 13, or {ON_CPU}"

_lock = threading.Lock()
"""The GPU is used by one thread at a time: the others encode meanwhile."""


def gpu_for(name: str, engine: str) -> Device | None:
    """Return the GPU that photons are to be drawn on, or none for the CPU.

    Parameters
    ----------
    name : "auto", "cpu" or "cuda"; "auto" takes a GPU where everything is there that it needs
    engine : name of the engine that draws

    Raises
    ------
    UnknownNameError
    InputError
        "cuda", and photons cannot be drawn on a GPU.

    Examples
    --------
    >>> gpu_for("cpu", "xfeldask") is None
    True
    """
    device = device_of(name)
    if device is None:
        return None
    problem = ""
    if engine != "xfeldask":
        problem = f"engine={engine!r} draws on the CPU; take engine='xfeldask', or device='cpu' (--device cpu)"
    elif find_spec("numba_cuda") is None:
        problem = f"numba-cuda is not installed; {INSTALL}"
    if problem and name == "cuda":
        raise InputError(f"photons cannot be drawn on {device.label}: {problem}")
    return None if problem else device


class CudaThinning:
    """Draws blocks of shots on a GPU; those that are brightest are drawn pixel by pixel, on the CPU.

    Parameters
    ----------
    model : ForwardModel
    device : Device, a GPU; or one whose arrays are NumPy's, where numba simulates a GPU
    """

    def __init__(self, model: ForwardModel, device: Device) -> None:
        self._kernel: Any = importlib.import_module("xfeldask.physics.cuda_kernel")
        self._model, self._device, self._room = model, device, ROOM
        self._body = self._copied(model.scatterer)
        self._screens = [self._copied(screen) for screen in model.screens]
        self._tried = 0

    def draw(self, shots: Sequence[Shot]) -> list[Drawn]:
        """Draw the photons of each shot.

        Raises
        ------
        RunError
            The GPU draws other photons than the CPU, or has no memory for one shot.
        """
        # what was left is drawn by whichever sampler the CPU takes for it
        found = zip(shots, self.draw_here(shots), strict=True)
        return [self._model.draw(shot) if one is None else one for shot, one in found]

    def draw_here(self, shots: Sequence[Shot]) -> list[Drawn | None]:
        """Draw the photons of each shot as `draw` does; None of those that are left to the CPU."""
        with _lock:
            found = self._drawn(shots)
            self._try(shots, found)
        return found

    def _try(self, shots: Sequence[Shot], found: Sequence[Drawn | None]) -> None:
        """Hold the first shots with photons that are drawn here against the CPU's."""
        for shot, one in zip(shots, found, strict=True):
            if self._tried == TRIED:
                return
            if one is None:
                continue
            due = self._model.draw(shot)[0]
            if not np.array_equal(one[0], due):
                raise RunError(f"{self._device.label} draws other photons than the CPU; {ON_CPU}, and report it")
            self._tried += due.size > 0

    def _drawn(self, shots: Sequence[Shot]) -> list[Drawn | None]:
        """Photons of each shot, None of those that are left to the CPU."""
        found: list[Drawn | None] = [None] * len(shots)
        screens = [self._model.screen_of(shot) for shot in shots]
        for screen, copy in zip(self._model.screens, self._screens, strict=True):
            waiting = [i for i, mine in enumerate(screens) if mine is screen]
            while waiting:
                room = self._room
                lists: dict[int, NDArray[np.uint32]] = {}
                counts = np.empty(len(waiting), np.int64)
                work = partial(self._launch, copy, [shots[i] for i in waiting], room, lists, counts)
                row = 4 * room + 1024 * (1 + max(shots[i].strength.size for i in waiting))
                in_blocks(self._device, len(waiting), row, AT_ONCE, work, "drawing a shot", ON_CPU)
                for at, pixel in lists.items():
                    found[waiting[at]] = pixel, np.ones(pixel.size, np.int64)
                waiting = [i for i, count in zip(waiting, counts.tolist(), strict=True) if count > room]
                self._room = max(room, int(counts.max()))
        return found

    def _launch(
        self, screen: Any, shots: Sequence[Shot], room: int, lists: dict[int, NDArray[np.uint32]],
        counts: NDArray[np.int64], rows: slice,
    ) -> None:  # fmt: skip
        """Draw some shots: `counts` of their photons, and their `lists` where there was room."""
        kernel, xp, some = self._kernel, self._device.xp, shots[rows]
        photons, count = xp.empty((len(some), room), xp.uint32), xp.empty(len(some), xp.int64)
        most = CANDIDATES_PER_PIXEL * len(self._model.screen.pixel) * (1 - ROUNDING)
        together = self._copied(join(some))
        size = len(some), kernel.THREADS
        arguments = self._body, screen, together, most, self._seen(photons), self._seen(count)
        if self._device.name == "cuda":
            _launch_unfused(kernel.draw_shots, size, arguments)
        else:  # numba simulates a GPU
            kernel.draw_shots[size](*arguments)
        counts[rows] = self._device.host(count)
        listed = self._device.host(photons[:, : max(0, min(room, int(counts[rows].max())))])
        for i, number in enumerate(counts[rows].tolist()):
            if 0 <= number <= room:
                lists[rows.start + i] = listed[i, :number].copy()

    def _copied(self, record: Any) -> Any:
        """Copy the arrays of a record to the device, as kernels take them."""
        parts = (
            self._copied(part) if isinstance(part, tuple)
            else self._seen(self._device.array(part)) if isinstance(part, np.ndarray)
            else part
            for part in record
        )  # fmt: skip
        return type(record)(*parts)

    def _seen(self, array: Any) -> Any:
        return self._kernel.cuda.as_cuda_array(array) if self._device.name == "cuda" else array


def _launch_unfused(kernel: Any, size: tuple[int, int], arguments: tuple[Any, ...]) -> None:
    """Launch a kernel that rounds as the CPU does; it is compiled the first time that it gets such arguments."""
    is_compiled = tuple(map(kernel.typeof_pyval, arguments)) in kernel.overloads
    with nullcontext() if is_compiled else _unfused():
        kernel[size](*arguments)
    _refuse_fused(kernel.inspect_asm())


@contextmanager
def _unfused() -> Iterator[None]:
    """Let what is compiled meanwhile round products before sums, as the CPU does; numba has no option for it."""
    nvvm: Any = importlib.import_module("numba.cuda.cudadrv.nvvm")
    compiled = getattr(nvvm, "compile_ir", None)
    if compiled is None:
        raise RunError(OTHER_ROUNDINGS)
    nvvm.compile_ir = partial(compiled, fma=False)
    try:
        yield
    finally:
        nvvm.compile_ir = compiled


def _refuse_fused(compiled: dict[Any, str]) -> None:
    """Refuse a kernel that rounds once where the CPU rounds twice, or lets the assembler choose to."""
    fused = [f"{name}.rn.f{bits}" for name in ("fma", "mad") for bits in (32, 64)]
    free = [f"{name}.f{bits}" for name in ("add", "sub", "mul") for bits in (32, 64)]
    if any(one in text for text in compiled.values() for one in (*fused, *free)):
        raise RunError(OTHER_ROUNDINGS)
