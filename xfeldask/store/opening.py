"""Opening stores for reading."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

import xarray as xr
import zarr
from zarr.errors import ContainsArrayError, GroupNotFoundError, NodeNotFoundError

from xfeldask.config import Experiment
from xfeldask.errors import CorruptStoreError, IncompleteStoreError, InputError, MissingFileError
from xfeldask.schema import LATENT, VARIABLES, named
from xfeldask.store import accessor as accessor
from xfeldask.store.codecs import FAST, pipeline
from xfeldask.store.layout import layout_of


def open_root(store: str | Path, mode: Literal["r", "r+"] = "r") -> zarr.Group:
    """The root group of a store of ours.

    Raises
    ------
    MissingFileError
        There is nothing at the path.
    InputError
        What is there is not a store of this package.
    """
    path = Path(store)
    if not path.exists():
        raise MissingFileError(f"no store at {path}; make one with xfeldask simulate {path}")
    try:
        root = zarr.open_group(path, mode=mode, use_consolidated=False)
    except (GroupNotFoundError, NodeNotFoundError, FileNotFoundError, NotADirectoryError):
        raise InputError(f"{path} is not a Zarr store; give the folder that xfeldask simulate made") from None
    except ContainsArrayError:
        raise InputError(f"{path} is a Zarr array, not a store of xfeldask") from None
    except (ValueError, KeyError, TypeError) as error:
        raise CorruptStoreError(f"{path}: the root metadata cannot be read ({error})") from None
    if not (path / "photons").exists() or "complete" not in root.attrs:
        raise InputError(f"{path} is a Zarr store, but not one of xfeldask: it has no photons or no state")
    return root


def stored_experiment(root: zarr.Group) -> Experiment:
    """The experiment that a store was simulated from.

    Raises
    ------
    CorruptStoreError
        The store holds none, or it cannot be read.
    """
    try:
        return Experiment(**json.loads(str(root.attrs["experiment"])))
    except (KeyError, TypeError, ValueError) as error:
        raise CorruptStoreError(f"{root.store_path}: the stored experiment cannot be read ({error})") from None


def open_dataset(
    store: str | Path, *, group: str | None = None, allow_incomplete: bool = False, chunks: Any = "shard"
) -> xr.Dataset:
    """Open a store lazily.

    Parameters
    ----------
    store : path
    group : str, optional, such as ``"latent/ipca"``
    allow_incomplete : bool, whether a store that is still being written may be opened
    chunks : "shard" to have photons, images and intensities as Dask arrays cut as the store is sharded; None for
        no Dask arrays, the quickest way to single shots; anything else as `xarray.DataArray.chunk` takes it

    Returns
    -------
    xarray.Dataset

    Raises
    ------
    MissingFileError, IncompleteStoreError, InputError, CorruptStoreError

    Examples
    --------
    >>> import tempfile, xfeldask
    >>> path = tempfile.mkdtemp() + "/run.zarr"
    >>> _ = xfeldask.simulate(path, particle="chaperonin", detector="square-64", n_shots=4, progress=False)
    >>> xfeldask.open_dataset(path).photons.dims
    ('shot', 'panel', 'ss', 'fs')
    """
    root = open_root(store)
    if not (root.attrs["complete"] or allow_incomplete):
        raise IncompleteStoreError(f"{store} is not complete; finish it with --resume, or pass allow_incomplete=True")
    if group is not None and group not in root:
        have = sorted(f"{top}/{name}" for top in ("latent", "volume") if top in root for name in _names(root, top))
        raise MissingFileError(f"{store} has no group {group}; it has {', '.join(have) or 'none'}")
    found = _open(store, group)
    place = {name: index for index, name in enumerate([*VARIABLES, *LATENT])}
    data, coords = (
        {name: part[name] for name in sorted(part, key=lambda name: place.get(str(name), len(place)))}
        for part in (found.data_vars, found.coords)
    )
    found = xr.Dataset(data, coords, found.attrs)
    found.encoding["source"] = str(store)
    if chunks is None:
        return found
    cut = {"shot": layout_of(root).shard} if isinstance(chunks, str) and chunks == "shard" else chunks
    raw = [v.name for v in named("raw") if v.name in found]
    return found.assign({name: found[name].chunk(cut) for name in raw})


def _open(store: str | Path, group: str | None) -> xr.Dataset:
    try:
        with pipeline(FAST):
            found: xr.Dataset = xr.open_zarr(store, group=group, consolidated=False, chunks=None)
            return found
    except (ValueError, KeyError, TypeError, RuntimeError, OSError) as error:
        raise CorruptStoreError(f"{store} cannot be opened ({error}); xfeldask verify names what is broken") from error


def _names(root: zarr.Group, top: str) -> list[str]:
    group = root[top]
    return list(group.group_keys()) if isinstance(group, zarr.Group) else []
