"""Frames of an array that is not alone in its file: with truth, columns and a mask for each shot beside it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xfeldask.formats.arrays import ArrayFrames
from xfeldask.formats.hdf5 import reading
from xfeldask.formats.shot_columns import ShotColumn
from xfeldask.formats.unpacking import Array
from xfeldask.physics.detectors import Geometry, make_geometry
from xfeldask.physics.images import Counts


class StackFrames(ArrayFrames):
    """Frames of an array with what its file tells of each shot.

    Parameters
    ----------
    source : str, told in errors
    array : Array (shot, panel, ss, fs), or (shot, ss, fs) of one panel
    geometry : Geometry or None
    photon_energy : float or None, nominal [eV]
    truth : arrays (shot, ...), by the names of `xfeldask.schema`
    columns : by name
    bad : Array (shot, ...) of the frames' shape, not 0 where a pixel of a shot counts nothing; or None

    Examples
    --------
    >>> frames, bad = np.array([[[4, 7]], [[1, 2]]], np.uint8), np.array([[[0, 1]], [[0, 0]]])
    >>> truth, panel = {"n_particles": np.array([1, 2])}, flat_panel((1, 2), 1e-3, 0.1)
    >>> stack = StackFrames("run", frames, panel, 4600, truth, bad=bad)
    >>> stack.read(range(2)).tolist(), stack.truth(range(1, 2))
    ([[[[4, 0]]], [[[1, 2]]]], {'n_particles': array([2])})
    """

    def __init__(
        self,
        source: str,
        array: Array,
        geometry: Geometry | None,
        photon_energy: float | None,
        truth: Mapping[str, NDArray[Any]] | None = None,
        columns: Mapping[str, ShotColumn] | None = None,
        bad: Array | None = None,
    ) -> None:
        super().__init__(source, array, geometry, photon_energy)
        self._truth, self._columns, self._masks = (
            dict(truth or {}),
            dict(columns or {}),
            bad,
        )

    def read(self, shots: range) -> Counts:
        """Photons of consecutive shots, none where a pixel is bad in the shot; see `ArrayFrames`."""
        block, bad = super().read(shots), self.bad(shots)
        return block if bad is None else np.where(bad, block.dtype.type(0), block)

    def bad(self, shots: range) -> NDArray[np.bool_] | None:
        """Pixels that are bad in single shots, bool (shot, panel, ss, fs); None where the file tells of none."""
        if self._masks is None:
            return None
        with reading(self._source, shots):
            masks = np.asarray(self._masks[shots.start : shots.stop]).reshape(-1, *self.geometry.shape)
        return np.asarray(masks != 0)

    def truth(self, shots: range) -> dict[str, NDArray[Any]]:
        """Return what the file knows of shots."""
        return {name: values[shots.start : shots.stop] for name, values in self._truth.items()}

    def columns(self) -> dict[str, ShotColumn]:
        """Return what the file tells of shots besides."""
        return self._columns


def pixel_pitch(position: NDArray[np.float64]) -> float:
    """Return the distance of neighbours along fs, the median of all, of positions (panel, ss, fs, 3) [m].

    Examples
    --------
    >>> round(pixel_pitch(flat_panel((4, 4), 1e-3, 0.1).pixel_position), 6)
    0.001
    """
    along = 2 if position.shape[2] > 1 else 1
    steps = np.linalg.norm(np.diff(position, axis=along), axis=-1)
    return float(np.median(steps)) if steps.size else 0.0


def flat_panel(
    shape: tuple[int, int],
    pixel_size: float,
    distance: float,
    center: tuple[float, float] | None = None,
    mask: NDArray[Any] | None = None,
) -> Geometry:
    """One panel across the beam, ss along +y and fs along +x, as an image is kept.

    Parameters
    ----------
    shape : rows, columns
    pixel_size, distance : float [m]
    center : row and column where the beam meets it, counted from the corner of pixel (0, 0); the middle by default
    mask : (rows, columns), true where a pixel is good

    Examples
    --------
    >>> flat_panel((2, 3), 1e-3, 0.1).shape
    (1, 2, 3)
    """
    rows, columns = shape
    row, column = (rows / 2, columns / 2) if center is None else center
    y, x = np.meshgrid(
        (np.arange(rows) + 0.5 - row) * pixel_size, (np.arange(columns) + 0.5 - column) * pixel_size, indexing="ij"
    )
    position = np.stack([x, y, np.full_like(x, distance)], axis=-1)
    return make_geometry(position[None], pixel_size, None if mask is None else np.asarray(mask, np.bool_)[None])
