"""What an explorer's server shows, as it is given or named on a command line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from xfeldask.store.storage.places import place_of
from xfeldask.store.storage.urls import StorePath, store_path

STORE = "XFELDASK_STORE"
"""Environment variable that names the store where no argument does."""


@dataclass(frozen=True)
class Options:
    """What a server shows.

    Attributes
    ----------
    stores : to choose from, the first one at first
    embedding : str or None, at first
    allow_write : whether embeddings and selections may be written into the stores

    Examples
    --------
    >>> Options(("run.zarr",)).allow_write
    False
    """

    stores: tuple[StorePath, ...]
    embedding: str | None = None
    allow_write: bool = False

    def embedding_of(self, here: int) -> str | None:
        """Return the embedding that the store at a place is to be shown with; of several stores, some may lack it."""
        named, stores = self.embedding, self.stores
        return named if len(stores) == 1 or (named and place_of(stores[here]).holds(f"latent/{named}")) else None


def read_options(arguments: Sequence[str], environment: Mapping[str, str]) -> Options:
    """Read the options of a command line: ``--store`` any number of times, ``--embedding``, ``--allow-write``.

    Parameters
    ----------
    arguments : words; those that are not known are passed over
    environment : ``XFELDASK_STORE`` names a store where no argument does

    Examples
    --------
    >>> read_options(["--store", "a.zarr", "--store=b.zarr"], {}).stores
    (PosixPath('a.zarr'), PosixPath('b.zarr'))
    """
    found: dict[str, list[str]] = {"--store": [], "--embedding": []}
    words = iter(arguments)
    for word in words:
        name, equals, after = word.partition("=")
        if name in found:
            found[name].append(after if equals else next(words, ""))
    stores = [name for name in found["--store"] or [environment.get(STORE, "")] if name]
    embedding = found["--embedding"][-1] if found["--embedding"] else None
    return Options(tuple(map(store_path, stores)), embedding, "--allow-write" in arguments)
