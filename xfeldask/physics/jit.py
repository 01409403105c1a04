"""The one place where compiler options are set.

Most of the time that a kernel takes to compile goes into things around it: a wrapper that takes its arguments from
Python, another for C, and one more variant for each literal that a caller passes. Kernels have what they need of those.
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
from numba.core.compiler_lock import global_compiler_lock
from numba.core.dispatcher import Dispatcher

Function = TypeVar("Function", bound=Callable[..., object])


def kernel(function: Function) -> Function:
    """Compile `function` with numba: no GIL, cached on disk, IEEE arithmetic in the order written.

    ``fastmath`` stays off: fused and reordered operations would make the bytes of a shot depend on
    the processor that drew it.
    """
    return _compiled(function, cache=True)


def inline_kernel(function: Function) -> Function:
    """Compile a small `function` that other kernels call from their innermost loop."""
    return _compiled(function, cache=True, forceinline=True)


def inner_kernel(function: Function) -> Function:
    """Compile `function` for other kernels, in whose code it is kept; nothing else can call it."""
    return _compiled(function, no_cpython_wrapper=True)


def inner_inline_kernel(function: Function) -> Function:
    """Compile a small `function` for the innermost loop of other kernels; nothing else can call it."""
    return _compiled(function, no_cpython_wrapper=True, forceinline=True)


def _compiled(function: Function, **options: Any) -> Function:
    njit: Any = numba.njit
    compiled = njit(nogil=True, error_model="numpy", no_cfunc_wrapper=True, **options)(function)
    if isinstance(compiled, Dispatcher):
        _refuse_literals(compiled)
        _leave_garbage(compiled)
    return cast("Function", compiled)


def _refuse_literals(dispatcher: Any) -> None:
    """Let kernels that pass a literal to this one, a type of its own to numba, share the variant for any number."""
    resolve = dispatcher.get_call_template
    plain: Callable[[Any], Any] = numba.types.unliteral

    def resolve_plain(args: Any, kws: Any) -> Any:
        return resolve([plain(kind) for kind in args], {name: plain(kind) for name, kind in kws.items()})

    dispatcher.get_call_template = resolve_plain


def _leave_garbage(dispatcher: Any) -> None:
    """Look for no garbage while this kernel is compiled, which makes a million objects that stay until it is done."""
    make = dispatcher.compile

    def make_all(signature: Any) -> Any:
        # whether garbage is looked for is the process's, and threads compile one after the other
        with global_compiler_lock:
            was_enabled = gc.isenabled()
            gc.disable()
            try:
                return make(signature)
            finally:
                if was_enabled:
                    gc.enable()

    dispatcher.compile = make_all
