"""CXI 1.6 written, and verdicts written back into a CXI file that is there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from shutil import disk_usage
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from xfeldask.config.limits import ELECTRON_CHARGE
from xfeldask.errors import FormatError, InputError, MissingFileError, first_line
from xfeldask.physics.detectors import Geometry
from xfeldask.store.choosing.chosen import Chosen

BAD = np.uint32(0x80)
THEIRS = {"train": "trainId", "pulse": "pulseId", "cell": "cellId"}
"""What our identifiers are called in CXI files of the European XFEL."""
PROGRAM = "xfeldask"
AROUND = 2**20
"""Bytes that HDF5 may need besides the verdicts."""


def write_cxi(
    path: Path, chosen: Chosen, result: Mapping[str, NDArray[Any]] | None, advance: Callable[[int], None]
) -> None:
    """Write shots with their detector, identifiers and columns; lengths in m, energies in J, z downstream.

    Parameters
    ----------
    path : Path
    chosen : Chosen
    result : verdicts of these shots as of `write_result`; or None
    advance : callable, is told how many shots are done
    """
    geometry, run = chosen.run.geometry, chosen.run
    with h5py.File(path, "w") as file:
        file["cxi_version"] = 160
        entry = file.create_group("entry_1")
        entry["title"] = str(run.attributes.get("title", ""))
        entry["sample_1/name"] = str(run.attributes.get("particle", run.path.stem))
        entry["instrument_1/name"] = "unknown"
        energies = chosen.values("photon_energy")
        entry["instrument_1/source_1/energy"] = (run.photon_energy if energies is None else energies) * ELECTRON_CHARGE
        detector = entry.create_group("instrument_1/detector_1")
        _write_columns(entry, detector, chosen)
        _write_detector(detector, geometry)
        first = run.array("photons")
        data = detector.create_dataset(
            "data", (len(chosen), *geometry.shape), first.dtype, chunks=(1, *geometry.shape), compression="gzip",
            compression_opts=1, shuffle=True,
        )  # fmt: skip
        data.attrs["axes"] = "experiment_identifier:module_identifier:y:x"
        start = 0
        for block in chosen.blocks():
            data[start : start + len(block)] = block
            start += len(block)
            advance(len(block))
        entry["data_1"] = h5py.SoftLink("/entry_1/instrument_1/detector_1")
        if result is not None:
            write_result(entry, result)


def _write_detector(detector: h5py.Group, geometry: Geometry) -> None:
    detector["distance"] = float(geometry.pixel_position[..., 2].mean())
    detector["x_pixel_size"] = detector["y_pixel_size"] = geometry.pixel_size
    detector["module_identifier"] = np.arange(geometry.shape[0])
    detector["xyz_map"] = np.moveaxis(geometry.pixel_position, -1, 0)
    detector["mask"] = np.where(geometry.mask, np.uint32(0), BAD)
    found = panels_of(geometry)
    if found is not None:
        detector["corner_position"], detector["basis_vectors"] = found


def panels_of(geometry: Geometry) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """Corners (panel, 3) and steps along ss and fs (panel, 2, 3) [m]; None where a panel is no grid of equal steps.

    Examples
    --------
    >>> from xfeldask.physics.detectors import square
    >>> corner, steps = panels_of(square(4, 1e-3, 0.1))
    >>> corner.round(6).tolist(), steps.round(6).tolist()
    ([[-0.002, -0.002, 0.1]], [[[0.0, 0.001, 0.0], [0.001, 0.0, 0.0]]])
    """
    position = geometry.pixel_position
    _, rows, columns = geometry.shape
    if rows < 2 or columns < 2:
        return None
    along_ss = (position[:, -1, 0] - position[:, 0, 0]) / (rows - 1)
    along_fs = (position[:, 0, -1] - position[:, 0, 0]) / (columns - 1)
    corner = position[:, 0, 0] - (along_ss + along_fs) / 2
    i, j = np.arange(rows) + 0.5, np.arange(columns) + 0.5
    grid = corner[:, None, None] + i[:, None, None] * along_ss[:, None, None] + j[:, None] * along_fs[:, None, None]
    if np.abs(grid - position).max() > 1e-3 * geometry.pixel_size:
        return None
    return corner, np.stack([along_ss, along_fs], axis=1)


def _write_columns(entry: h5py.Group, detector: h5py.Group, chosen: Chosen) -> None:
    columns = chosen.columns()
    if "experiment_identifier" not in columns:
        names = [f"{chosen.run.path.stem}_shot{shot}" for shot in chosen.shots.tolist()]
        entry.create_dataset("experiment_identifier", data=names, dtype=h5py.string_dtype())
    for name, column in columns.items():
        values = column.values
        if values.dtype.kind in "TUO":
            place = entry if name == "experiment_identifier" else detector
            place.create_dataset(name, data=[str(value) for value in values], dtype=h5py.string_dtype())
        elif name in THEIRS:
            detector[THEIRS[name]] = values
        else:
            item = detector.create_dataset(f"columns/{name}", data=values)
            item.attrs["units"] = str(column.attrs.get("units", "1"))


def write_result(entry: h5py.Group, result: Mapping[str, NDArray[Any]]) -> str:
    """Write verdicts as the next free ``result_N``, or in the place of one of the same name that we wrote before.

    All of it is written beside its place first and moved there by one change of a link.

    Parameters
    ----------
    entry : h5py.Group, writable
    result : mapping with `name` of the embedding, `verdict` (shot,) codes, `labels`, and numbers (shot,) by name

    Returns
    -------
    str, the group's name

    Examples
    --------
    >>> file = h5py.File("run.cxi", "w", driver="core", backing_store=False)
    >>> found = {"name": "ipca", "verdict": np.array([1, 2]), "labels": ["blank", "single", "multiple"]}
    >>> write_result(file, found), write_result(file, found), write_result(file, {**found, "name": "pca"})
    ('result_1', 'result_1', 'result_2')
    """
    title = str(result["name"])
    have = [name for name in entry if name.startswith("result_") and name[7:].isdigit()]
    ours = [n for n in have if entry[n].attrs.get("program") == PROGRAM and entry[n].attrs.get("embedding") == title]
    place = ours[0] if ours else f"result_{max((int(n[7:]) for n in have), default=0) + 1}"
    beside = f".{place}.writing"
    if beside in entry:
        del entry[beside]
    group = entry.create_group(beside)
    group.attrs["program"], group.attrs["embedding"] = PROGRAM, title
    group["data"] = np.asarray(result["verdict"])
    group.create_dataset("class_labels", data=[str(x) for x in result["labels"]], dtype=h5py.string_dtype())
    for name, values in result.items():
        if name not in ("name", "verdict", "labels", "is_hit"):
            group[name] = values
    entry.file.flush()
    if place in entry:
        del entry[place]
    entry.move(beside, place)
    return place


def write_back_result(path: str, stack: str, n_shots: int, result: Mapping[str, NDArray[Any]]) -> str:
    """Write verdicts into a CXI file that is there: ``result_N`` of the entry and ``score/is_hit`` of the detector.

    What was in ``score/is_hit`` before the first time is kept as ``score/is_hit_original``.

    Parameters
    ----------
    path, stack : str, of the file and of its stack of frames
    n_shots : int, frames that it should have
    result : as of `write_result`, with `is_hit` (shot,)

    Returns
    -------
    str, where the verdicts are

    Raises
    ------
    MissingFileError
        The file is gone.
    InputError
        It is open elsewhere, may not be written, or the disk is full.
    FormatError
        It does not hold the frames any more.
    """
    _refuse_full(path, result)
    try:
        file = h5py.File(path, "r+")
    except FileNotFoundError:
        raise MissingFileError(f"no file {path}; verdicts are written back where frames were ingested from") from None
    except OSError as error:
        reason = first_line(error)
        if "unable to lock" in reason or "already open" in reason:
            raise InputError(f"{path} is open elsewhere; close it there and try again") from None
        raise InputError(f"{path} cannot be written ({reason}); check its permissions") from None
    with file:
        data = file.get(stack)
        if not isinstance(data, h5py.Dataset) or data.shape[0] != n_shots:
            raise FormatError(path, f"does not hold the {n_shots:,} frames of {stack} that were ingested")
        entry, detector = file[stack.split("/")[0]], data.parent
        try:
            place = write_result(entry, result)
            _replace_is_hit(detector.require_group("score"), result["is_hit"])
        except OSError as error:
            raise InputError(f"{path} cannot be written ({first_line(error)}); make room, and write it again") from None
        return f"{path}:/{entry.name.strip('/')}/{place}"


def _refuse_full(path: str, result: Mapping[str, NDArray[Any]]) -> None:
    """Refuse a disk without room for verdicts: HDF5 may end the process that it fails in."""
    needed = AROUND + sum(np.asarray(values).nbytes for values in result.values())
    if Path(path).is_file() and (free := disk_usage(Path(path).parent).free) < needed:
        raise InputError(f"{path} cannot be written: {free:,} bytes are free, {needed:,} needed; make room")


def _replace_is_hit(score: h5py.Group, is_hit: NDArray[Any]) -> None:
    """Write what is a hit beside its place first, and keep what was there before the first time."""
    if "is_hit.writing" in score:
        del score["is_hit.writing"]
    score["is_hit.writing"] = np.asarray(is_hit, np.uint8)
    score.file.flush()
    if "is_hit" in score and "is_hit_original" not in score:
        score.move("is_hit", "is_hit_original")
    elif "is_hit" in score:
        del score["is_hit"]
    score.move("is_hit.writing", "is_hit")
