"""A store as a person gives it: by its path, or as what was opened of it."""

from __future__ import annotations

import numpy as np
import xarray as xr
from zarr.abc.store import Store as ZarrStore

from xfeldask.errors import InputError
from xfeldask.schema import named
from xfeldask.store.run import Run
from xfeldask.store.storage.urls import StorePath

Store = str | StorePath | ZarrStore | xr.Dataset
"""A store: its path or URL, a zarr store, or the Dataset that `open_dataset` or `simulate` gave of all of it."""


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
