"""Opening what lies at a path, refused in one sentence where it is no store of ours."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import zarr
from zarr.errors import ContainsArrayError, GroupNotFoundError, NodeNotFoundError

from xfeldask.config import Experiment
from xfeldask.errors import CorruptStoreError, InputError, MissingFileError, UnreachableError
from xfeldask.machine import exists
from xfeldask.store.elsewhere import KEY, photon_store
from xfeldask.store.packing.codecs import FAST, pipeline
from xfeldask.store.storage.leftovers import real_path, sweep_beside
from xfeldask.store.storage.places import Mode, place_of
from xfeldask.store.storage.urls import StorePath, store_path

if TYPE_CHECKING:
    import xarray as xr


def open_root(store: str | StorePath, mode: Mode = "r") -> zarr.Group:
    """Open the root group of a store of ours.

    Raises
    ------
    MissingFileError
        There is nothing at the path.
    InputError
        What is there is not a store of this package, or the mode is another one.

    Examples
    --------
    >>> open_root("gone.zarr")
    Traceback (most recent call last):
    ...
    xfeldask.errors.MissingFileError: no store at gone.zarr; make one with xfeldask simulate gone.zarr
    """
    if mode not in get_args(Mode):
        raise InputError(f"a store is opened to read, mode 'r', or to write too, 'r+', got {mode!r}")
    path = store_path(store)
    # what is read lazily is still found when the process has gone to another folder
    place = place_of(path.absolute())
    if isinstance(path, Path):
        _look_for(path)
    try:
        root = place.open(mode)
    except (GroupNotFoundError, NodeNotFoundError, FileNotFoundError, NotADirectoryError):
        if not place.exists():
            raise MissingFileError(f"no store at {path}; make one with xfeldask simulate {path}") from None
        raise InputError(f"{path} is not a Zarr store; give the folder that xfeldask simulate made") from None
    except InputError:
        raise
    except ContainsArrayError:
        raise InputError(f"{path} is a Zarr array, not a store of xfeldask") from None
    except (ValueError, KeyError, TypeError) as error:
        raise CorruptStoreError(f"{path}: the root metadata cannot be read ({error})") from None
    if not (place.holds("photons") or KEY in root.attrs) or "complete" not in root.attrs:
        raise InputError(f"{path} is a Zarr store, but not one of xfeldask: it has no photons or no state")
    return root


def _look_for(path: Path) -> None:
    """Refuse a path where there is nothing, or a link to nothing."""
    real_path(path)
    if not exists(path):
        # a killed run may have moved it away to put another in its place
        with suppress(OSError):
            sweep_beside(path)
    if not exists(path):
        raise MissingFileError(f"no store at {path}; make one with xfeldask simulate {path}")


def stored_experiment(root: zarr.Group) -> Experiment:
    """Read the experiment that a store was simulated from.

    Raises
    ------
    CorruptStoreError
        The store holds none, or it cannot be read.

    Examples
    --------
    >>> from zarr.storage import MemoryStore
    >>> root = zarr.create_group(MemoryStore())
    >>> root.attrs["experiment"] = Experiment(particle="chaperonin", n_shots=9, seed=7).model_dump_json()
    >>> stored_experiment(root).seed
    7
    """
    try:
        return Experiment.from_stored(str(root.attrs["experiment"]))
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise CorruptStoreError(f"{root.store_path}: the stored experiment cannot be read ({error})") from None


def open_lazily(root: zarr.Group, group: str | None = None) -> xr.Dataset:
    """Open a group of a store, or its root, by xarray without Dask.

    Raises
    ------
    CorruptStoreError
        It cannot be opened.

    Examples
    --------
    >>> from zarr.storage import MemoryStore
    >>> root = zarr.create_group(MemoryStore())
    >>> import numpy as np
    >>> _ = root.create_array("score", data=np.array([0.5, 2.0]), dimension_names=("shot",))
    >>> open_lazily(root).score.values.tolist()
    [0.5, 2.0]
    """
    import xarray as xr

    try:
        with pipeline(FAST):
            within = "/".join(part for part in (root.path, group) if part) or None
            found: xr.Dataset = xr.open_zarr(root.store, group=within, consolidated=False, chunks=None)
            photons = photon_store(root) if group is None else None
            if photons is None:
                return found
            return found.assign(photons=xr.open_zarr(photons, consolidated=False, chunks=None)["photons"])
    except UnreachableError:
        raise
    except (ValueError, KeyError, TypeError, RuntimeError, OSError) as error:
        told = f"{root.store_path} cannot be opened ({error}); xfeldask verify names what is broken"
        raise CorruptStoreError(told) from error


def child_groups(root: zarr.Group, name: str) -> list[str]:
    """Return names of the groups in a group of a store, in order; none where there is no such group.

    Raises
    ------
    CorruptStoreError
        The metadata of one cannot be read.

    Examples
    --------
    >>> from zarr.storage import MemoryStore
    >>> root = zarr.create_group(MemoryStore())
    >>> _ = root.create_group("latent/pca"), root.create_group("latent/ipca")
    >>> child_groups(root, "latent"), child_groups(root, "selection")
    (['ipca', 'pca'], [])
    """
    try:
        group = root.get(name)
        return sorted(group.group_keys()) if isinstance(group, zarr.Group) else []
    except (ValueError, KeyError, TypeError) as error:
        told = f"{root.store_path}: what is in {name} cannot be read ({error}); xfeldask verify names what is broken"
        raise CorruptStoreError(told) from error
