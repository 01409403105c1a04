"""Shots that rules learn from: those of a run, and those that have coordinates already."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xfeldask.physics.binning import ImageGrid
from xfeldask.sorting.protocol import Columns, Shots
from xfeldask.store.run import Run


@dataclass(frozen=True, eq=False)
class StoredShots:
    """The first shots of a run.

    Attributes
    ----------
    run : Run
    n_shots : int
    labels : int8 (shot,) or None
    """

    run: Run
    n_shots: int
    labels: NDArray[np.int8] | None = None

    def __len__(self) -> int:
        return self.n_shots

    @property
    def background(self) -> NDArray[np.float32] | None:
        """Background of the run, where it is known."""
        found = self.run.known_background
        return None if found is None else found.low_q

    @property
    def image_grid(self) -> ImageGrid:
        """Bins of `image`."""
        return self.run.image_grid

    @property
    def low_q_grid(self) -> ImageGrid:
        """Bins of `low_q`."""
        return self.run.low_q_grid

    def read(self, name: str, index: NDArray[np.int64] | None = None) -> NDArray[Any]:
        """Return a variable of some shots, ascending, each chunk read once; or of all."""
        if index is None:
            return self.run.read(name, slice(self.n_shots))
        length = self.run.array(name).chunks[0]
        parts = [self.run.read(name, slice(0))]
        for rows in np.split(index, np.flatnonzero(np.diff(index // length)) + 1) if len(index) else []:
            start = int(rows[0]) // length * length
            parts.append(self.run.read(name, slice(start, start + length))[rows - start])
        return np.concatenate(parts)


@dataclass(frozen=True, eq=False)
class EmbeddedShots:
    """Shots, some of whose variables have just been computed.

    Attributes
    ----------
    shots : Shots
    columns : arrays (shot, ...) by name, `latent` among them

    Examples
    --------
    >>> shots = EmbeddedShots(None, {"latent": np.eye(3)})
    >>> len(shots), shots.read("latent", np.array([2])).tolist()
    (3, [[0.0, 0.0, 1.0]])
    """

    shots: Shots
    columns: Columns

    def __len__(self) -> int:
        return len(self.columns["latent"])

    @property
    def labels(self) -> NDArray[np.int8] | None:
        """Labels (shot,), where anybody gave some."""
        return self.shots.labels

    @property
    def background(self) -> NDArray[np.float32] | None:
        """Background of the shots, where it is known."""
        return self.shots.background

    @property
    def image_grid(self) -> ImageGrid:
        """Bins of `image`."""
        return self.shots.image_grid

    @property
    def low_q_grid(self) -> ImageGrid:
        """Bins of `low_q`."""
        return self.shots.low_q_grid

    def read(self, name: str, index: NDArray[np.int64] | None = None) -> NDArray[Any]:
        """Return a variable of some shots, or of all."""
        if name not in self.columns:
            return self.shots.read(name, index)
        return self.columns[name] if index is None else self.columns[name][index]
