"""Where matrices are multiplied: on the CPU by NumPy, or on a GPU by CuPy.

Code that runs on either is written against the Python array API, and takes its functions from `Device.xp`. What that
standard has no word for is a method of `Device`.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xfeldask.errors import InputError, RunError, UnknownNameError, first_line

DEVICES = ("auto", "cpu", "cuda")
"""Devices that may be asked for; `auto` takes a GPU where CuPy finds one."""

MOST_USED = 0.8
"""Fraction of the free memory that blocks are sized for."""

ON_CPU = "take device='cpu' (--device cpu)"
"""Told where a device cannot do it."""

ADVICE = "take fewer rotations, a lower resolution, or device='cpu' (--device cpu)"
"""Told where the memory of a device does not do for rotations."""


class Device:
    """Arrays in the memory of the CPU, or of any other library of the array API that lives there.

    Parameters
    ----------
    xp : module, namespace of the arrays
    half : bool, whether matrices are kept in half precision where that suffices

    Examples
    --------
    >>> device = Device()
    >>> device.name, device.product(np.ones((2, 3), np.float16), np.ones((3, 1), np.float16)).tolist()
    ('cpu', [[3.0], [3.0]])
    """

    name = "cpu"
    label = "the CPU"

    def __init__(self, xp: Any = np, half: bool = False) -> None:
        self.xp, self.half = xp, half

    def free(self) -> int:
        """Return the free memory [bytes]."""
        import psutil

        return int(psutil.virtual_memory().available)

    def release(self) -> None:
        """Give back memory that is kept for later."""

    def array(self, values: NDArray[Any]) -> Any:
        """Copy an array to the device."""
        return self.xp.asarray(values)

    def host(self, values: Any) -> NDArray[Any]:
        """Copy an array from the device."""
        return np.asarray(values)

    def product(self, a: Any, b: Any) -> Any:
        """Multiply two matrices of half or single precision; sums are of single precision.

        Parameters
        ----------
        a : (m, k)
        b : (k, n)

        Returns
        -------
        float32 (m, n)
        """
        xp = self.xp
        return xp.matmul(xp.astype(a, xp.float32, copy=False), xp.astype(b, xp.float32, copy=False))

    def summed_at(self, index: Any, weight: Any, size: int) -> Any:
        """Add up weights that have the same index.

        Parameters
        ----------
        index : int32 (n,), below `size`
        weight : float32 (n,)
        size : int

        Returns
        -------
        float64 (size,)
        """
        return self.xp.bincount(index, weight, size)

    @property
    def fft(self) -> Any:
        """Fourier transforms of the array API; for NumPy's arrays those of SciPy, which are faster."""
        return importlib.import_module("scipy.fft") if self.xp is np else self.xp.fft

    def smeared(self, values: Any, width: float) -> Any:
        """Convolve an array with a Gaussian, as if its ends were joined.

        Parameters
        ----------
        values : float32 (...)
        width : standard deviation, in elements

        Returns
        -------
        float32 (...)
        """
        from scipy.ndimage import gaussian_filter

        return self.array(gaussian_filter(self.host(values), width, mode="wrap"))


CPU = Device()
"""The CPU, with NumPy's arrays."""


class Cuda(Device):
    """Arrays in the memory of the GPU that CUDA lists first."""

    name = "cuda"

    def __init__(self) -> None:
        super().__init__(importlib.import_module("cupy"), half=True)
        self._blas = importlib.import_module("cupy.cuda").cublas
        properties = self.xp.cuda.runtime.getDeviceProperties(self.xp.cuda.Device().id)
        self.label = properties["name"].decode()

    def free(self) -> int:
        """Return the free memory [bytes], with what CuPy keeps for later."""
        return int(self.xp.cuda.runtime.memGetInfo()[0] + self.xp.get_default_memory_pool().free_bytes())

    def release(self) -> None:
        """Give back memory that CuPy keeps for later."""
        self.xp.get_default_memory_pool().free_all_blocks()

    def host(self, values: Any) -> NDArray[Any]:
        """Copy an array from the GPU."""
        return np.asarray(self.xp.asnumpy(values))

    def product(self, a: Any, b: Any) -> Any:
        """Multiply two matrices; see `Device.product`."""
        if a.dtype != self.xp.float16:
            return self.xp.matmul(a, b)
        # CuPy's own product of halves is a half, which counts by fours where sums reach thousands
        (m, k), n = a.shape, b.shape[1]
        out = self.xp.empty((m, n), self.xp.float32)
        (a, a_turned, a_step), (b, b_turned, b_step) = operand(a), operand(b)
        blas, one, zero = self._blas, np.ones(1, np.float32), np.zeros(1, np.float32)
        op = {False: blas.CUBLAS_OP_N, True: blas.CUBLAS_OP_T}
        handle = self.xp.cuda.device.get_cublas_handle()
        blas.setPointerMode(handle, blas.CUBLAS_POINTER_MODE_HOST)
        # cuBLAS counts columns first: to it, the transposed product is the product of the transposed, in turn
        blas.gemmEx(handle, op[b_turned], op[a_turned], n, m, k, one.ctypes.data, b.data.ptr, _HALF, b_step,
                    a.data.ptr, _HALF, a_step, zero.ctypes.data, out.data.ptr, _SINGLE, n,
                    blas.CUBLAS_COMPUTE_32F, blas.CUBLAS_GEMM_DEFAULT)  # fmt: skip
        return out

    def smeared(self, values: Any, width: float) -> Any:
        """Convolve an array with a Gaussian; see `Device.smeared`."""
        return importlib.import_module("cupyx.scipy.ndimage").gaussian_filter(values, width, mode="wrap")


