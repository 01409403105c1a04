"""Where the pixels of a CXI file's detector are, and which are good."""

from __future__ import annotations

from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from xfeldask.errors import FormatError, InputError
from xfeldask.formats.hdf5 import number
from xfeldask.formats.stacks import flat_panel, pixel_pitch
from xfeldask.formats.unpacking import Array, unpacked
from xfeldask.physics.detectors import Geometry, follows_pixels, make_geometry

HARMLESS = 0x20 | 0x100 | 0x800 | 0x1000
"""Bits of a mask that make no pixel bad: peak, resolution limit, photon counting, halo."""
SAMPLE = 16
"""Shots whose masks tell which pixels are bad throughout."""


def cxi_geometry(source: str, detector: h5py.Group, shape: tuple[int, int, int]) -> Geometry | None:
    """Return the pixels of a detector as its group tells them; None where it does not.

    Taken are, in this order, ``xyz_map`` (3, panel, ss, fs); ``corner_position`` (panel, 3) with ``basis_vectors``
    (panel, 2, 3), the step along ss first; ``distance`` with a pixel size, of one panel around the beam.

    Parameters
    ----------
    source : str, told in errors
    detector : h5py.Group
    shape : (panel, ss, fs) of frames

    Raises
    ------
    FormatError
        What is there does not fit the frames.

    Examples
    --------
    >>> file = h5py.File("run.cxi", "w", driver="core", backing_store=False)
    >>> file["x_pixel_size"], file["distance"] = 1e-3, 0.1
    >>> cxi_geometry("run.cxi", file, (1, 2, 2)).pixel_position[0, 0].tolist()
    [[-0.0005, -0.0005, 0.1], [0.0005, -0.0005, 0.1]]
    """
    size = number(detector, "x_pixel_size") or number(detector, "y_pixel_size")
    distance = number(detector, "distance")
    good = fixed_mask(detector, shape)
    position = _mapped(source, detector, shape)
    if position is None:
        position = _stepped(source, detector, shape)
    try:
        if position is not None:
            if not (position[..., 2] > 0).all():
                if distance is None:
                    raise FormatError(source, "its pixels lie in the sample's plane and it tells no distance")
                position = position + np.array([0.0, 0.0, abs(distance)])
            return make_geometry(position, size or pixel_pitch(position), good)
        if distance is None or size is None or shape[0] != 1:
            return None
        return flat_panel(shape[1:], size, abs(distance), mask=good[0])
    except InputError as error:
        if isinstance(error, FormatError):
            raise
        raise FormatError(source, f"has a detector that cannot be: {error}") from None


def fixed_mask(detector: h5py.Group, shape: tuple[int, int, int]) -> NDArray[np.bool_]:
    """Pixels that are good in more than half of the shots, by ``mask`` and ``good_pixels``, bool (panel, ss, fs).

    Raises
    ------
    FormatError
        They are of so many pixels, in another order.

    Examples
    --------
    >>> file = h5py.File("run.cxi", "w", driver="core", backing_store=False)
    >>> # bad in two shots of three; and a peak, which makes no pixel bad
    >>> file["mask"] = np.array([[[1, 0x20]], [[1, 0]], [[0, 0]]], np.uint16)
    >>> fixed_mask(file, (1, 1, 2)).tolist()
    [[[False, True]]]
    """
    good = np.ones(shape, np.bool_)
    mask, chosen = detector.get("mask"), detector.get("good_pixels")
    size = int(np.prod(shape))
    if isinstance(mask, h5py.Dataset) and mask.dtype.kind in "bui":
        if mask.size == size:
            good &= ~_bad(_in_order(mask, mask[()], shape))
        elif mask.ndim > 2 and mask.shape[0] and mask.size == mask.shape[0] * size:
            shots = np.unique(np.linspace(0, mask.shape[0] - 1, SAMPLE).astype(int))
            bad = [_bad(_in_order(mask, mask[int(shot)], shape)) for shot in shots]
            good &= np.mean(bad, axis=0) <= 0.5
    if isinstance(chosen, h5py.Dataset) and chosen.size == size and chosen.dtype.kind in "bui":
        good &= _in_order(chosen, chosen[()], shape) != 0
    return good


def _in_order(item: h5py.Dataset, values: NDArray[Any], shape: tuple[int, int, int]) -> NDArray[Any]:
    """Return values of pixels (panel, ss, fs), unless they follow one another in another order."""
    if not follows_pixels(values.shape, shape):
        told = f"has {item.name} of {item.shape} for frames of {shape}; its rows are to go along fs"
        raise FormatError(item.file.filename, told)
    return np.asarray(values).reshape(shape)


class _Bad:
    """Masks of shots, read as what they make bad."""

    def __init__(self, masks: Array) -> None:
        self._masks, self.shape, self.dtype = masks, masks.shape, np.dtype(np.bool_)

    def __getitem__(self, shots: slice) -> NDArray[np.bool_]:
        return _bad(np.asarray(self._masks[shots]))


def shot_masks(detector: h5py.Group, shape: tuple[int, ...]) -> Array | None:
    """Return masks of single shots, true where a pixel is bad; None where there is one mask for all.

    Examples
    --------
    >>> file = h5py.File("run.cxi", "w", driver="core", backing_store=False)
    >>> file["mask"] = np.array([[[1, 0]], [[0, 0]]], np.uint16)
    >>> shot_masks(file, (2, 1, 2))[0:2].tolist()
    [[[True, False]], [[False, False]]]
    """
    mask = detector.get("mask")
    if isinstance(mask, h5py.Dataset) and mask.shape == shape and mask.dtype.kind in "bui" and shape[0] > 1:
        return _Bad(unpacked(mask))
    return None


def _bad(mask: NDArray[Any]) -> NDArray[np.bool_]:
    if mask.dtype.kind == "b":
        return np.asarray(mask, np.bool_)
    harmful = mask.dtype.type(~HARMLESS & int(np.iinfo(mask.dtype).max))
    return np.asarray((mask & harmful) != 0)


def _mapped(source: str, detector: h5py.Group, shape: tuple[int, int, int]) -> NDArray[np.float64] | None:
    item = detector.get("xyz_map")
    if not isinstance(item, h5py.Dataset):
        return None
    if item.size != 3 * np.prod(shape) or item.shape[0] != 3 or item.dtype.kind != "f":
        raise FormatError(source, f"has an xyz_map of {item.shape} for frames of {shape}; it is (3, panel, ss, fs)")
    mapped = np.asarray(item[()], np.float64).reshape(3, *shape)
    return np.asarray(np.moveaxis(mapped, 0, -1))


def _stepped(source: str, detector: h5py.Group, shape: tuple[int, int, int]) -> NDArray[np.float64] | None:
    corner, basis = detector.get("corner_position"), detector.get("basis_vectors")
    if not (isinstance(corner, h5py.Dataset) and isinstance(basis, h5py.Dataset)):
        return None
    panels = shape[0]
    if corner.size != 3 * panels or basis.size != 6 * panels:
        told = f"has corners {corner.shape} and basis vectors {basis.shape} for {panels} panels"
        raise FormatError(source, f"{told}; they are (panel, 3) and (panel, 2, 3)")
    start = np.asarray(corner[()], np.float64).reshape(panels, 1, 1, 3)
    steps = np.asarray(basis[()], np.float64).reshape(panels, 2, 3)
    i, j = np.arange(shape[1]) + 0.5, np.arange(shape[2]) + 0.5
    along_ss = i[:, None, None] * steps[:, None, None, 0]
    along_fs = j[:, None] * steps[:, None, None, 1]
    return np.asarray(start + along_ss + along_fs)
