"""`verify`: read all of a store against its checksums and totals."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain

import numpy as np

from xfeldask.engines.redrawing import check_pixels, check_redrawn, check_volumes
from xfeldask.errors import WHOLE, InputError, refuse_unlike
from xfeldask.schema import PENDING, VARIABLES
from xfeldask.store.checks import NO_SHOT, Problem, check_node, check_root, check_shard, merged, node_names
from xfeldask.store.intake import stored_intake
from xfeldask.store.layout import FORMAT, INGESTED
from xfeldask.store.packing.codecs import EXACT
from xfeldask.store.run import Run
from xfeldask.store.storage.lock import held
from xfeldask.store.store_given import Store, opened
from xfeldask.work.compute import run_tasks, worker_count
from xfeldask.work.progress import Tell, reporter
from xfeldask.work.tasks import shard_tasks, single_task

ADVICE = "the store was not changed; mend the cause and verify again"
TOLD = 20


@dataclass(frozen=True)
class Report:
    """What `verify` found.

    Attributes
    ----------
    n_shots : int, shots that were checked
    problems : tuple of Problem

    Examples
    --------
    >>> report = Report(1000, (Problem("photons", range(7, 8), "the checksum does not match"),))
    >>> report.ok
    False
    >>> print(report)
    1,000 shots checked, 1 problem:
      photons, shot 7: the checksum does not match
    """

    n_shots: int
    problems: tuple[Problem, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems

    def __str__(self) -> str:
        count = len(self.problems)
        if not count:
            return f"{self.n_shots:,} shots checked, no problems"
        told = [f"  {problem}" for problem in self.problems[:TOLD]]
        more = [f"  and {count - TOLD:,} more"] if count > TOLD else []
        heading = f"{self.n_shots:,} shots checked, {count:,} problem{'s' if count > 1 else ''}:"
        return "\n".join([heading, *told, *more])


def reopen(store: Store, report: Report) -> int:
    """Mark the shards whose shots are damaged as pending, so that `simulate` with ``resume=True`` draws them again.

    A shot's bytes follow from the seed and its index, so what is drawn again is what was lost. Shots that were ingested
    are read again from their files by `ingest` with ``resume=True``. Damage to the truth, the detector or the form
    factor cannot be mended like this.

    Parameters
    ----------
    store : path, or a Dataset of all of it
    report : Report, of `verify` on the same store

    Returns
    -------
    int, number of shards that are pending now

    Raises
    ------
    InputError
        Shots are damaged and the store is of a format whose shots are not drawn, or not read, any more; nothing is
        marked.
    """
    run = opened(store)
    with held(run.path):
        return _marked(run.reopened("r+"), report)


def _refuse_unmendable(run: Run) -> None:
    """Refuse a store that nothing could finish once shots of it are pending."""
    stored, ingested = run.attributes.get("format"), stored_intake(run.group) is not None
    if stored not in (INGESTED if ingested else (FORMAT,)):
        raise InputError(
            f"{run.path} has format {stored}, and shots are made by format {FORMAT}, so that damaged ones cannot be "
            "made again; leave them out, or make the store anew"
        )


def _marked(run: Run, report: Report) -> int:
    layout = run.layout
    written = {v.name for v in VARIABLES.values() if v.role in ("raw", "total")}
    damaged = {
        shot // layout.shard
        for problem in report.problems
        if problem.variable in written
        for shot in range(problem.shots.start, problem.shots.stop)
    }
    if damaged:
        _refuse_unmendable(run)
    for shard in sorted(damaged):
        shots = layout.shots(shard)
        run.array("shot_status", EXACT)[shots.start : shots.stop] = np.full(len(shots), PENDING, np.uint8)
    if damaged:
        run.group.attrs["complete"] = False
    return len(damaged)


def verify(store: Store, *, recompute: int = 0, progress: bool | Tell = True) -> Report:
    """Read all of a store, on the scheduler that Dask has active, and name the shots that are damaged.

    Every chunk is read against its checksum, every file that should be there is looked for, photons and images are
    summed and compared with their totals, metadata are compared with the schema and with the digests that were written
    with them, and the experiment with its digest.

    Parameters
    ----------
    store : path, or a Dataset of all of it
    recompute : int, shots of a simulated store, spread evenly, to be drawn again from the seed and their indices and
        compared byte by byte, truth included
    progress : bool, show progress on stderr; or a function as `embed` takes it

    Returns
    -------
    Report

    Raises
    ------
    MissingFileError, InputError
        There is no store of ours at the path, or one that was not simulated is to be recomputed.
    CorruptStoreError
        The metadata of the root, of photons or of images cannot be read, so that nothing else can.

    Examples
    --------
    >>> import tempfile, xfeldask
    >>> path = tempfile.mkdtemp() + "/run.zarr"
    >>> _ = xfeldask.simulate(path, particle="chaperonin", detector="square-64", n_shots=4, progress=False)
    >>> print(verify(path, progress=False))
    4 shots checked, no problems
    """
    refuse_unlike("a number of shots", WHOLE, recompute=recompute)
    run = opened(store)
    layout = run.layout
    shards = shard_tasks("verify-shard", check_shard, range(layout.n_shards), run)
    nodes = shard_tasks("verify-array", check_node, node_names(run), run)
    weights = [len(layout.shots(shard)) for shard in range(layout.n_shards)] + [0] * len(nodes)
    found = run_tasks([*shards, *nodes], weights, reporter("verifying", layout.n_shots, "shots", progress), ADVICE)
    if recompute:
        found += _redrawn(run, recompute, progress)
    alike = sorted(chain(check_root(run), *found), key=lambda p: (p.variable, p.what, p.shots.start))
    problems = sorted(merged(alike), key=lambda p: (p.variable, p.shots.start))
    if not run.complete and not any(problem.variable == "shot_status" for problem in problems):
        what = "every shot is done, but the store is not marked so; --resume goes on"
        problems.append(Problem("complete", NO_SHOT, what))
    return Report(layout.n_shots, tuple(problems))


def _redrawn(run: Run, count: int, progress: bool | Tell) -> list[list[Problem]]:
    """Draw shots again that are done, spread evenly, and hold against their origin what all of them share."""
    if count < 0:
        raise InputError(f"recompute is a number of shots, got {count}")
    if run.experiment is None:
        raise InputError(f"{run.path} was not simulated, so that no shot of it can be recomputed")
    stored = run.attributes.get("format")
    if stored != FORMAT:
        raise InputError(
            f"{run.path} has format {stored}, and shots are drawn by format {FORMAT}: verify without recompute"
        )
    done = np.flatnonzero(run.done())
    chosen = (
        done[np.unique(np.linspace(0, len(done) - 1, min(count, len(done))).astype(np.int64))] if len(done) else done
    )
    parts = [part.tolist() for part in np.array_split(chosen, min(len(chosen), 2 * worker_count()) or 1)]
    checks = [single_task(check, run) for check in (check_volumes, check_pixels)]
    tasks = [*(single_task(check_redrawn, run, part) for part in parts), *checks]
    telling = reporter("drawing again", len(chosen), "shots", progress)
    found: list[list[Problem]] = run_tasks(tasks, [*map(len, parts), *(0 for _ in checks)], telling, ADVICE)
    return found
