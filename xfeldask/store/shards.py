"""Shards: which are pending, and how one is committed. One task owns one shard, so there are no locks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import zarr
from numpy.typing import ArrayLike, NDArray

from xfeldask.errors import RunError, UnreachableError
from xfeldask.physics.images import Photons
from xfeldask.schema import DONE, named
from xfeldask.store.layout import Layout
from xfeldask.store.packing.codecs import EXACT
from xfeldask.store.packing.sharding import ShardFile, chunk_parts
from xfeldask.store.run import Run
from xfeldask.store.storage.places import place_of
from xfeldask.store.storage.urls import StorePath


class Shard:
    """A shard being written, a block of shots after the other.

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
    >>> photons = np.full((2, *layout.pixels), 7, np.uint8)
    >>> images = {name: np.zeros((2, *getattr(layout, name)), np.uint16) for name in ("image", "low_q")}
    >>> shard.extend({"photons": photons, **images}, {"photon_count": [112, 112], "lost_photons": [0, 0]})
    >>> shard.commit()
    >>> run.read("photon_count").tolist(), run.done().tolist()
    ([112, 112, 0, 0, 0], [True, True, False, False, False])
    """

    def __init__(self, arrays: Mapping[str, zarr.Array[Any]], path: StorePath, layout: Layout, index: int) -> None:
        self.shots = layout.shots(index)
        self._place, self._index = place_of(path), index
        raw = [v.name for v in layout.stored() if v.role == "raw" and v.name in arrays]
        self._files = {name: ShardFile(arrays[name], path / name, index) for name in raw}
        self._totals = {v.name: arrays[v.name] for v in named("total")}
        self._values: dict[str, NDArray[Any]] = {
            name: np.zeros(len(self.shots), array.dtype) for name, array in self._totals.items()
        }
        self._written = 0

    def extend(self, values: Mapping[str, NDArray[Any] | Photons], totals: Mapping[str, ArrayLike]) -> None:
        """Append shots.

        Parameters
        ----------
        values : (shot, ...) by name of each raw variable, or the photons of frames, as of `Recorded`; of those that
            are stored elsewhere, which are left out, any
        totals : int (shot,) by name

        Raises
        ------
        RunError
            More photons than a total holds.
        """
        for name, file in self._files.items():
            file.extend(values[name])
        n = 0
        for name, numbers in totals.items():
            given, most = np.asarray(numbers), np.iinfo(self._values[name].dtype).max
            n = len(given)
            if (given > most).any():
                shot, value = self.shots[self._written + int((given > most).argmax())], given.max()
                told = f"shot {shot} has a {name} of {value:.3g} photons, more than {most}"
                raise RunError(f"{told}; weaken the beam, or mask what holds so many")
            self._values[name][self._written : self._written + n] = given
        self._written += n

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
