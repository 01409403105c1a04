"""Dragonfly's `emc` in a few lines of NumPy, for tests of the benchmark: one iteration of its update rule.

Reads its configuration, photons and detector, and writes its log and volume, by the formats' descriptions (Ayyer et
al., J. Appl. Cryst. 49, 1320, 2016): every slice of a model is interpolated linearly, a frame's likelihood is that of
Poisson counts of one fluence, and slices merged are those that frames make up at a rotation, each with the same weight.
"""

from __future__ import annotations

import sys
from configparser import ConfigParser
from itertools import product
from pathlib import Path

import h5py
import numpy as np

from xfeldask.orient.rotations import rotation_grid

BATCH = 500
LEAST = 1e-6


def read_frames(path: Path) -> np.ndarray:
    items = np.fromfile(path, "<i4")
    (shots, pixels), rest = items[:2], items[256:]
    ones, multi, rest = rest[:shots], rest[shots : 2 * shots], rest[2 * shots :]
    place_ones, place_multi, counts = np.split(rest, np.cumsum([ones.sum(), multi.sum()]))
    out = np.zeros((shots, pixels), np.float32)
    np.add.at(out, (np.repeat(np.arange(shots), ones), place_ones), 1)
    np.add.at(out, (np.repeat(np.arange(shots), multi), place_multi), counts)
    return out


def corners(at: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Flat places of the grid points around, and weights of each."""
    low = np.floor(at).astype(np.int64)
    part, places, weights = at - low, [], []
    for corner in product((0, 1), repeat=3):
        step = low + corner
        places.append((step[..., 0] * size + step[..., 1]) * size + step[..., 2])
        weights.append(np.where(corner, part, 1 - part).prod(axis=-1))
    return np.stack(places), np.stack(weights)


def iterate(frames: np.ndarray, q: np.ndarray, seen: np.ndarray, model: np.ndarray, refinement: int) -> np.ndarray:
    size, grid = len(model), rotation_grid(refinement)
    real = grid.weight > 0
    turns, weight = grid.matrix[real], grid.weight[real] / grid.weight.sum()
    slices = np.empty((len(turns), len(q)), np.float32)
    for start in range(0, len(turns), BATCH):
        place, part = corners(q @ turns[start : start + BATCH].transpose(0, 2, 1) + size // 2, size)
        slices[start : start + BATCH] = (model.reshape(-1)[place] * part).sum(axis=0) * seen
    total = slices.sum(axis=1, dtype=np.float64)
    scale = frames.sum(axis=1).mean() / (weight @ total)
    probability = frames @ np.log(slices * scale).T + (np.log(weight) - scale * total)
    probability = np.exp(probability - probability.max(axis=1, keepdims=True))
    probability /= probability.sum(axis=1, keepdims=True)
    sums, kept = probability.sum(axis=0), np.where(probability > LEAST, probability, 0)
    merged = (kept.T.astype(np.float32) @ frames) / sums[:, None] / seen
    grids = np.zeros((2, size**3))
    for start in range(0, len(turns), BATCH):
        place, part = corners(q @ turns[start : start + BATCH].transpose(0, 2, 1) + size // 2, size)
        grids[0] += np.bincount(place.ravel(), (part * merged[start : start + BATCH]).ravel(), size**3)
        grids[1] += np.bincount(place.ravel(), part.ravel(), size**3)
    out = np.divide(grids[0], grids[1], out=grids[0], where=grids[1] > 0).reshape(model.shape)
    return (out + out[::-1, ::-1, ::-1]) / 2


def main(hdf5: bool) -> None:
    config = ConfigParser()
    config.read("config.ini")
    told = config["emc"]
    size = int(told["size"])
    if hdf5:
        with h5py.File(told["start_model_file"]) as file:
            (model,) = file["intens"]
    else:
        model = np.fromfile(told["start_model_file"]).reshape(size, size, size)
    with h5py.File(told["in_detector_file"]) as file:
        q = np.column_stack([file[name][()] for name in ("qx", "qy", "qz")])
        seen = file["corr"][()]
        assert not file["mask"][()].any()
    frames = read_frames(Path(told["in_photons_file"]))
    found = iterate(frames, q, seen / seen.mean(), model, int(told["num_div"]))
    out = Path(told["output_folder"])
    if hdf5:
        with h5py.File(out / "output_001.h5", "w") as file:
            file["intens"] = found[None]
    else:
        found.tofile(out / "output" / "intens_001.bin")
    row = f"1\t{2.5:4.2f}\t{0.1:1.4e}\t{1.0:f}\t{-1.0:.6e}\t{len(frames):<7d}\t{1.0:f}\n"
    head = "Iter\ttime\trms_change\tinfo_rate\tlog-likelihood\tnum_rot\tbeta\n"
    Path(told["log_file"]).write_text(f"Cryptotomography with the EMC algorithm using MPI+OpenMP\n\n{head}{row}")


if __name__ == "__main__":
    assert sys.argv[2:] == ["-c", "config.ini", "-t", "1", "1"], sys.argv
    main(sys.argv[1] == "hdf5")
