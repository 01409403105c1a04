"""Some shots of a run, to be written elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xfeldask.schema import VARIABLES
from xfeldask.store.run import Run

BLOCK_BYTES = 2**24
"""Frames read together."""


@dataclass(frozen=True, eq=False)
class Chosen:
    """Some shots of a run.

    Attributes
    ----------
    run : Run
    shots : int64 (n,), absolute indices, ascending
    """

    run: Run
    shots: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.shots)

    def blocks(self) -> Iterator[NDArray[Any]]:
        """Frames in order, a few at a time, unsigned (shot, panel, ss, fs)."""
        array = self.run.array("photons")
        frame = int(np.prod(array.shape[1:])) * array.dtype.itemsize
        for part in np.array_split(self.shots, max(1, -(-len(self.shots) * frame // BLOCK_BYTES))):
            if len(part) and part[-1] - part[0] + 1 == len(part):
                yield np.asarray(array[int(part[0]) : int(part[-1]) + 1])
            elif len(part):
                yield np.stack([np.asarray(array[int(shot)]) for shot in part])

    @cached_property
    def dataset(self) -> xr.Dataset:
        """The root of the store, lazily."""
        return self.run.dataset(chunks=None)

    def values(self, name: str) -> NDArray[Any] | None:
        """Return a variable (shot, ...) of these shots; None where the store has none of that name."""
        if name not in self.dataset or "shot" not in self.dataset[name].dims:
            return None
        return np.asarray(self.dataset[name].values[self.shots])

    def columns(self) -> dict[str, xr.DataArray]:
        """Return what is told of each shot and is no variable of the schema, by name."""
        found = {str(name): variable for name, variable in self.dataset.variables.items()}
        return {
            name: self.dataset[name][self.shots]
            for name, variable in found.items()
            if variable.dims == ("shot",) and name not in VARIABLES
        }
