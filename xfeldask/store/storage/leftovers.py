"""What killed runs left beside a store: found by its name, put back or removed by the next one that writes."""

from __future__ import annotations

import re
import shutil
import socket
import time
from glob import escape
from os import getpid
from pathlib import Path
from typing import NamedTuple

import psutil

from xfeldask.errors import MissingFileError
from xfeldask.machine import exists
from xfeldask.schema import PUBLISHED

HOST = re.sub(r"[^A-Za-z0-9]", "_", socket.gethostname())
OTHERS_MAY_TAKE = 3600.0
"""Time after which what another computer made beside a store is taken for left [s]: its processes cannot be asked."""
_LEFT = re.compile(
    rf"(?P<place>(?:\.(?:{'|'.join(PUBLISHED)})\.[A-Za-z0-9_-]+)?)"
    r"\.(?P<host>[A-Za-z0-9_]+)-(?P<pid>\d+)\.(?P<kind>new|old)"
)
"""What follows the name of a store; any other place would be the ending of another store's name."""


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

    Examples
    --------
    >>> real_path(Path(".")) == Path.cwd()
    True
    """
    if not exists(path) and path.is_symlink():
        raise MissingFileError(f"{path} is a link to {path.readlink()}, which is not there; remove it or make that")
    return path.resolve()


def beside(store: Path, target: Path, kind: str) -> Path:
    """Return where this process makes something beside a store that is to go to `target`, the store or in it.

    Examples
    --------
    >>> name = beside(Path("/data/run.zarr"), Path("/data/run.zarr/latent/ipca"), "new").name
    >>> name.startswith(".run.zarr.latent.ipca."), name.endswith(f"-{getpid()}.new")
    (True, True)
    """
    inside = "".join(f".{part}" for part in target.relative_to(store).parts) if target != store else ""
    return store.with_name(f".{store.name}{inside}.{HOST}-{getpid()}.{kind}")


def leftovers(store: Path) -> list[Leftover]:
    """Name what killed runs left beside a store; what a running process writes now is none of it.

    Examples
    --------
    >>> import tempfile
    >>> store = Path(tempfile.mkdtemp()) / "run.zarr"
    >>> # no process has that number
    >>> store.with_name(f".run.zarr.latent.ipca.{HOST}-999999999.old").mkdir()
    >>> [(str(left.target.relative_to(store)), left.replaced) for left in leftovers(store)]
    [('latent/ipca', True)]
    """
    store = store.resolve()
    found = []
    for path in sorted(store.parent.glob(f".{escape(store.name)}.*")):
        match = _LEFT.fullmatch(path.name, len(store.name) + 1)
        if match is None or _in_use(path, match["host"], int(match["pid"])):
            continue
        target = store.joinpath(*match["place"].split(".")[1:])
        found.append(Leftover(path, target, match["kind"] == "old"))
    return found


def sweep_beside(store: Path) -> None:
    """Remove what killed runs left beside a store; put back what had been moved away and not been replaced.

    Examples
    --------
    >>> import tempfile
    >>> store = Path(tempfile.mkdtemp()) / "run.zarr"
    >>> # moved away by a process that was killed before it put another in its place
    >>> store.with_name(f".run.zarr.{HOST}-999999999.old").mkdir()
    >>> sweep_beside(store)
    >>> [path.name for path in store.parent.iterdir()]
    ['run.zarr']
    """
    # a store before what was moved out of it
    for path, target, was_there in sorted(leftovers(store), key=lambda left: len(left.target.parts)):
        if was_there and not target.exists() and target.parent.is_dir():
            path.rename(target)
        else:
            remove(path)


def remove(path: Path) -> None:
    """Remove a file or a folder, if it is there.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> remove(folder)
    >>> remove(folder)
    >>> folder.exists()
    False
    """
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _in_use(path: Path, host: str, process: int) -> bool:
    if host == HOST:
        return bool(psutil.pid_exists(process))
    try:
        return time.time() - path.stat().st_mtime < OTHERS_MAY_TAKE
    except FileNotFoundError:
        return True
