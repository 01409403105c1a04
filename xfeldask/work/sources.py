"""Where shots to embed come from: a store, or a Dataset on any backend of xarray."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import xarray as xr
from dask.array import Array
from dask.delayed import Delayed, delayed
from numpy.typing import NDArray

from xfeldask.errors import InputError
from xfeldask.physics.binning import ImageGrid
from xfeldask.sorting.protocol import Columns, Rule, Shots
from xfeldask.store.choosing.learning_shots import StoredShots
from xfeldask.store.instrument import DatasetInstrument, Instrument
from xfeldask.store.results.background_rows import background_of_shots
from xfeldask.store.results.known_background import known_digest
from xfeldask.store.results.model import Features, Model
from xfeldask.store.run import Run
from xfeldask.work.blocks import less_background, raw_rows
from xfeldask.work.compute import one_thread_a_task, run_tasks
from xfeldask.work.progress import Silent, Tell, reporter
from xfeldask.work.projection import ADVICE, BLOCK, in_batches, joined, project_block
from xfeldask.work.tasks import shard_tasks, shared, single_task


class Source(Protocol):
    """Shots to embed."""

    @property
    def instrument(self) -> Instrument:
        """What they were measured with."""

    @property
    def background(self) -> str | None:
        """Digest of the background that is known of them at this moment; None where none is."""

    def __contains__(self, name: str) -> bool:
        """Return whether there is a variable of that name."""

    def rows(self, made: Features, shots: int, batch: int) -> Array:
        """Return features of the first `shots` shots, float32 (shot, feature), in batches; nothing is computed."""

    def shots(self, shots: int, labels: NDArray[np.int8] | None = None) -> Shots:
        """Return the first shots, for a rule to read from."""

    def learned(self, rule: Rule, shots: Shots) -> Rule:
        """Return a rule that has learned from shots."""

    def tasks(self, model: Model, shots: int, blocks: Iterable[int], size: int) -> list[Delayed]:
        """Return a task for each block of so many shots that gives its columns."""


@dataclass(frozen=True, eq=False)
class StoreSource:
    """Shots of a store; workers read them from there."""

    run: Run

    @property
    def instrument(self) -> Instrument:
        """The run."""
        return self.run

    @property
    def background(self) -> str | None:
        """Digest of the background of the run; see `Source`."""
        return known_digest(self.run)

    def __contains__(self, name: str) -> bool:
        return name in self.run

    def rows(self, made: Features, shots: int, batch: int) -> Array:
        """Return features of shots; see `Source`."""
        rows = raw_rows(self.run.dataset()[made.needs].data[:shots], made, batch)
        if made.under is None:
            return rows
        return less_background(rows, made.under, background_of_shots(self.run, slice(shots), made.under))

    def shots(self, shots: int, labels: NDArray[np.int8] | None = None) -> Shots:
        """Return the first shots; see `Source`."""
        return StoredShots(self.run, shots, None if labels is None else labels[:shots])

    def learned(self, rule: Rule, shots: Shots) -> Rule:
        """Let a rule learn in a task of its own."""
        found: Rule = run_tasks([single_task(learn, rule, shots)], [1], Silent(), ADVICE)[0]
        return found

    def tasks(self, model: Model, shots: int, blocks: Iterable[int], size: int) -> list[Delayed]:
        """Return tasks that read the store; see `Source`."""
        return shard_tasks("project", project_block, blocks, self.run, shared(model), shots, size)


@dataclass(frozen=True, eq=False)
class DatasetSource:
    """Shots of a Dataset, which are read through Dask where its variables are Dask arrays, or not in memory.

    Raises
    ------
    InputError
        The Dataset tells no instrument, or its images do not fit it.
    """

    ds: xr.Dataset

    @cached_property
    def instrument(self) -> Instrument:
        """What the Dataset tells of it."""
        return DatasetInstrument.of(self.ds)

    @property
    def background(self) -> None:
        """None: a Dataset tells of no background."""
        return None

    def __contains__(self, name: str) -> bool:
        return name in self.ds

    def array(self, name: str) -> Array:
        """Return a variable along shots as a Dask array."""
        variable = self.ds[name].transpose("shot", ...)
        array: Array = (variable if variable.chunks is not None else variable.chunk({"shot": BLOCK})).data
        return array

    def rows(self, made: Features, shots: int, batch: int) -> Array:
        """Return features of shots; see `Source`."""
        return raw_rows(self.array(made.needs)[:shots], made, batch)

    def shots(self, shots: int, labels: NDArray[np.int8] | None = None) -> Shots:
        """Return the first shots; see `Source`."""
        return DatasetShots(self, shots, labels)

    def learned(self, rule: Rule, shots: Shots) -> Rule:
        """Let a rule learn here: what it reads is computed on the scheduler that Dask has active."""
        return rule.fit(shots)

    def tasks(self, model: Model, shots: int, blocks: Iterable[int], size: int) -> list[Delayed]:
        """Return tasks that take parts of arrays; see `Source`."""
        arrays, sent, task = {name: self.array(name) for name in model.needs}, shared(model), delayed(_columns_of)
        cuts = [slice(block * size, min(shots, (block + 1) * size)) for block in blocks]
        return [task(sent, {name: array[cut] for name, array in arrays.items()}) for cut in cuts]


@dataclass(frozen=True, eq=False)
class DatasetShots:
    """The first shots of a Dataset, for a rule to learn from."""

    source: DatasetSource
    n_shots: int
    labels: NDArray[np.int8] | None
    background: NDArray[np.float32] | None = None

    def __len__(self) -> int:
        return self.n_shots

    @property
    def image_grid(self) -> ImageGrid:
        """Bins of `image`."""
        return self.source.instrument.image_grid

    @property
    def low_q_grid(self) -> ImageGrid:
        """Bins of `low_q`."""
        return self.source.instrument.low_q_grid

    def read(self, name: str, index: NDArray[np.int64] | None = None) -> NDArray[Any]:
        """Return a variable of some shots, or of all."""
        chosen = slice(self.n_shots) if index is None else index
        return np.asarray(self.source.ds[name].transpose("shot", ...)[chosen].values)


def learn(rule: Rule, shots: Shots) -> Rule:
    """Let a rule learn; the task that Dask runs.

    Examples
    --------
    >>> from xfeldask.sorting.envelope import EnvelopeRule
    >>> from xfeldask.store.choosing.learning_shots import EmbeddedShots
    >>> latent = np.random.default_rng(0).normal(size=(20, 2)) / 9 + [5, 0]
    >>> learn(EnvelopeRule(), EmbeddedShots(None, {"latent": latent})).location_.round().tolist()
    [5.0, 0.0]
    """
    return rule.fit(shots)


def project_blocks(
    source: Source, model: Model, shots: int, blocks: Iterable[int], progress: bool | Tell, size: int
) -> list[Columns]:
    """Compute columns of all shots of some blocks of `size` shots, of the first `shots` shots."""
    blocks = list(blocks)
    weights = [min(shots, (block + 1) * size) - block * size for block in blocks]
    with one_thread_a_task():
        telling = reporter("projecting", sum(weights), "shots", progress)
        return run_tasks(source.tasks(model, shots, blocks, size), weights, telling, ADVICE)


def project_all(source: Source, model: Model, shots: int, progress: bool | Tell) -> Columns:
    """Compute columns of the first `shots` shots."""
    return joined(project_blocks(source, model, shots, range(-(-shots // BLOCK)), progress, BLOCK))


def dataset_source(ds: xr.Dataset) -> DatasetSource:
    """Return a Dataset as a source of shots, checked.

    Raises
    ------
    InputError
        The Dataset has no images, or tells too little of the instrument, or they do not fit it.
    """
    if "image" not in ds or "shot" not in ds["image"].dims or ds["image"].ndim != 3:
        raise InputError("the Dataset has no image (shot, y, x); give it one, or the path of a store to embed")
    if not ds.sizes["shot"]:
        raise InputError("the Dataset holds no shots; give it one at least")
    source = DatasetSource(ds)
    for name, grid in (("image", "image_grid"), ("low_q", "low_q_grid")):
        if name not in ds:
            continue
        have, fit = ds[name].transpose("shot", ...).shape[1:], getattr(source.instrument, grid).shape
        if have != fit:
            raise InputError(
                f"{name} of the Dataset has {' x '.join(map(str, have))} bins, by its pixel_position, pixel_size and "
                f"bin it would have {' x '.join(map(str, fit))}"
            )
    return source


def _columns_of(model: Model, arrays: dict[str, NDArray[Any]]) -> Columns:
    n_shots = len(next(iter(arrays.values())))
    return in_batches(model, lambda name, part: arrays[name][part], 0, n_shots)
