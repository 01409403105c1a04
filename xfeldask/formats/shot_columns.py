"""Numbers that a file tells of each shot besides photons: who it was, how strong the pulse was, how it scored."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from xfeldask.formats.hdf5 import refuse_endless
from xfeldask.schema import is_taken

IDENTIFIERS = {
    "run": ("run", "runs", "runId"),
    "train": ("train", "trains", "trainId", "trainID"),
    "pulse": ("pulse", "pulses", "pulseId", "pulseID"),
    "cell": ("cell", "cells", "cellId", "cellID"),
    "event": ("event", "events", "eventNumber", "vds_index"),
}
"""What a shot is known by, and what files call it."""

_CALLED = {theirs: ours for ours, names in IDENTIFIERS.items() for theirs in names}
_EXPERIMENT = re.compile(r"p(?P<proposal>\d+)_r(?P<run>\d+)_t(?P<train>\d+)_[cp](?P<cell>\d+)")


@dataclass(frozen=True, eq=False)
class ShotColumn:
    """One value for each shot.

    Attributes
    ----------
    values : (shot,) numbers, booleans or text
    long_name : str
    units : str, CF style; "1" for pure numbers
    identifier : bool, tells shots apart, as a train or an event does, and measures nothing
    flags : tuple of (value, meaning), of what has few values

    Examples
    --------
    >>> ShotColumn(np.array([0, 1, 0]), "pump laser", flags=((0, "off"), (1, "on"))).flags
    ((0, 'off'), (1, 'on'))
    """

    values: NDArray[Any]
    long_name: str
    units: str = "1"
    identifier: bool = False
    flags: tuple[tuple[int, str], ...] = ()


def name_of(theirs: str) -> str:
    """Return what a column of a file is called here: an identifier that nothing in a store has.

    Examples
    --------
    >>> name_of("trainId"), name_of("hit-score"), name_of("score")
    ('train', 'hit_score', 'file_score')
    """
    if theirs in _CALLED:
        return _CALLED[theirs]
    name = re.sub(r"\W", "_", theirs, flags=re.ASCII)
    if is_taken(name) or not name.isidentifier():
        name = f"file_{name}"
    return name


def columns_of_group(group: h5py.Group, n_shots: int, skip: Iterable[str] = ()) -> dict[str, ShotColumn]:
    """Read every dataset (shot,) of numbers or text below a group, by name; what comes first keeps a name.

    Parameters
    ----------
    group : h5py.Group
    n_shots : int
    skip : names, of datasets or of groups with all that is in them

    Examples
    --------
    >>> file = h5py.File("run.h5", "w", driver="core", backing_store=False)
    >>> file["trainId"], file["pulse_energy"], file["mask"] = [7, 8], [0.1, 0.2], np.zeros((4, 4))
    >>> file["pulse_energy"].attrs["units"] = "mJ"
    >>> [(name, column.units, column.identifier) for name, column in columns_of_group(file, 2).items()]
    [('pulse_energy', 'mJ', False), ('train', '1', True)]
    """
    found: dict[str, ShotColumn] = {}
    left_out = set(skip)

    def look(name: str, item: object) -> None:
        if left_out & set(name.split("/")) or not isinstance(item, h5py.Dataset) or item.shape != (n_shots,):
            return
        values = values_of(item)
        if values is None:
            return
        own = name.rsplit("/", 1)[-1]
        ours, units = name_of(own), item.attrs.get("units", "1")
        text = units.decode("utf-8", "replace") if isinstance(units, bytes) else str(units)
        found.setdefault(ours, ShotColumn(values, f"{own} of the file", text, own in _CALLED))

    group.visititems(look)
    return found


def values_of(item: h5py.Dataset) -> NDArray[Any] | None:
    """Return the numbers or the text of a dataset, or None where it holds neither.

    Examples
    --------
    >>> file = h5py.File("run.h5", "w", driver="core", backing_store=False)
    >>> file["score"], file["sample"] = [0.5, 2.0], ["virus", "water"]
    >>> values_of(file["score"]).tolist(), values_of(file["sample"]).tolist()
    ([0.5, 2.0], ['virus', 'water'])
    """
    if item.dtype.kind in "buif":
        return np.asarray(item[()])
    text = h5py.check_string_dtype(item.dtype)
    if text is None:
        return None
    if text.length is None and item.ndim == 1:
        refuse_endless(item, range(len(item)), set())
    return np.asarray(item.asstr(errors="replace")[()], np.dtypes.StringDType())


def from_experiment_identifiers(identifiers: NDArray[Any]) -> dict[str, ShotColumn]:
    """Read run, train and cell out of identifiers as the European XFEL's hit files have them.

    Examples
    --------
    >>> found = from_experiment_identifiers(np.array(["p007927_r0042_t1500_c12"]))
    >>> {name: column.values.tolist() for name, column in found.items()}
    {'run': [42], 'train': [1500], 'cell': [12]}
    """
    matches = [_EXPERIMENT.fullmatch(str(text)) for text in identifiers]
    if not all(matches):
        return {}
    return {
        name: ShotColumn(np.array([int(m[name]) for m in matches if m], np.int64), f"{name} of the shot", "1", True)
        for name in ("run", "train", "cell")
    }
