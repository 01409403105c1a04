"""Dragonfly's files written byte by byte, after its documentation and not after our reader."""

from __future__ import annotations

import struct
from pathlib import Path

import h5py
import numpy as np


def sparse_bytes(frames: np.ndarray) -> bytes:
    """A sparse file of frames (shot, pixel)."""
    out = [struct.pack("<256i", len(frames), frames.shape[1], *[0] * 254)]
    ones = [np.flatnonzero(f == 1) for f in frames]
    multi = [np.flatnonzero(f > 1) for f in frames]
    out += [struct.pack(f"<{len(frames)}i", *map(len, lists)) for lists in (ones, multi)]
    for lists in (ones, multi):
        out += [struct.pack(f"<{len(places)}i", *places) for places in lists]
    out += [struct.pack(f"<{len(places)}i", *f[places].tolist()) for places, f in zip(multi, frames, strict=True)]
    return b"".join(out)


def dense_bytes(frames: np.ndarray, kind: int) -> bytes:
    """A dense file of frames (shot, pixel): of kind 1, int32, or 2, float64."""
    header = struct.pack("<256i", len(frames), frames.shape[1], kind, *[0] * 253)
    return header + frames.astype("<i4" if kind == 1 else "<f8").tobytes()


def write_vlen(path: Path, frames: np.ndarray) -> None:
    """Dragonfly's HDF5 form."""
    with h5py.File(path, "w") as file:
        file["num_pix"] = np.array([frames.shape[1]], "i4")
        lists = {
            "place_ones": [np.flatnonzero(f == 1) for f in frames],
            "place_multi": [np.flatnonzero(f > 1) for f in frames],
            "count_multi": [f[f > 1] for f in frames],
        }
        for name, values in lists.items():
            data = file.create_dataset(name, (len(frames),), h5py.vlen_dtype(np.int32))
            for i, value in enumerate(values):
                data[i] = value.astype(np.int32)


def write_flat(path: Path, frames: np.ndarray) -> None:
    """emcfile's HDF5 form."""
    with h5py.File(path, "w") as file:
        file.attrs["num_data"], file.attrs["num_pix"] = frames.shape
        file["ones"] = (frames == 1).sum(axis=1).astype("i4")
        file["multi"] = (frames > 1).sum(axis=1).astype("i4")
        file["place_ones"] = np.nonzero(frames == 1)[1].astype("i4")
        file["place_multi"] = np.nonzero(frames > 1)[1].astype("i4")
        file["count_multi"] = frames[frames > 1].astype("i4")
