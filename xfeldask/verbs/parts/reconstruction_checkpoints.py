"""What a reconstruction has come to, kept in the store so that the same call goes on after a break."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import xarray as xr

from xfeldask.store.results.reconstruction import Reconstructing, Reconstruction

BETWEEN_CHECKPOINTS = 5.0
"""Time between two checkpoints [s], but for what has come to its end."""

WHOLE, HALVES = "", ("first", "second")
"""What is reconstructed one after the other: all shots, in the group itself, and each half set, in groups in it."""


@dataclass(eq=False)
class Checkpoints:
    """What all shots and half sets have come to, by the names of `WHOLE` and `HALVES`.

    Attributes
    ----------
    checkpoint : Reconstruction, where they are kept
    attributes : mapping, of all of them
    parts : Dataset by name, as of `dataset_of`; the attribute `attempts` tells how many starts it is the best of, and
        is not there once starts are over
    written : float, when the last was written, by `time.monotonic` [s]
    """

    checkpoint: Reconstruction
    attributes: Mapping[str, Any]
    parts: dict[str, xr.Dataset]
    written: float = field(default_factory=time.monotonic)

    @classmethod
    def read(cls, checkpoint: Reconstruction, parameters: Reconstructing, attributes: Mapping[str, Any]) -> Self:
        """Read what a call with the same parameters has come to; nothing where there was none."""
        asked = parameters.model_dump()
        if not (checkpoint.is_there and checkpoint.fits and checkpoint.parameters.model_dump() == asked):
            return cls(checkpoint, attributes, {})
        return cls(checkpoint, attributes, {WHOLE: checkpoint.dataset().load(), **checkpoint.parts()})

    def offer(self, part: str, found: Callable[[], xr.Dataset]) -> None:
        """Write what a part has come to, if the last checkpoint is long ago."""
        if time.monotonic() - self.written > BETWEEN_CHECKPOINTS:
            self.put(part, found())

    def put(self, part: str, found: xr.Dataset) -> None:
        """Write what a part has come to."""
        self.parts[part] = found
        inner = {name: each for name, each in self.parts.items() if name != WHOLE}
        self.checkpoint.publish(self.parts[WHOLE].assign_attrs(self.attributes), inner)
        self.written = time.monotonic()
