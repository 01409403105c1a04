"""Shots that rules learn from, in memory."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from xfeldask.physics.binning import ImageGrid


@dataclass
class Given:
    """Shots of which everything is at hand; what was read is noted."""

    arrays: dict[str, np.ndarray]
    low_q_grid: ImageGrid | None = None
    labels: np.ndarray | None = None
    read_of: list[str] = field(default_factory=list)

    image_grid = background = None

    def __len__(self) -> int:
        return len(next(iter(self.arrays.values())))

    def read(self, name: str, index: Any = None) -> np.ndarray:
        self.read_of.append(name)
        return self.arrays[name] if index is None else self.arrays[name][index]
