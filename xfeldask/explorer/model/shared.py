"""What all who look at the same store share: its columns, read once, and where its pixels lie."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from xfeldask.explorer.model.columns import Shots
from xfeldask.explorer.model.pictures import Pictures

STORES = 8
"""Stores and embeddings that are kept at a time."""

Stamp = tuple[int, ...]


def shared_shots(path: str | Path, embedding: str | None = None) -> Shots:
    """Shots of a store as it is now, for one person; raises what `Shots.open` does."""
    path = Path(path).absolute()
    return _shots(path, embedding, _stamp(path, embedding)).own()


def shared_pictures(path: str | Path) -> Pictures:
    """Pictures of a store."""
    path = Path(path).absolute()
    return _pictures(path, _stamp(path, None)[:1])


@lru_cache(STORES)
def _shots(path: Path, embedding: str | None, _: Stamp) -> Shots:
    return Shots.open(path, embedding)


@lru_cache(STORES)
def _pictures(path: Path, _: Stamp) -> Pictures:
    return Pictures(path)


def _stamp(path: Path, embedding: str | None) -> Stamp:
    """When what is read was written last."""
    places = ("zarr.json", "shot_status/c", "selection", "latent", f"latent/{embedding}/zarr.json")
    return tuple(_written(path / place) for place in places)


def _written(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0
