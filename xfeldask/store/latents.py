"""Embeddings in a store: written beside it, then moved to ``/latent/<name>`` in one step."""

from __future__ import annotations

import shutil
from pathlib import Path

import xarray as xr

from xfeldask.errors import InputError
from xfeldask.store.layout import codecs
from xfeldask.store.opening import open_root


def publish_latent(path: Path, name: str, found: xr.Dataset) -> None:
    """Write an embedding; one that breaks off leaves nothing in the store, and the old one if there was one.

    Parameters
    ----------
    path : Path, of the store
    name : str
    found : xarray.Dataset

    Raises
    ------
    InputError
        The disk is full or read-only.
    """
    fresh = path.with_name(f".{path.name}.{name}.new")
    old = path.with_name(f".{path.name}.{name}.old")
    target = path / "latent" / name
    try:
        shutil.rmtree(fresh, ignore_errors=True)
        encoding = {str(name): {"compressors": codecs()} for name in found.variables}
        # a file that is not there then means that something is missing
        found.to_zarr(fresh, mode="w-", consolidated=False, encoding=encoding, write_empty_chunks=True)
        open_root(path, mode="r+").require_group("latent")
        if target.exists():
            shutil.rmtree(old, ignore_errors=True)
            target.rename(old)
        fresh.rename(target)
    except OSError as error:
        shutil.rmtree(fresh, ignore_errors=True)
        raise InputError(f"cannot write {target}: {error}; make room, or choose a store that may be written") from error
    shutil.rmtree(old, ignore_errors=True)
