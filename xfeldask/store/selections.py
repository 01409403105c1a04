"""Selections of shots in a store, by name: ``/selection/<name>/selected (shot)``."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xfeldask.errors import InputError
from xfeldask.store.opening import open_dataset, open_root
from xfeldask.store.publish import publish_group

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")


def publish_selection(path: Path, name: str, selected: NDArray[np.bool_], where: str = "") -> None:
    """Write a selection; one of the same name is replaced.

    Parameters
    ----------
    path : Path, of the store
    name : str, letters, digits and underscores
    selected : bool (shot,), all shots of the store
    where : str, expression that it was made by; empty for one made by hand

    Raises
    ------
    InputError
        A name or a length that cannot be, a store that cannot be written.
    """
    check_name(name)
    n_shots = open_dataset(path, chunks=None, allow_incomplete=True).sizes["shot"]
    if selected.shape != (n_shots,):
        raise InputError(f"a selection tells of each of the {n_shots} shots of the store, got {selected.shape}")
    attributes = {"long_name": f"selection {name}", "where": where, "n_selected": int(selected.sum())}
    publish_group(path, f"selection/{name}", xr.Dataset({"selected": ("shot", selected, attributes)}))


def read_selections(path: Path) -> dict[str, xr.DataArray]:
    """Selections of a store by name, bool (shot,)."""
    root = open_root(path)
    if "selection" not in root:
        return {}
    names = sorted(root["selection"].group_keys())  # type: ignore[union-attr]
    return {
        name: open_dataset(path, group=f"selection/{name}", chunks=None, allow_incomplete=True)["selected"]
        for name in names
    }


def check_name(name: str) -> None:
    """Refuse what is no name.

    Raises
    ------
    InputError

    Examples
    --------
    >>> check_name("my shots")
    Traceback (most recent call last):
    ...
    xfeldask.errors.InputError: a selection's name is letters, digits and underscores, 64 at most, got 'my shots'
    """
    if not NAME.fullmatch(name):
        raise InputError(f"a selection's name is letters, digits and underscores, 64 at most, got {name!r}")
