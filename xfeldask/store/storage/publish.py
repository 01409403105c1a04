"""Putting files and folders in their place in one step: what breaks off leaves what was there before."""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from xfeldask.errors import InputError
from xfeldask.store.opening import open_root
from xfeldask.store.packing.codecs import EXACT, compressors, pipeline
from xfeldask.store.storage.leftovers import beside, real_path, remove
from xfeldask.store.storage.lock import held
from xfeldask.store.storage.manifest import seal
from xfeldask.store.storage.places import place_of
from xfeldask.store.storage.urls import URL, StorePath

if TYPE_CHECKING:
    import xarray as xr

_AT_FDCWD, _RENAME_EXCHANGE = -100, 2
_CANNOT = {errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP, errno.EPERM, errno.EXDEV}
"""What a system or a file system answers that cannot exchange two names."""


def replaced_group(store: StorePath, group: str = "", *, keep: bool = False) -> AbstractContextManager[Path]:
    """Give a folder to write a store, or a group in it, to, and put it into its place when the context ends.

    On a file system that is one step, as of `replaced`; in a bucket there is none between the old one and the new.

    Parameters
    ----------
    store : Path or URL
    group : str, its path; empty for the store itself
    keep : bool, as of `replaced`; in a bucket nothing is kept
    """
    if isinstance(store, Path):
        return replaced(store / group, store, keep=keep)
    return uploaded(store, group)


@contextmanager
def uploaded(store: URL, group: str = "") -> Iterator[Path]:
    """Give a folder to write a store to, or a group in one, and put it into its place when the context ends.

    Nothing in the bucket changes before that. Parameters and errors are those of `Replaceable.replace_by`.
    """
    with TemporaryDirectory(prefix="xfeldask-") as folder:
        fresh = Path(folder) / (store.name or "store")
        yield fresh
        place_of(store).replace_by(fresh, group)


@contextmanager
def replaced(target: Path, store: Path | None = None, *, keep: bool = False) -> Iterator[Path]:
    """Give a path to write to, and move what was written there to `target` when the context ends.

    A folder is exchanged with the old one in one step where the system can; where it cannot, it is moved away first. If
    anything fails, what was at `target` before is there again. A process that is killed leaves files that
    `sweep_beside` removes or puts back.

    Parameters
    ----------
    target : Path, of a file or a folder
    store : Path, optional, of the store that `target` lies in: new things are made beside it, where no reader of the
        store meets them; beside `target` by default
    keep : bool, keep what was there before beside it, for `put_back` and `let_go`

    Raises
    ------
    IsADirectoryError, NotADirectoryError
        A file would take the place of a folder, or a folder that of a file.

    Examples
    --------
    >>> import tempfile
    >>> target = Path(tempfile.mkdtemp()) / "notes.txt"
    >>> _ = target.write_text("old")
    >>> with replaced(target) as fresh:
    ...     _ = fresh.write_text("new")
    ...     print(target.read_text())
    old
    >>> target.read_text(), [path.name for path in target.parent.iterdir()]
    ('new', ['notes.txt'])
    """
    target = real_path(target)
    store = target if store is None else real_path(store)
    fresh, old = (beside(store, target, kind) for kind in ("new", "old"))
    try:
        remove(fresh)
        if target.exists():
            remove(old)  # which was kept, and not let go of
        yield fresh
        if target.is_dir() and not fresh.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(target))
        if not (target.is_dir() and exchanged(fresh, target)):
            if target.is_dir():
                target.rename(old)
            fresh.replace(target)
        elif keep:
            fresh.rename(old)
    finally:
        remove(fresh)
        if old.exists() and not target.exists():
            old.rename(target)
        if not keep:
            remove(old)


def put_back(store: StorePath) -> None:
    """Put the store back that `replaced_group` has kept, or nothing where there was none, or it is in a bucket.

    Examples
    --------
    >>> import tempfile
    >>> store = Path(tempfile.mkdtemp()) / "run.zarr"
    >>> store.mkdir()
    >>> (store / "old").touch()
    >>> with replaced_group(store, keep=True) as fresh:
    ...     fresh.mkdir()
    >>> [path.name for path in store.iterdir()]
    []
    >>> put_back(store)
    >>> let_go(store)
    >>> [path.name for path in store.iterdir()], [path.name for path in store.parent.iterdir()]
    (['old'], ['run.zarr'])
    """
    if not isinstance(store, Path):
        place_of(store).remove()
        return
    target = real_path(store)
    old = beside(target, target, "old")
    if not (old.exists() and exchanged(old, target)):
        remove(target)
        if old.exists():
            old.rename(target)


def let_go(store: StorePath) -> None:
    """Remove the store that `replaced_group` has kept, if there is one; see `put_back`."""
    if isinstance(store, Path):
        target = real_path(store)
        remove(beside(target, target, "old"))


def exchanged(one: Path, other: Path) -> bool:
    """Exchange what two names stand for, in one step; return whether the system and the file system can.

    Raises
    ------
    OSError
        It can, and did not.
    """
    renameat2 = _renameat2()
    if renameat2 is None:
        return False
    if renameat2(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE) == 0:
        return True
    number = ctypes.get_errno()
    if number in _CANNOT:
        return False
    raise OSError(number, os.strerror(number), str(one), None, str(other))


def publish_group(
    path: StorePath, group: str, found: xr.Dataset, parts: Mapping[str, xr.Dataset | None] | None = None
) -> None:
    """Write a group with groups in it, such as an embedding or a selection, in one step.

    Parameters
    ----------
    path : Path or URL, of the store
    group : str, its path: that of the group around it, and its name
    found : xarray.Dataset
    parts : Dataset by name, groups in it; None for one that stays as it is, of a store in a folder

    Raises
    ------
    StoreBusyError
        Another process writes the same group.
    InputError
        The disk is full or read-only; what was there before is there still.
    """
    target = path / group
    try:
        with held(path, group):
            place_of(path).sweep_beside()
            open_root(path, mode="r+").require_group(group.split("/", maxsplit=1)[0])
            with replaced_group(path, group) as fresh:
                for inner, part in [(None, found), *(parts or {}).items()]:
                    if part is None:
                        assert isinstance(target, Path)
                        _link(target / str(inner), fresh / str(inner))
                        continue
                    encoding = {str(name): {"compressors": compressors()} for name in part.variables}
                    # a file that is not there then means that something is missing
                    with pipeline(EXACT):
                        part.to_zarr(
                            fresh, group=inner, mode="w-", consolidated=False, encoding=encoding,
                            write_empty_chunks=True,
                        )  # fmt: skip
                seal(fresh)
    except OSError as error:
        raise InputError(f"cannot write {target}: {error}; make room, or choose a store that may be written") from error


def _link(source: Path, target: Path) -> None:
    """Give files, which nobody writes into, other names; copy them where a file system has one name for each."""
    for file in (each for each in source.rglob("*") if each.is_file()):
        place = target / file.relative_to(source)
        place.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(file, place)
        except OSError:
            shutil.copyfile(file, place)


@cache
def _renameat2() -> Any:
    """Return the system's call, or None where there is none."""
    if not sys.platform.startswith("linux"):
        return None
    call = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if call is not None:
        call.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint]
    return call
