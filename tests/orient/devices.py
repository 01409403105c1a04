"""Devices that stand in for a GPU."""

from __future__ import annotations

import numpy as np
import pytest

from xfeldask.devices import Device, device_of
from xfeldask.errors import InputError


def gpu() -> Device:
    """The GPU; without one, the test is skipped, and it is said why."""
    try:
        found = device_of("cuda")
    except InputError as error:
        pytest.skip(str(error))
    assert found is not None
    return found


def strict() -> Device:
    """Arrays that know nothing but the Python array API."""
    xp = pytest.importorskip("array_api_strict", reason="array-api-strict is not installed")

    class Strict(Device):
        def summed_at(self, index, weight, size):
            return self.xp.asarray(np.bincount(np.asarray(index), np.asarray(weight), size))

    return Strict(xp)


class Narrow(Device):
    """A device that runs out of memory where more than so many shots are compared at once.

    Parameters
    ----------
    most : int, shots
    free : int, memory that it says is free [bytes]
    """

    def __init__(self, most: int, free: int = 1 << 30) -> None:
        super().__init__()
        self.most, self.memory, self.shots, self.released = most, free, list[int](), 0

    def free(self):
        return self.memory

    def product(self, a, b):
        # slices are multiplied with as a view of their table, turned; shots are the rows of the other matrix
        if a.flags.c_contiguous:
            if len(a) > self.most:
                raise MemoryError
            self.shots.append(len(a))
        return super().product(a, b)

    def release(self):
        self.released += 1


class Small(Device):
    """A device that runs out of memory where more than so many images are copied to it at once.

    Parameters
    ----------
    most : int, images
    """

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most, self.copied, self.released = most, list[int](), 0

    def array(self, values):
        if values.ndim == 3:
            if len(values) > self.most:
                raise MemoryError
            self.copied.append(len(values))
        return super().array(values)

    def release(self):
        self.released += 1
