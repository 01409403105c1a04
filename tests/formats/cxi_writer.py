"""CXI files and their like as programs of the field write them, made with h5py alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np

EV = 1.602176634e-19
SIZE, DISTANCE = 2e-4, 0.7


def frames(n: int = 6, shape: tuple[int, ...] = (4, 8, 6), seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).poisson(0.6, (n, *shape)).astype(np.uint8)


def panels(shape: tuple[int, int, int] = (4, 8, 6)) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Corners (panel, 3), steps (panel, 2, 3), ss first, and centres (panel, ss, fs, 3) of panels with gaps [m]."""
    corner = np.array([[-0.01 + 0.002 * p, 0.001 * (p % 2), DISTANCE + 1e-4 * p] for p in range(shape[0])])
    steps = np.tile(np.array([[0.0, -SIZE, 0.0], [SIZE, 0.0, 0.0]]), (shape[0], 1, 1))
    centre = np.empty((*shape, 3))
    for p, i, j in np.ndindex(*shape):
        centre[p, i, j] = corner[p] + (i + 0.5) * steps[p, 0] + (j + 0.5) * steps[p, 1]
    return corner, steps, centre


def write_euxfel(path: Path, data: np.ndarray, *, mapped: bool = True, mask: Any = None) -> dict[str, Any]:
    """A hit file of the European XFEL as FXIhub writes them, and what was put into it."""
    n, shape = len(data), data.shape[1:]
    rng = np.random.default_rng(3)
    told = {
        "energy": (6000 + rng.normal(0, 20, n)) * EV,
        "pulse_energy": rng.gamma(3, 1e-3, n),
        "train": np.arange(n, dtype=np.uint64) + 10**9,
        "cell": (np.arange(n, dtype=np.uint64) * 7) % 352,
        "hit_score": rng.normal(0, 5, n),
        "is_hit": rng.random(n) < 0.5,
    }
    corner, steps, centre = panels(shape)
    with h5py.File(path, "w") as file:
        file["cxi_version"] = 160
        entry = file.create_group("entry_1")
        names = [f"p007927_r0042_t{t}_c{c}" for t, c in zip(told["train"], told["cell"], strict=True)]
        entry.create_dataset("experiment_identifier", data=names, dtype=h5py.string_dtype())
        source = entry.create_group("instrument_1/source_1")
        source["energy"], source["pulse_energy"] = told["energy"], told["pulse_energy"]
        source["pulse_energy"].attrs["units"] = "J"
        detector = entry.create_group("instrument_1/detector_1")
        detector.create_dataset("data", data=data, chunks=(1, *shape), compression="gzip", shuffle=True)
        detector["mask"] = np.zeros(shape, np.uint32) if mask is None else mask
        detector["data_white"] = np.full(shape, 0.02, np.float32)
        detector["background_weighting"] = rng.random(n)
        if mapped:
            detector["xyz_map"] = np.moveaxis(centre, -1, 0)
        detector["corner_position"], detector["basis_vectors"] = corner, steps
        detector["trainId"], detector["cellId"] = told["train"], told["cell"]
        for name in ("hit_score", "is_hit"):
            detector[f"score/{name}"] = told[name]
        detector.create_dataset("score/tag", data=["is_crap", "is_good"], dtype=h5py.string_dtype())
        detector["score/tags"] = np.stack([~told["is_hit"], told["is_hit"]]).astype(np.uint8)
        entry["data_1"] = h5py.SoftLink("/entry_1/instrument_1/detector_1")
        entry["result_1/data"] = np.arange(n) % 3 - 1
        entry.create_dataset("result_1/class_labels", data=["single", "water shell"], dtype=h5py.string_dtype())
        entry["result_2/data"] = rng.random((n, 3))
    return told


def write_condor(path: Path, data: np.ndarray) -> dict[str, np.ndarray]:
    """A file of Condor, frames (shot, y, x)."""
    n, rows, columns = data.shape
    rng = np.random.default_rng(4)
    q = rng.normal(size=(n, 4))
    told = {"q": q / np.linalg.norm(q, axis=1, keepdims=True), "p": rng.normal(0, 1e-7, (n, 3))}
    with h5py.File(path, "w") as file:
        file["entry_1/data_1/data"] = data.astype(np.float64)
        file["entry_1/data_1/mask"] = np.zeros(data.shape, np.uint16)
        file["source/wavelength"], file["source/pulse_energy"] = np.full(n, 1e-9), rng.gamma(3, 1e-3, n)
        file["source/photon_energy"] = np.full(n, 1240 * EV)
        particle = file.create_group("particles/particle_00")
        particle["extrinsic_quaternion"], particle["position"] = told["q"], told["p"]
        particle["intensity"], particle["diameter"] = rng.gamma(3, 1, n), rng.normal(7e-8, 1e-9, n)
        for name, value in {"cx": columns / 2 - 0.5, "cy": rows / 2 + 0.5, "nx": columns, "ny": rows,
                            "pixel_size": 1e-4, "distance": 0.3}.items():  # fmt: skip
            file[f"detector/{name}"] = np.full(n, value)
    return told


def write_cspi(path: Path, data: np.ndarray, centre: np.ndarray, wavelength: float, singles: np.ndarray | None) -> None:
    """A file of the reference pipeline; doubles where nobody says which are single."""
    n = len(data)
    norm = np.linalg.norm(centre, axis=-1, keepdims=True)
    q = (
        np.tile(np.array([1.0, 0, 0, 0]), (n, 1))
        if singles is not None
        else np.tile(np.array([1.0, 0, 0, 0]), (n, 2, 1))
    )
    with h5py.File(path, "w") as file:
        file["photons"], file["orientations"] = data, q
        file["pixel_position_reciprocal"] = (centre / norm - [0, 0, 1]) / wavelength
        file["pixel_index_map"] = np.zeros((*data.shape[1:], 2), np.int64)
        file["diffraction_patterns"] = np.zeros((n, 9, 9), np.float32)
        file["principal_component_analysis"] = np.zeros((n, 3))
        if singles is None:
            file["positions"] = np.arange(n * 6, dtype=float).reshape(n, 2, 3) * 1e-9
        else:
            file["single_hits_mask"] = singles.astype(np.uint8)


def write_virtual(path: Path, data: np.ndarray) -> list[Path]:
    """A virtual file of the whole run as extra-data's tool writes them: a file for each module beside it."""
    modules = []
    layout = h5py.VirtualLayout(data.shape, data.dtype)
    for m in range(data.shape[1]):
        modules.append(path.with_name(f"module{m:02d}.h5"))
        with h5py.File(modules[-1], "w") as file:
            file["image/data"] = data[:, m]
        layout[:, m] = h5py.VirtualSource(modules[-1].name, "image/data", data[:, m].shape)
    with h5py.File(path, "w") as file:
        file.create_virtual_dataset("entry_1/instrument_1/detector_1/data", layout)
        file["entry_1/trainId"], file["entry_1/pulseId"] = np.arange(len(data)) + 500, np.arange(len(data)) % 4
        file["entry_1/data_1"] = h5py.SoftLink("/entry_1/instrument_1/detector_1")
        file["entry_1/instrument_1/detector_1/module_identifier"] = np.arange(data.shape[1])
    return modules
