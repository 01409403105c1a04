"""What verbs are given: a store, a name, numbers, checked before anything is done."""

from __future__ import annotations

import numpy as np
import xarray as xr
from zarr.abc.store import Store as ZarrStore

from xfeldask.errors import WHOLE, InputError, StoreExistsError, refuse_unlike
from xfeldask.schema import named
from xfeldask.store.run import Run
from xfeldask.store.urls import StorePath

LONGEST_NAME = 100
"""Characters of the name of an embedding."""
Store = str | StorePath | ZarrStore | xr.Dataset
"""A store: its path or URL, a zarr store, or the Dataset that `open_dataset` or `simulate` gave of all of it."""


def refuse_name(run: Run, name: str, overwrite: bool) -> None:
    """Refuse a name that is no name, or taken."""
    refuse_unnameable(name, "embedding")
    if f"latent/{name}" in run and not overwrite:
        raise StoreExistsError(f"{run.path} has an embedding {name}; pass overwrite=True (--overwrite) or another name")


def refuse_unnameable(name: str, what: str) -> None:
    """Refuse a name of an embedding or a reconstruction that is no name.

    Raises
    ------
    InputError

    Examples
    --------
    >>> refuse_unnameable("run-42_a", "embedding")
    >>> refuse_unnameable("a/b", "embedding")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    xfeldask.errors.InputError: the embedding's name 'a/b' may hold letters, digits, dash and underscore only...
    """
    if not isinstance(name, str):
        raise InputError(f"the {what}'s name must be text, got {name!r}")
    plain = name.isascii() and name.replace("-", "").replace("_", "").isalnum()
    if not plain or len(name) > LONGEST_NAME:
        told = name if len(name) <= LONGEST_NAME else f"{name[:20]}..."
        raise InputError(
            f"the {what}'s name {told!r} may hold letters, digits, dash and underscore only, {LONGEST_NAME} at most"
        )


def refuse_seed(seed: int) -> None:
    """Refuse a seed that is no whole number, or below 0, which no generator takes.

    Raises
    ------
    InputError

    Examples
    --------
    >>> refuse_seed(-1)
    Traceback (most recent call last):
    xfeldask.errors.InputError: the seed is 0 or a positive whole number, got -1
    """
    refuse_unlike("a whole number", WHOLE, seed=seed)
    if seed < 0:
        raise InputError(f"the seed is 0 or a positive whole number, got {seed}")


def opened(store: Store) -> Run:
    """Open the store that is meant.

    Raises
    ------
    MissingFileError, InputError, CorruptStoreError
        There is no store; a Dataset that is not the whole of one, in order and as it was opened.
    """
    if not isinstance(store, xr.Dataset):
        return Run.open(store)
    source = store.encoding.get("source")
    if source is None:
        raise InputError("this Dataset was not opened from a store; give the path of one, or use fit and transform")
    run = Run.open(source)
    whole = "image" in store and "shot" in store.coords and np.array_equal(store["shot"], np.arange(run.n_shots))
    if not whole:
        raise InputError(
            f"this Dataset is a part of the store {source}, or in another order; give the store's path, or use fit and "
            "transform on the part"
        )
    for name in (v.name for v in (*named("raw"), *named("total")) if v.name in store):
        if store[name].encoding.get("source") != source:
            raise InputError(
                f"{name} of this Dataset is another than that of the store {source}; give the store's path, or use fit "
                "and transform on the Dataset"
            )
    return run
