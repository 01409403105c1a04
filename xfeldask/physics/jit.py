"""The one place where compiler options are set."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

import numba

Function = TypeVar("Function", bound=Callable[..., object])


def kernel(function: Function) -> Function:
    """Compile `function` with numba: no GIL, cached on disk, IEEE arithmetic in the order written.

    ``fastmath`` stays off: fused and reordered operations would make the bytes of a shot depend on
    the processor that drew it.
    """
    return cast("Function", numba.njit(nogil=True, cache=True, error_model="numpy")(function))


def inline_kernel(function: Function) -> Function:
    """Compile a small `function` that other kernels call from their innermost loop."""
    return cast("Function", numba.njit(nogil=True, cache=True, error_model="numpy", forceinline=True)(function))
