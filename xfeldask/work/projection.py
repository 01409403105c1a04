"""Applying a model to the shots of a store, block by block, on whatever scheduler Dask has active."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xfeldask.store.model import Model
from xfeldask.store.opening import open_root
from xfeldask.work.compute import one_thread_a_task, run_tasks
from xfeldask.work.progress import Tell, reporter
from xfeldask.work.tasks import shard_tasks, shared

BLOCK = 1024
"""Shots that a task takes."""
BATCH = 256
"""Shots that are in memory at a time; results do not depend on how blocks are shared out."""
ADVICE = "nothing was written: mend the cause and run again"


def project_block(path: str, model: Model, n_shots: int, block: int) -> dict[str, NDArray[Any]]:
    """Variables of the shots of one block; the task that Dask runs."""
    root = open_root(path)
    edges = range(block * BLOCK, min(n_shots, (block + 1) * BLOCK), BATCH)
    parts = [model.columns(root, slice(a, min(n_shots, a + BATCH, (block + 1) * BLOCK))) for a in edges]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def project_blocks(
    path: Path, model: Model, n_shots: int, blocks: Iterable[int], progress: bool | Tell
) -> list[dict[str, NDArray[Any]]]:
    """Variables of all shots of some blocks of a store whose first `n_shots` are there."""
    blocks = list(blocks)
    tasks = shard_tasks("project", project_block, blocks, str(path), shared(model), n_shots)
    weights = [min(n_shots, (block + 1) * BLOCK) - block * BLOCK for block in blocks]
    with one_thread_a_task():
        return run_tasks(tasks, weights, reporter("projecting", sum(weights), "shots", progress), ADVICE)


def project_all(path: Path, model: Model, n_shots: int, progress: bool | Tell) -> dict[str, NDArray[Any]]:
    """Variables of the first `n_shots` shots of a store."""
    return joined(project_blocks(path, model, n_shots, range(-(-n_shots // BLOCK)), progress))


def joined(parts: list[dict[str, NDArray[Any]]]) -> dict[str, NDArray[Any]]:
    """Variables of several blocks, one after the other."""
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
