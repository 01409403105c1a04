"""What all kernels are compiled with; those of this package give the same bytes by it."""

from __future__ import annotations

import ast
import gc
from pathlib import Path

import numpy as np
import pytest
from numba import types

from xfeldask.physics.jit import inline_kernel, inner_inline_kernel, inner_kernel, kernel

ROOT = Path(__file__).resolve().parents[2] / "xfeldask"


def ratio(a: float, b: float) -> float:
    return a / b


@pytest.mark.parametrize("decorate", [kernel, inline_kernel, inner_kernel, inner_inline_kernel])
def test_kernel__keeps_the_order_of_arithmetic_and_holds_no_lock(decorate):
    compiled = decorate(ratio)
    options = compiled.targetoptions
    assert options["nogil"] is True
    assert not options.get("fastmath")
    assert compiled.py_func is ratio


def test_kernel__divides_as_numpy_does():
    with np.errstate(divide="ignore", invalid="ignore"):
        found = [kernel(ratio)(*pair) for pair in ((1.0, 0.0), (-1.0, 0.0), (0.0, 0.0), (1.0, 3.0))]
    np.testing.assert_array_equal(found, [np.inf, -np.inf, np.nan, 1 / 3])


@inner_kernel
def power(base: float, exponent: int) -> float:
    return base**exponent


def test_inner_kernel__is_compiled_once_for_all_literals():
    for exponent in (2, 3, 4):
        # as a kernel that passes the number does while it is compiled; one that lies in the cache asks for nothing
        power.get_call_template((types.float64, types.literal(exponent)), {})
    assert power.nopython_signatures == [types.float64(types.float64, types.int64)]


def test_kernel__is_compiled_without_a_look_for_garbage():
    looks, was_enabled = [], gc.isenabled()
    gc.callbacks.append(lambda *look: looks.append(look))
    try:
        inner_kernel(ratio).get_call_template((types.float64, types.float64), {})
    finally:
        gc.callbacks.pop()
    assert looks == []
    assert gc.isenabled() == was_enabled


def test_compiler__is_asked_in_one_place():
    """Options that one kernel had and another had not would show in the bytes of shots alone."""
    found = []
    texts = {path: path.read_text("utf-8") for path in ROOT.rglob("*.py")}
    for path in (path for path, text in texts.items() if "numba" in text):
        for node in ast.walk(ast.parse(texts[path])):
            if isinstance(node, ast.Attribute) and node.attr in ("njit", "jit", "vectorize", "guvectorize", "cfunc"):
                found.append(path.relative_to(ROOT).as_posix())
    assert set(found) == {"physics/jit.py", "physics/cuda_kernel.py"}
