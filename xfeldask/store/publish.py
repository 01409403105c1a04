"""Embeddings in a store: written beside it, then moved to ``/latent/<name>`` in one step."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

import xarray as xr
import zarr

from xfeldask.errors import InputError
from xfeldask.store.codecs import EXACT, compressors, pipeline
from xfeldask.store.opening import open_dataset, open_root


def publish_latent(path: Path, name: str, found: xr.Dataset, parts: Mapping[str, xr.Dataset]) -> None:
    """Write an embedding; one that breaks off leaves nothing in the store, and the old one if there was one.

    Parameters
    ----------
    path : Path, of the store
    name : str
    found : xarray.Dataset
    parts : Dataset by name, groups of the embedding: what its model is made of

    Raises
    ------
    InputError
        The disk is full or read-only.
    """
    publish_group(path, f"latent/{name}", found, parts)


def publish_group(path: Path, place: str, found: xr.Dataset, parts: Mapping[str, xr.Dataset] | None = None) -> None:
    """Write a group with groups in it beside a store, and move it to its place in one step.

    Parameters
    ----------
    path : Path, of the store
    place : str, of the group: that of the group around it, and its name
    found : xarray.Dataset
    parts : Dataset by name, groups in it

    Raises
    ------
    InputError
        The disk is full or read-only.
    """
    around, name = place.split("/")
    fresh = path.with_name(f".{path.name}.{name}.new")
    old = path.with_name(f".{path.name}.{name}.old")
    target = path / place
    try:
        shutil.rmtree(fresh, ignore_errors=True)
        for group, part in [(None, found), *(parts or {}).items()]:
            encoding = {str(name): {"compressors": compressors()} for name in part.variables}
            # a file that is not there then means that something is missing
            with pipeline(EXACT):
                part.to_zarr(
                    fresh, group=group, mode="w-", consolidated=False, encoding=encoding, write_empty_chunks=True
                )
        open_root(path, mode="r+").require_group(around)
        if target.exists():
            shutil.rmtree(old, ignore_errors=True)
            target.rename(old)
        fresh.rename(target)
    except OSError as error:
        shutil.rmtree(fresh, ignore_errors=True)
        raise InputError(f"cannot write {target}: {error}; make room, or choose a store that may be written") from error
    shutil.rmtree(old, ignore_errors=True)


def latent_parts(path: Path, name: str) -> dict[str, xr.Dataset]:
    """Groups of an embedding, in memory."""
    group = open_root(path)[f"latent/{name}"]
    names = sorted(group.group_keys()) if isinstance(group, zarr.Group) else []
    return {part: open_dataset(path, group=f"latent/{name}/{part}", chunks=None).load() for part in names}
