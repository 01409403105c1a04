"""Shards: which are pending, and how one is committed. One task owns one shard, so there are no locks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from xfeldask.errors import RunError, UnreachableError
from xfeldask.schema import DONE, named
from xfeldask.store.codecs import EXACT
from xfeldask.store.layout import Layout
from xfeldask.store.places import place_of
from xfeldask.store.run import Run
from xfeldask.store.sharding import ShardFile, chunk_parts
from xfeldask.store.urls import StorePath

NOTHING: Mapping[str, NDArray[np.uint32]] = {}


class Shard:
    """A shard being written, shot by shot.

    Parameters
    ----------
    arrays : zarr.Array by name, writable, the store's raw variables and totals; without photons that stay elsewhere
    path : Path or URL, of the store
    layout : Layout
    index : int

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from xfeldask.store.layout import Layout, create_template
    >>> path, layout = Path(tempfile.mkdtemp()) / "run.zarr", Layout(5, (1, 4, 4), (2, 2), (4, 4), 1, "uint8", False, 2)
    >>> _ = create_template(path, layout, {"shot": np.arange(5)}, {"title": "a run"})
    >>> run = Run.open(path, "r+")
    >>> arrays = {v.name: run.array(v.name, EXACT) for v in layout.stored()}
    >>> shard = Shard(arrays, path, layout, 0)
    >>> for shot in shard.shots:
    ...     shard.next_shot()["photons"][0, 0, 0] = 7
    ...     shard.advance({"photon_count": 7, "lost_photons": 0})
    >>> shard.commit()
    >>> run.read("photon_count").tolist(), run.done().tolist()
    ([7, 7, 0, 0, 0], [True, True, False, False, False])
    """

    def __init__(self, arrays: Mapping[str, zarr.Array[Any]], path: StorePath, layout: Layout, index: int) -> None:
        self.shots = layout.shots(index)
        self._place, self._index = place_of(path), index
        raw = [v for v in layout.stored() if v.role == "raw"]
        self._files = {v.name: ShardFile(arrays[v.name], path / v.name, index) for v in raw if v.name in arrays}
        self._scratch = {v.name: np.zeros(layout.inner(v), layout.dtype(v)) for v in raw if v.name not in arrays}
        self._totals = {v.name: arrays[v.name] for v in named("total")}
        self._values: dict[str, NDArray[Any]] = {
            name: np.zeros(len(self.shots), array.dtype) for name, array in self._totals.items()
        }
        self._written = 0

    def next_shot(self) -> dict[str, NDArray[Any]]:
        """Zeroed arrays of the next shot, to be filled before `advance`."""
        for scratch in self._scratch.values():
            scratch.fill(0)
        return self._scratch | {name: file.next_row() for name, file in self._files.items()}

    def advance(self, totals: Mapping[str, int], lit: Mapping[str, NDArray[np.uint32]] = NOTHING) -> None:
        """Take the arrays of the shot as they are now, and its totals.

        Parameters
        ----------
        totals : int by name
        lit : uint32 (event,) by name of a frame, optional, flat indices in any order of all pixels that hold photons,
            and maybe of others; a frame is searched for them where they are not given
        """
        for name, file in self._files.items():
            file.advance(lit.get(name))
        for name, value in totals.items():
            if value > np.iinfo(self._values[name].dtype).max:
                shot, most = self.shots[self._written], np.iinfo(self._values[name].dtype).max
                told = f"shot {shot} has a {name} of {value:.3g} photons, more than {most}"
                raise RunError(f"{told}; weaken the beam, or mask what holds so many")
            self._values[name][self._written] = value
        self._written += 1

    @property
    def bytes_held(self) -> int:
        """Memory of the chunks that are being filled."""
        return sum(file.bytes_held for file in self._files.values())

    def encode(self) -> int:
        """Encode what has been given so far, even a chunk that is not full; returns the bytes of all chunks."""
        return sum(file.encode() for file in self._files.values())

    def commit(self) -> None:
        """Write the raw variables, then the totals, then the status: only the last makes the shots count."""
        if self._written != len(self.shots):
            raise AssertionError(f"{self._written} of {len(self.shots)} shots of the shard were given")
        files = {f"{name}/{file.key}": file.parts() for name, file in self._files.items()}
        self._values["shot_status"][:] = DONE
        for name, array in self._totals.items():
            key, parts = chunk_parts(array, self._index, self._values[name])
            files[f"{name}/{key}"] = parts
        status = {key: files.pop(key) for key in list(files) if key.startswith("shot_status/")}
        self._place.write(files)
        self._place.write(status)


def pending_shards(run: Run, among: Iterable[int] | None = None) -> list[int]:
    """Return shards, among all or some, with a shot that is not done; a status that cannot be read counts as pending.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from xfeldask.store.layout import Layout, create_template
    >>> path, layout = Path(tempfile.mkdtemp()) / "run.zarr", Layout(5, (1, 4, 4), (2, 2), (4, 4), 1, "uint8", False, 2)
    >>> _ = create_template(path, layout, {"shot": np.arange(5)}, {"title": "a run"})
    >>> pending_shards(Run.open(path))
    [0, 1, 2]
    >>> pending_shards(Run.open(path), range(1, 2))
    [1]
    """
    status, layout = run.array("shot_status", EXACT), run.layout
    pending = []
    for shard in range(layout.n_shards) if among is None else among:
        shots = layout.shots(shard)
        try:
            done = np.asarray(status[shots.start : shots.stop])
        except UnreachableError:
            raise
        except (ValueError, OSError, RuntimeError):
            done = np.zeros(1)
        if (done != DONE).any():
            pending.append(shard)
    return pending


def sweep(run: Run) -> None:
    """Remove what killed writers left: unfinished files that were never renamed into place."""
    run.place.sweep_within()
