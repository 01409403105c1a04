"""CXI files (https://www.cxidb.org/cxi.html) as beamlines write them: hits of the European XFEL, virtual, psocake.

Lengths are in m, energies in J, z goes downstream and y up. A stack of frames is
``entry_N/instrument_M/detector_K/data`` or ``entry_N/data_M/data``; where several names lead to one it is read once.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from xfeldask.config.limits import ELECTRON_CHARGE
from xfeldask.errors import FormatError, InputError, MissingPhotonEnergyError
from xfeldask.formats.cxi_detector import cxi_geometry, fixed_mask, shot_masks
from xfeldask.formats.frames import Frames
from xfeldask.formats.hdf5 import holds, open_hdf5, reading
from xfeldask.formats.joined import JoinedFrames
from xfeldask.formats.shot_columns import ShotColumn, columns_of_group, from_experiment_identifiers, name_of, values_of
from xfeldask.formats.stacks import StackFrames
from xfeldask.physics.detectors import Geometry, make_geometry

ENERGIES = ("energy", "photon_energy")
NOT_COLUMNS = ("data", "mask", "data_white", *ENERGIES)


class CxiFile:
    """The kind of frames in CXI files.

    Examples
    --------
    >>> import tempfile
    >>> path = tempfile.mkdtemp() + "/run.h5"
    >>> with h5py.File(path, "w") as file:
    ...     file["entry_1/data_1/data"] = np.zeros((3, 4, 4), np.uint8)
    >>> CxiFile.recognises(path), CxiFile.recognises(path + ":/entry_1/image_1/data")
    (True, False)
    """

    @staticmethod
    def recognises(source: str) -> bool:
        """Whether the HDF5 file has an entry with a stack of frames."""
        path, _, name = source.partition(":/")
        return holds(path, lambda file: name in found if (found := _stacks(file)) and name else bool(found))

    def __call__(self, source: str, geometry: Geometry | None, photon_energy: float | None) -> Frames:
        """Open all stacks of a file, or the one that is named after ``:/``.

        Raises
        ------
        FormatError
            There is none, they do not belong together, or a file that one refers to is missing.
        InputError
            A geometry or an energy is missing.
        """
        path, _, name = source.partition(":/")
        file = open_hdf5(path)
        with reading(source):
            found = _stacks(file)
            names = [name] if name else found
            if not found or (name and not isinstance(file.get(name), h5py.Dataset)):
                raise FormatError(source, f"has no such stack of frames; it has {', '.join(found) or 'none'}")
            _refuse_unlike(path, file, names)
            parts = [_stack(path, file, stack, geometry, photon_energy) for stack in names]
        return parts[0] if len(parts) == 1 else JoinedFrames(parts)


def cxi_stacks(source: str) -> list[tuple[str, int]]:
    """Return the stacks that `CxiFile` reads of a source in order, and how many frames each has.

    Raises
    ------
    MissingFileError, FormatError

    Examples
    --------
    >>> import tempfile
    >>> path = tempfile.mkdtemp() + "/run.cxi"
    >>> with h5py.File(path, "w") as file:
    ...     file["entry_1/data_1/data"] = np.zeros((3, 4, 4), np.uint8)
    >>> cxi_stacks(path)
    [('entry_1/data_1/data', 3)]
    """
    path, _, name = source.partition(":/")
    with open_hdf5(path) as file, reading(source):
        return [(stack, int(file[stack].shape[0])) for stack in ([name] if name else _stacks(file))]


def _stacks(file: h5py.File) -> list[str]:
    """Names of all stacks of frames in order, each once."""
    names: list[str] = []
    seen = set()
    for group in _below(file, "entry_"):
        instruments = [f"{group}/{name}" for name in _names(file[group], "instrument_")]
        places = [f"{place}/{name}" for place in instruments for name in _names(file[place], "detector_")]
        places += [f"{group}/{d}" for d in _names(file[group], "data_")]
        for place in places:
            item = file[place].get("data") if isinstance(file.get(place), h5py.Group) else None
            if isinstance(item, h5py.Dataset) and item.ndim in (3, 4) and item.dtype.kind in "buif":
                key = h5py.h5o.get_info(item.id).addr, item.file.filename
                if key not in seen:
                    seen.add(key)
                    names.append(f"{place}/data")
    return names


def _below(group: h5py.Group, start: str) -> Iterator[str]:
    yield from (name for name in _names(group, start) if isinstance(group.get(name), h5py.Group))


def _names(group: Any, start: str) -> list[str]:
    """Names of members that begin so, by their number."""
    if not isinstance(group, h5py.Group):
        return []
    found = [name for name in group if name.startswith(start)]
    return sorted(found, key=lambda name: (len(name), name))


def _refuse_unlike(path: str, file: h5py.File, names: list[str]) -> None:
    """Refuse stacks that are no shots one after the other: of several shapes, or of one shot by several detectors."""
    shapes = {file[name].shape[1:] for name in names}
    lengths = {file[name].shape[0] for name in names}
    told = ", ".join(f"{path}:/{name} {file[name].shape}" for name in names)
    if len(shapes) > 1:
        raise FormatError(path, f"has frames of several shapes; name one: {told}")
    one_entry = len({name.partition("/")[0] for name in names}) == 1
    if len(names) > 1 and one_entry and len(lengths) == 1 and _identified(file, lengths.pop()):
        raise FormatError(path, f"has the same shots from several detectors; name one: {told}")


def _identified(file: h5py.File, n_shots: int) -> bool:
    """Whether there is an identifier for each shot of one stack."""
    groups = [file[name] for name in ("LCLS", "entry_1") if isinstance(file.get(name), h5py.Group)]
    return any(column.identifier for group in groups for column in columns_of_group(group, n_shots).values())


def _stack(
    path: str, file: h5py.File, name: str, geometry: Geometry | None, photon_energy: float | None
) -> StackFrames:
    data = file[name]
    refuse_missing_sources(path, data)
    entry, n_shots = file[name.split("/")[0]], data.shape[0]
    detector = _detector(entry, data)
    columns = cxi_columns(file, entry, n_shots)
    energies = cxi_energies(entry, n_shots)
    truth = {}
    if isinstance(energies, np.ndarray):
        truth["photon_energy"] = energies
        nominal: float | None = float(np.nanmedian(energies)) if np.isfinite(energies).any() else None
    else:
        nominal = energies
    shape = data.shape[1:] if data.ndim == 4 else (1, *data.shape[1:])
    found = geometry
    if found is None and detector is not None:
        found = cxi_geometry(f"{path}:/{name}", detector, shape)
    elif found is not None and detector is not None and found.mask.size == np.prod(shape):
        good = found.mask & fixed_mask(detector, shape).reshape(found.shape)
        found = make_geometry(found.pixel_position, found.pixel_size, good)
    if found is None:
        raise InputError(f"{path}:/{name} does not say where its pixels are; give its geometry (--detector)")
    if photon_energy is None and nominal is None:
        raise MissingPhotonEnergyError(
            f"{path}:/{name} does not say its photon energy; give wavelength in m (--wavelength)"
        )
    bad = None if detector is None else shot_masks(detector, data.shape)
    return StackFrames(f"{path}:/{name}", data, found, photon_energy or nominal, truth, columns, bad)


def refuse_missing_sources(path: str, data: h5py.Dataset) -> None:
    """Refuse a virtual data set whose files are gone: HDF5 would give zeros in their place.

    Raises
    ------
    FormatError
    """
    if not data.is_virtual:
        return
    for name in sorted({part.file_name for part in data.virtual_sources()}):
        beside = Path(path).parent / name
        if name != "." and not beside.exists() and not Path(name).exists():
            raise FormatError(path, f"refers to frames in {name}, which is not there; put it beside, or mend the path")


def _detector(entry: h5py.Group, data: h5py.Dataset) -> h5py.Group | None:
    """Return the group that tells of the detector of a stack: the one that it lies in, or the only one of the entry."""
    own = data.parent
    groups = [entry[i][d] for i in _below(entry, "instrument_") for d in _below(entry[i], "detector_")]
    if own in groups or any(name in own for name in ("xyz_map", "corner_position", "distance")):
        return own
    return groups[0] if len(groups) == 1 else None


def cxi_energies(entry: h5py.Group, n_shots: int) -> NDArray[np.float64] | float | None:
    """Photon energies of an entry's source [eV]: of each shot, one for all, or None.

    Examples
    --------
    >>> file = h5py.File("run.cxi", "w", driver="core", backing_store=False)
    >>> file["entry_1/instrument_1/source_1/energy"] = np.array([1.0, 2.0]) * 4600 * ELECTRON_CHARGE
    >>> cxi_energies(file["entry_1"], 2).tolist()
    [4600.0, 9200.0]
    """
    for instrument in _below(entry, "instrument_"):
        for source in _below(entry[instrument], "source_"):
            for name in ENERGIES:
                item = entry[instrument][source].get(name)
                if not isinstance(item, h5py.Dataset) or item.dtype.kind not in "uif" or not item.size:
                    continue
                values = np.asarray(item[()], np.float64).ravel()
                # the standard has J; files of the European XFEL's first years have eV
                values = np.where(values < 1e-3, values / ELECTRON_CHARGE, values)
                if len(values) == n_shots and n_shots > 1:
                    return values
                if np.isfinite(values[0]) and values[0] > 0:
                    return float(values[0])
    return None


def cxi_columns(file: h5py.File, entry: h5py.Group, n_shots: int) -> dict[str, ShotColumn]:
    """Everything that a file tells of each shot of an entry.

    Examples
    --------
    >>> file = h5py.File("run.cxi", "w", driver="core", backing_store=False)
    >>> file["entry_1/instrument_1/detector_1/trainId"] = [1500, 1501]
    >>> {name: column.values.tolist() for name, column in cxi_columns(file, file["entry_1"], 2).items()}
    {'train': [1500, 1501]}
    """
    results = list(_below(entry, "result_"))
    columns = columns_of_group(entry, n_shots, skip=(*NOT_COLUMNS, *results))
    if isinstance(file.get("LCLS"), h5py.Group):
        columns = columns_of_group(file["LCLS"], n_shots, skip=NOT_COLUMNS) | columns
    for result in results:
        columns |= _result(entry[result], result, n_shots)
    columns |= _tags(entry, n_shots)
    if "experiment_identifier" in columns:
        told = columns["experiment_identifier"]
        columns["experiment_identifier"] = ShotColumn(told.values, told.long_name, "1", True)
        columns = from_experiment_identifiers(told.values) | columns
    return columns


def _result(group: h5py.Group, name: str, n_shots: int) -> dict[str, ShotColumn]:
    """Columns of a result: classes with their labels, or several numbers a shot."""
    data, out = group.get("data"), {}
    if isinstance(data, h5py.Dataset) and data.shape == (n_shots,) and data.dtype.kind in "buif":
        flags: tuple[tuple[int, str], ...] = ()
        labels = group.get("class_labels")
        if isinstance(labels, h5py.Dataset) and (words := values_of(labels)) is not None and words.dtype.kind == "T":
            named = ["_".join(str(word).split()) or "class" for word in words.ravel()]
            flags = ((-1, "none"), *enumerate(named))
        ours = "file_class" if flags else name
        out[ours] = ShotColumn(np.asarray(data[()]), f"class of the file's {name}" if flags else name, flags=flags)
    elif isinstance(data, h5py.Dataset) and data.ndim == 2 and data.shape[0] == n_shots and data.dtype.kind in "buif":
        values = np.asarray(data[()])
        out = {f"{name}_{i}": ShotColumn(values[:, i], f"value {i} of {name}") for i in range(min(16, values.shape[1]))}
    return out | columns_of_group(group, n_shots, skip=("data", "class_labels"))


def _tags(entry: h5py.Group, n_shots: int) -> dict[str, ShotColumn]:
    """Columns of tags that were given by hand, ``score/tags`` (tag, shot) with names in ``score/tag``."""
    out: dict[str, ShotColumn] = {}

    def look(name: str, item: object) -> None:
        if not (name.rsplit("/", 1)[-1] == "tags" and isinstance(item, h5py.Dataset) and item.ndim == 2):
            return
        words = item.parent.get("tag")
        labels = values_of(words) if isinstance(words, h5py.Dataset) else None
        names = [f"tag_{i}" for i in range(item.shape[0])]
        if labels is not None and labels.dtype.kind == "T" and labels.size == item.shape[0]:
            names = [name_of(str(label)) for label in labels.ravel()]
        if item.shape[1] == n_shots and item.dtype.kind in "bui":
            out.update({n: ShotColumn(np.asarray(item[i]) != 0, f"tag {n}") for i, n in enumerate(names)})

    entry.visititems(look)
    return out
