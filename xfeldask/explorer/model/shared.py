"""What all who look at the same store share: its columns, read once, and where its pixels lie."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from xfeldask.explorer.model.columns import Shots
from xfeldask.explorer.model.pictures import Pictures
from xfeldask.store.run import Run

STORES = 8
"""Stores and embeddings that are kept at a time."""

Stamp = tuple[int, ...]


def shared_shots(store: str | Path, embedding: str | None = None) -> Shots:
    """Return the shots of a store as it is now, for one person; raises what `open_run` and `Shots.of` do."""
    place = str(Path(store).absolute())
    return _shots(place, embedding, _stamp(place, embedding)).own()


def shared_pictures(run: Run) -> Pictures:
    """Return the pictures of a run."""
    place = str(run.path.absolute())
    return _pictures(place, _stamp(place, None)[:1])


@lru_cache(STORES)
def _run(place: str, _: Stamp) -> Run:
    return Run.open(place)


@lru_cache(STORES)
def _shots(place: str, embedding: str | None, stamp: Stamp) -> Shots:
    return Shots.of(_run(place, stamp[:1]), embedding)


@lru_cache(STORES)
def _pictures(place: str, stamp: Stamp) -> Pictures:
    return Pictures(_run(place, stamp))


def _stamp(place: str, embedding: str | None) -> Stamp:
    """When what is read was written last."""
    parts = ("zarr.json", "shot_status/c", "selection", "latent", f"latent/{embedding}/zarr.json")
    return tuple(_written(Path(place, part)) for part in parts)


def _written(file: Path) -> int:
    try:
        return file.stat().st_mtime_ns
    except OSError:
        return 0