_SINGLE, _HALF = 0, 2
"""Numbers of CUDA for types: CUDA_R_32F, CUDA_R_16F."""


def operand(matrix: Any) -> tuple[Any, bool, int]:
    """Tell how a library that counts columns first reads the transpose of a matrix.

    Returns
    -------
    matrix : contiguous
    turned : bool, whether the transpose of what lies there is meant
    step : int, from one column to the next of what lies there

    Examples
    --------
    >>> [operand(matrix)[1:] for matrix in (np.ones((2, 3)), np.ones((3, 2)).T)]
    [(False, 3), (True, 2)]
    """
    if matrix.flags.c_contiguous:
        return matrix, False, matrix.shape[1]
    if matrix.flags.f_contiguous:
        return matrix, True, matrix.shape[0]
    return matrix.copy(), False, matrix.shape[1]


def device_of(name: str) -> Device | None:
    """Return the GPU that is asked for, or none for the CPU.

    Parameters
    ----------
    name : "auto", "cpu" or "cuda"

    Raises
    ------
    UnknownNameError
    InputError
        "cuda", and CuPy is not installed or finds no GPU.

    Examples
    --------
    >>> device_of("cpu") is None
    True
    """
    if name not in DEVICES:
        raise UnknownNameError("device", name, DEVICES)
    if name == "cpu":
        return None
    missing = why_no_gpu()
    if missing and name == "cuda":
        raise InputError(f"device 'cuda' cannot be used: {missing}, or {ON_CPU}")
    return None if missing else Cuda()


_making = Lock()


def measuring_device(name: str) -> Device:
    """Return the device that this process measures shots on, always the same one, so that tables can stay there.

    Examples
    --------
    >>> measuring_device("cpu").label, measuring_device("cpu") is measuring_device("cpu")
    ('the CPU', True)
    """
    with _making:
        return _kept_device(name)


@cache
def _kept_device(name: str) -> Device:
    return device_of(name) or CPU


def visible_gpus() -> list[str]:
    """Return the GPUs that this process sees, as ``CUDA_VISIBLE_DEVICES`` names each; none where CuPy finds none."""
    if why_no_gpu():
        return []
    count = int(importlib.import_module("cupy").cuda.runtime.getDeviceCount())
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    return [name.strip() for name in named.split(",")][:count] if named else [str(gpu) for gpu in range(count)]


def why_no_gpu() -> str:
    """Return what a GPU lacks to be used and what to do about it, or nothing."""
    if find_spec("cupy") is None:
        return "CuPy is not installed; install 'xfeldask[cuda]' for CUDA 12 or 'xfeldask[cuda13]' for CUDA 13"
    try:
        cupy = importlib.import_module("cupy")
        count = cupy.cuda.runtime.getDeviceCount()
        if count:  # libraries are loaded when they are first needed: cuBLAS, and the compiler of kernels
            _ = cupy.cuda.cublas, int((cupy.arange(2) + 1).sum())
    except Exception as error:
        return f"CuPy says {first_line(error)}; look whether nvidia-smi lists a GPU, with a driver that fits CuPy"
    return "" if count else "CuPy finds no GPU; look whether nvidia-smi lists one"


def in_blocks(
    device: Device, total: int, row: int, most: int, work: Callable[[slice], object], what: str, advice: str = ADVICE
) -> None:  # fmt: skip
    """Work on blocks of rows in turn, as large as fit; where memory runs out, they are halved and it goes on.

    Parameters
    ----------
    device : Device
    total : int, rows
    row : int, memory that the work on one row takes [bytes]
    most : int, rows of a block at most
    work : callable, works on a block of rows; it is called again for rows of which it ran out of memory, so that it
        changes what it adds to last of all
    what : str, the work on one row, told where that does not fit
    advice : str, what to do then

    Raises
    ------
    RunError
        One row does not fit.

    Examples
    --------
    >>> in_blocks(Device(), 5, 8, 2, print, "it")
    slice(0, 2, None)
    slice(2, 4, None)
    slice(4, 5, None)
    """
    block = int(np.clip(MOST_USED * device.free() / row, 1, most))
    start = 0
    while start < total:
        rows = slice(start, min(total, start + block))
        try:
            work(rows)
        except MemoryError:
            block = (rows.stop - rows.start) // 2
        else:
            start = rows.stop
            continue
        # the error is gone by now, and with it the arrays that it held on to
        device.release()
        if not block:
            raise RunError(f"{what} ran out of memory on {device.label}, {device.free() / 1e9:.1f} GB free; {advice}")
