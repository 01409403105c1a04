"""Putting files and folders in their place in one step: what breaks off leaves what was there before."""

from __future__ import annotations

import re
import shutil
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from os import getpid
from pathlib import Path
from typing import NamedTuple

import psutil
import xarray as xr

from xfeldask.errors import InputError, MissingFileError
from xfeldask.machine import exists
from xfeldask.store.codecs import EXACT, compressors, pipeline
from xfeldask.store.opening import open_root

_HOST = re.sub(r"[^A-Za-z0-9]", "_", socket.gethostname())
_LEFT = re.compile(r"(?P<place>(?:\.[A-Za-z0-9_-]+)*)\.(?P<host>[A-Za-z0-9_]+)-(?P<pid>\d+)\.(?P<kind>new|old)")


class Leftover(NamedTuple):
    """What a killed run left beside a store.

    Attributes
    ----------
    path : Path
    target : Path, where it was to go, or where it came from
    replaced : bool, it was there before, and is not yet known to have been replaced
    """

    path: Path
    target: Path
    replaced: bool


def real_path(path: Path) -> Path:
    """Follow symbolic links, so that what is made beside a place lies on the same file system.

    Raises
    ------
    MissingFileError
        The path is a link to something that is not there.
    """
    if not exists(path) and path.is_symlink():
        raise MissingFileError(f"{path} is a link to {path.readlink()}, which is not there; remove it or make that")
    return path.resolve()


@contextmanager
def replaced(target: Path, store: Path | None = None) -> Iterator[Path]:
    """Give a path to write to, and move what was written there to `target` when the context ends.

    If anything fails, what was at `target` before is there again. A process that is killed leaves files that `sweep`
    removes or puts back.

    Parameters
    ----------
    target : Path, of a file or a folder
    store : Path, optional, of the store that `target` lies in: new things are made beside it, where no reader of the
        store meets them; beside `target` by default
    """
    target = real_path(target)
    store = target if store is None else real_path(store)
    inside = "".join(f".{part}" for part in target.relative_to(store).parts) if target != store else ""
    fresh, old = (store.with_name(f".{store.name}{inside}.{_HOST}-{getpid()}.{kind}") for kind in ("new", "old"))
    try:
        _remove(fresh)
        yield fresh
        if target.is_dir():
            target.rename(old)
        fresh.replace(target)
    finally:
        _remove(fresh)
        if old.exists() and not target.exists():
            old.rename(target)
        _remove(old)


def leftovers(store: Path) -> list[Leftover]:
    """Name what killed runs left beside a store; what a running process writes now is none of it."""
    store = store.resolve()
    found = []
    for path in sorted(store.parent.glob(f".{store.name}.*")):
        match = _LEFT.fullmatch(path.name, len(store.name) + 1)
        if match is None or (match["host"] == _HOST and psutil.pid_exists(int(match["pid"]))):
            continue
        target = store.joinpath(*match["place"].split(".")[1:])
        found.append(Leftover(path, target, match["kind"] == "old"))
    return found


def sweep_beside(store: Path) -> None:
    """Remove what killed runs left beside a store; put back what had been moved away and not been replaced."""
    for path, target, was_there in leftovers(store):
        if was_there and not target.exists():
            path.rename(target)
        else:
            _remove(path)


def publish_group(path: Path, place: str, found: xr.Dataset, parts: Mapping[str, xr.Dataset] | None = None) -> None:
    """Write a group with groups in it, such as an embedding or a selection, in one step.

    Parameters
    ----------
    path : Path, of the store
    place : str, of the group: that of the group around it, and its name
    found : xarray.Dataset
    parts : Dataset by name, groups in it

    Raises
    ------
    InputError
        The disk is full or read-only; what was there before is there still.
    """
    target = path / place
    try:
        sweep_beside(path)
        open_root(path, mode="r+").require_group(place.split("/", maxsplit=1)[0])
        with replaced(target, path) as fresh:
            for group, part in [(None, found), *(parts or {}).items()]:
                encoding = {str(name): {"compressors": compressors()} for name in part.variables}
                # a file that is not there then means that something is missing
                with pipeline(EXACT):
                    part.to_zarr(
                        fresh, group=group, mode="w-", consolidated=False, encoding=encoding, write_empty_chunks=True
                    )
    except OSError as error:
        raise InputError(f"cannot write {target}: {error}; make room, or choose a store that may be written") from error


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
