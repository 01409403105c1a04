"""What the verbs that write shots have in common: which paths they take, and how pending shards are finished."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from zarr.storage import MemoryStore

from xfeldask.engines.workshop import forget
from xfeldask.errors import CorruptStoreError, InputError, RunError, StoreExistsError, XfeldaskError
from xfeldask.store.opening import open_root
from xfeldask.store.run import Run
from xfeldask.store.shards import pending_shards, sweep
from xfeldask.store.storage.leftovers import real_path
from xfeldask.store.storage.lock import shot_writers
from xfeldask.store.storage.manifest import broken
from xfeldask.store.storage.places import place_of
from xfeldask.store.storage.shard_range import ShardRange
from xfeldask.store.storage.urls import ICECHUNK, URL, ObjectURL, StorePath
from xfeldask.work.compute import leaves_this_process, run_tasks
from xfeldask.work.progress import Tell, reporter
from xfeldask.work.tasks import shard_tasks

RESUME = "what was committed is kept: mend the cause and run again with resume=True (--resume)"


def refuse_existing(path: StorePath, resume: bool, overwrite: bool) -> None:
    """Refuse a path that is taken, or that nothing could be written to.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> refuse_existing(folder / "run.zarr", resume=False, overwrite=False)
    >>> refuse_existing(folder / "run.zarr", resume=True, overwrite=True)
    Traceback (most recent call last):
    ...
    xfeldask.errors.InputError: resume and overwrite exclude each other
    """
    if resume and overwrite:
        raise InputError("resume and overwrite exclude each other")
    if isinstance(path, URL):
        path.refuse_read_only()
    there = place_of(path).exists()
    if there and not (resume or overwrite):
        advice = "pass resume=True (--resume), overwrite=True (--overwrite), or another path"
        raise StoreExistsError(f"{path} exists; {advice}")
    if there:
        open_root(path)
    if isinstance(path, Path) and not real_path(path).parent.is_dir():
        raise InputError(f"there is no folder {path.absolute().parent} to write {path.name} into; make it first")


def refuse_broken(run: Run) -> None:
    """Refuse to resume a run some of whose metadata are not those that were written.

    Raises
    ------
    CorruptStoreError
    """
    found = broken(run.path)
    if found:
        name, what = found[0]
        where = f"{run.path}/{name}" if name else str(run.path)
        raise CorruptStoreError(f"{where}: {what}; xfeldask verify names all that differs, overwrite=True begins again")


def run_pending(
    run: Run,
    verb: str,
    shard_task: Callable[[Run, int], object],
    progress: bool | Tell,
    among: ShardRange | None = None,
) -> None:
    """Compute the shards of a store that are pending, and mark it complete once none is.

    Parameters
    ----------
    run : Run, writable
    verb : str, "simulate" or "ingest"
    shard_task : callable, is given the run and a shard; an error that it returns is raised when all tasks have ended
    progress : bool, or a function as `embed` takes it
    among : ShardRange, optional, the only shards to compute; others write the rest

    Raises
    ------
    RunError
        A shard that was to be computed is still pending.
    InputError
        Workers would write elsewhere.
    """
    _refuse_copies(run)
    layout = run.layout
    mine = range(layout.n_shards) if among is None else among.of(layout.n_shards)
    shards = pending_shards(run, mine)
    if among is None:
        _set_complete(run, False)
    tasks = shard_tasks(f"{verb}-shard", shard_task, shards, run)
    weights = [len(layout.shots(shard)) for shard in shards]
    try:
        found = run_tasks(
            tasks, weights, reporter(f"{verb.removesuffix('e')}ing", sum(weights), "shots", progress), RESUME
        )
    finally:
        forget(run)
    for error in found:
        if isinstance(error, XfeldaskError):
            raise error
    left = pending_shards(run, mine)
    if left:
        raise RunError(f"{len(left)} of {layout.n_shards} shards of {run.path} are still pending; {RESUME}")
    if among is None or not pending_shards(run):
        _set_complete(run, True)


def _refuse_copies(run: Run) -> None:
    """Refuse workers that would write into copies of a store of this process."""
    if not leaves_this_process():
        return
    if isinstance(run.path, ObjectURL) and isinstance(run.path.store, MemoryStore):
        what = "lies in the memory of this process"
    elif isinstance(run.path, URL) and run.path.scheme.startswith(ICECHUNK):
        what = "is written in a session of this process"
    else:
        return
    raise InputError(
        f"workers would write into copies of {run.path}, which {what}; compute on threads (--scheduler threads, "
        "dask.config.set(scheduler='threads')), or give a store on a disk or in a bucket"
    )


def _set_complete(run: Run, complete: bool) -> None:
    """Say whether a store is complete, and remove what killed workers left in it and beside it."""
    run.refuse_replaced()
    try:
        if len(shot_writers(run.path)) <= 1:  # this one; what others are writing was not left by anybody
            sweep(run)
            run.place.sweep_beside()
        run.group.attrs["complete"] = complete
    except OSError as error:
        raise (RunError if complete else InputError)(f"cannot write {run.path}: {error}; {RESUME}") from error
