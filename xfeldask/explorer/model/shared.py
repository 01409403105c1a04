"""What all who look at the same store share: its columns, read once, and where its pixels lie."""

from __future__ import annotations

from functools import lru_cache

from xfeldask.explorer.model.pictures import Pictures
from xfeldask.store.choosing.columns import Shots
from xfeldask.store.run import Run
from xfeldask.store.storage.places import place_of
from xfeldask.store.storage.urls import StorePath, store_path

STORES = 8
"""Number of stores and embeddings that are held at a time."""

Stamp = tuple[object, ...]


def shared_shots(store: str | StorePath, embedding: str | None = None) -> Shots:
    """Return the shots of a store as it is now, for one person; raise what `open_run` and `Shots.of` do.

    Examples
    --------
    >>> import tempfile, xfeldask
    >>> path, two = tempfile.mkdtemp() + "/run.zarr", ([[0, 0, 0], [2e-9, 0, 0]], ["C", "C"])
    >>> _ = xfeldask.simulate(path, particle=two, detector="square-32", n_shots=4, progress=False)
    >>> shared_shots(path).column("hit") is shared_shots(path).column("hit")
    True
    """
    place = str(store_path(store).absolute())
    return _shots(place, embedding, stamp(place, embedding)).own()


def shared_pictures(run: Run) -> Pictures:
    """Return the pictures of a run.

    Examples
    --------
    >>> import tempfile, xfeldask
    >>> path, two = tempfile.mkdtemp() + "/run.zarr", ([[0, 0, 0], [2e-9, 0, 0]], ["C", "C"])
    >>> _ = xfeldask.simulate(path, particle=two, detector="square-32", n_shots=4, progress=False)
    >>> run = xfeldask.open_run(path)
    >>> shared_pictures(run) is shared_pictures(run)
    True
    """
    place = str(run.path.absolute())
    return _pictures(place, stamp(place, None)[:1])


@lru_cache(STORES)
def _run(place: str, _: Stamp) -> Run:
    return Run.open(place)


@lru_cache(STORES)
def _shots(place: str, embedding: str | None, stamp: Stamp) -> Shots:
    return Shots.of(_run(place, stamp[:1]), embedding)


@lru_cache(STORES)
def _pictures(place: str, stamp: Stamp) -> Pictures:
    return Pictures(_run(place, stamp))


def stamp(store: str | StorePath, embedding: str | None = None) -> Stamp:
    """Return when what is read of a store was written last."""
    parts = (
        "zarr.json",
        "shot_status/c",
        "selection",
        "labels",
        "known_background",
        "latent",
        f"latent/{embedding}/zarr.json",
    )
    found = place_of(store_path(store))
    return tuple(found.stamp(part) for part in parts)
